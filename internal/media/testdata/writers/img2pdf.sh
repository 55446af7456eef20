# img2pdf
convert -size 320x240 -seed 1 plasma:red-blue a.jpg
convert a.jpg a.png
img2pdf -o out/photo.pdf a.jpg
img2pdf -o out/picture.pdf a.png
img2pdf -o out/both.pdf a.jpg a.png
