# LibTIFF, as scanners' programs use it
convert -size 320x240 -seed 1 plasma:red-blue -depth 8 a.tif
convert -size 1000x700 xc:white -monochrome -compress Group4 b.tif
tiff2pdf -o out/colour.pdf a.tif
tiff2pdf -j -o out/photo.pdf a.tif
tiff2pdf -o out/fax.pdf b.tif
