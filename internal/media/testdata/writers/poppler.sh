# Poppler and cairo
echo '%!
/Helvetica 20 selectfont 1 1 9 { 1 1 9 { 30 mul 100 exch moveto (text) show } for pop showpage } for' > a.ps
gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile=a.pdf a.ps
pdfunite a.pdf a.pdf out/united.pdf
pdfseparate -f 1 -l 2 a.pdf out/page-%d.pdf
pdftocairo -pdf a.pdf out/cairo.pdf
pdftoppm -png -f 1 -l 1 -singlefile a.pdf out/page
pdftoppm -jpeg -f 1 -l 1 -singlefile a.pdf out/page
