# qpdf, with a file of Ghostscript's to begin with
echo '%!
/Helvetica 20 selectfont 0 1 40 { 1 1 9 { 30 mul 100 exch moveto (text) show } for pop showpage } for' > a.ps
gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile=a.pdf a.ps
qpdf a.pdf out/plain.pdf
qpdf --linearize a.pdf out/linearized.pdf
qpdf --object-streams=generate a.pdf out/streams.pdf
qpdf --object-streams=generate --linearize a.pdf out/streams-linearized.pdf
qpdf --encrypt '' owner 256 -- a.pdf out/encrypted.pdf
qpdf --encrypt user owner 128 --use-aes=y -- --linearize a.pdf out/encrypted-linearized.pdf
qpdf --qdf --object-streams=disable a.pdf out/qdf.pdf
qpdf --empty --pages a.pdf 1-3 a.pdf 5 -- out/pages.pdf
