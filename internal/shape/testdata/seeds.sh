#!/bin/bash
# seeds.sh makes the files in seeds/ anew, in out/ of the folder that it runs in. Nothing runs it by itself: the files are kept.
#
#   apt-get install ffmpeg imagemagick libimage-exiftool-perl sox
set -euo pipefail
mkdir -p out
v=(-f lavfi -i testsrc2=s=32x24:r=5:d=1) a=(-f lavfi -i sine=d=1:r=8000)
run() { ffmpeg -nostdin -v error -y "${@:1:$#-1}" -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1 "${@: -1}"; }
f() { run "${v[@]}" "${a[@]}" -c:v mpeg4 "$@"; }
f -c:a aac -b:a 8k out/plain.mp4
f -c:a aac -b:a 8k -movflags frag_keyframe+empty_moov -g 2 out/fragments.mp4
f -c:a aac -b:a 8k out/film.mkv
f -c:a libmp3lame -b:a 8k out/film.avi
run "${v[@]}" -c:v libvpx -b:v 20k out/film.webm
run "${v[@]}" "${a[@]}" -c:v wmv1 -c:a wmav1 -ar 22050 out/film.wmv
run -f lavfi -i testsrc2=s=32x24:r=25:d=0.4 -c:v mpeg1video -f mpeg out/film.mpg
run "${a[@]}" -c:a aac -b:a 8k -f adts out/sound.aac
run "${a[@]}" -c:a libopus -b:a 8k out/sound.opus
run "${a[@]}" -c:a libvorbis -ar 8000 out/sound.ogg
run "${a[@]}" -t 0.2 -c:a flac out/sound.flac
run "${a[@]}" -b:a 8k out/counted.mp3
run "${a[@]}" -q:a 9 -write_xing 0 -id3v2_version 0 out/untold.mp3
run "${a[@]}" -t 0.1 out/sound.aiff
run "${a[@]}" -t 0.2 -c:a adpcm_ms out/adpcm.wav
sox -n -r 8000 out/sound.amr-nb synth 1 sine 440; mv out/sound.amr-nb out/sound.amr
convert -size 33x21 gradient:red-blue -strip base.png
for to in jpg png webp tif heic avif gif bmp; do convert base.png out/picture.$to; done
convert base.png -interlace JPEG out/progressive.jpg
exiftool -q -q -overwrite_original -n -Orientation=6 out/picture.jpg out/picture.png out/picture.webp out/picture.tif
