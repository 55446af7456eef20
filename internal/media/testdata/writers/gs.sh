# Ghostscript
page='/Helvetica 20 selectfont 100 100 moveto (text) show 0 1 300 { dup 2 mul moveto (more) show } for showpage'
pdf() { echo "%! $page $page $page" | sed 's/^%! /%!\n/; s/dup 2 mul/dup dup 2 mul exch pop 0 exch/' |
  gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite "$@" -; }
pdf -sOutputFile=out/plain.pdf
pdf -dCompatibilityLevel=1.3 -dCompressPages=false -sOutputFile=out/old.pdf
pdf -dFastWebView=true -sOutputFile=out/linearized.pdf
pdf -dPDFA=2 -sOutputFile=out/archive.pdf
