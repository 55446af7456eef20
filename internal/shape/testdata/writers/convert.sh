# ImageMagick: pictures of odd sizes, of every kind of pixel, as many programs write them
convert -size 323x201 gradient:red-blue -attenuate 0.3 +noise Gaussian base.png
for to in a.jpg a.jpeg a.png a.gif a.webp a.tif a.bmp a.heic a.avif; do convert base.png out/$to; done
convert base.png -interlace JPEG out/progressive.jpg
convert base.png -colorspace gray out/gray.jpg
convert base.png -colorspace CMYK out/cmyk.jpg
convert base.png -sampling-factor 1x1 out/full.jpg
convert base.png -interlace PNG out/interlaced.png
convert base.png -depth 16 PNG48:out/deep.png
convert base.png -colors 16 PNG8:out/palette.png
convert base.png -monochrome out/one-bit.png
convert base.png -alpha set -channel A -evaluate set 50% out/alpha.png
convert base.png -define webp:lossless=true out/lossless.webp
convert base.png -alpha set -channel A -evaluate set 50% out/alpha.webp
convert base.png -compress zip -endian MSB out/big-endian.tiff
convert base.png -compress Group4 -monochrome out/fax.tif
convert base.png base.png -resize 50% out/pages.tif
convert base.png BMP2:out/two.bmp
convert base.png BMP3:out/three.bmp
convert -size 1x1 xc:red out/least.png
convert -size 15001x3 xc:red out/panorama.png
