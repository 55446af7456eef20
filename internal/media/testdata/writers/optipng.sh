# OptiPNG
convert -size 320x240 -seed 1 plasma:red-blue a.png
convert -size 320x240 xc:white b.png
optipng -quiet -o1 -out out/a.png a.png
optipng -quiet -i1 -o1 -out out/interlaced.png a.png
optipng -quiet -o1 -out out/white.png b.png
