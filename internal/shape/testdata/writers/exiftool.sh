# exiftool: what turns a picture, in every format that can say so
convert -size 323x201 gradient:red-blue base.png
for to in jpg png webp tif heic; do convert base.png base.$to; done
for n in 1 2 3 4 5 6 7 8; do
  for to in jpg png webp tif heic; do cp base.$to out/turn-$n.$to; done
  exiftool -q -q -overwrite_original -n -Orientation=$n -GPSLatitude=12.5 -GPSLatitudeRef=N -Make=Camera out/turn-$n.*
done
cp base.jpg out/big-endian.jpg
exiftool -q -overwrite_original -ExifByteOrder=MM -n -Orientation=6 out/big-endian.jpg
cp base.jpg out/behind-xmp.jpg
exiftool -q -overwrite_original -XMP:Title=x -n -Orientation=8 -IPTC:Keywords=x -ICC_Profile= out/behind-xmp.jpg
