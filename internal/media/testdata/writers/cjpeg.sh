# libjpeg-turbo
convert -size 640x480 -seed 2 plasma:red-blue a.ppm
cjpeg -outfile out/plain.jpg a.ppm
cjpeg -progressive -optimize -outfile out/progressive.jpg a.ppm
cjpeg -arithmetic -outfile out/arithmetic.jpg a.ppm
cjpeg -restart 1 -grayscale -outfile out/restarts.jpg a.ppm
jpegtran -rotate 90 -copy all -outfile out/turned.jpg out/plain.jpg
