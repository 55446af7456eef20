# ffmpeg: films and sound, whole ones of every layout that it has
run() { ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x240:d=4 -f lavfi -i sine=d=4 -c:v mpeg4 -g 10 -c:a aac "$@"; }
run out/last.mp4
run -movflags +faststart out/first.mp4
run -movflags frag_keyframe+empty_moov out/fragments.mp4
run -movflags frag_keyframe+empty_moov+default_base_moof+skip_trailer -f mp4 out/fragments-untold.mp4
run -movflags +frag_every_frame+empty_moov out/fragments-many.mp4
run -moov_size 200000 out/roomy.mp4
run -movflags +disable_chpl -map_metadata -1 -fflags +bitexact out/bare.mp4
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=176x144:d=2 -c:v mpeg4 -an -f 3gp out/small.3gpp
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=176x144:d=2 -f lavfi -i sine=d=2 -c:v mpeg4 -c:a aac -movflags +faststart -f 3gp out/first.3gpp
sine() { ffmpeg -nostdin -v error -f lavfi -i sine=d=3 "$@"; }
sine out/plain.wav
sine -rf64 always out/rf64.wav
sine -rf64 auto out/rf64-auto.wav
sine -c:a adpcm_ms -metadata title=x out/adpcm.wav
sine -c:a pcm_u8 -af atrim=end_sample=7001 out/odd.wav
sine -f wav - > out/piped.wav
sine -rf64 always -f wav - > out/piped-rf64.wav
sine -b:a 64k out/plain.mp3
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=640x480:d=0.04 out/mjpeg.jpg
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=640x480:d=0.04 out/frame.png
