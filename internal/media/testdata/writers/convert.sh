# ImageMagick
convert -size 320x240 -seed 1 plasma:red-blue a.png
convert a.png -quality 92 out/baseline.jpg
convert a.png -interlace JPEG -quality 80 out/progressive.jpg
convert a.png -sampling-factor 4:2:0 -colorspace Gray out/gray.jpeg
convert -size 1000x700 xc:white out/white.jpg
convert a.png -set comment 'a comment' -density 300 -colorspace CMYK out/cmyk.jpg
convert a.png -depth 16 out/deep.png
convert a.png -interlace PNG -colors 16 out/interlaced.png
convert -size 1000x700 xc:white PNG8:out/blank.png
