# ExifTool changes files in place: a PDF gets an update behind its end, a film a box
convert -size 320x240 -seed 1 plasma:red-blue out/a.jpg
convert out/a.jpg out/a.png
echo '%!
/Helvetica 20 selectfont 100 100 moveto (text) show showpage' > a.ps
gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sOutputFile=out/a.pdf a.ps
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x240:d=2 -c:v mpeg4 out/last.mp4
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x240:d=2 -c:v mpeg4 -movflags +faststart out/first.mp4
exiftool -q -overwrite_original -Title=title -Author=author -XMP-dc:Description=words out/a.jpg out/a.png out/a.pdf out/*.mp4
