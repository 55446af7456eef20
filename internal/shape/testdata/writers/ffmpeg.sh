# ffmpeg: films, sounds and pictures in every container that it has for them
v=(-f lavfi -i "testsrc2=s=322x242:r=25:d=3.2") a=(-f lavfi -i "sine=d=3.2:r=44100")
run() { ffmpeg -nostdin -v error -y "$@"; }
film() { run "${v[@]}" "${a[@]}" -g 10 "$@"; }
film -c:v libx264 -preset ultrafast -c:a aac out/last.mp4
film -c:v libx264 -preset ultrafast -c:a aac -movflags +faststart out/first.mp4
film -c:v libx264 -preset ultrafast -c:a aac out/film.mov
film -c:v libx264 -preset ultrafast -c:a aac out/film.m4v
film -c:v mpeg4 -c:a aac -s 176x144 -f 3gp out/film.3gp
film -c:v libx264 -preset ultrafast -c:a aac -aspect 16:9 out/wide-pixels.mp4
film -c:v libx264 -preset ultrafast -c:a aac -movflags frag_keyframe+empty_moov out/fragments.mp4
film -c:v libx264 -preset ultrafast -c:a aac -movflags frag_keyframe out/fragments-behind-moov.mp4
film -c:v libx264 -preset ultrafast -c:a aac -movflags frag_keyframe+empty_moov+default_base_moof+skip_trailer out/fragments-untold.mp4
film -c:v libx264 -preset ultrafast -c:a aac -movflags dash+frag_every_frame+empty_moov out/fragments-many.mp4
run -f lavfi -i "testsrc2=s=64x48:r=50:d=60" -c:v mpeg4 -movflags frag_every_frame+empty_moov out/fragments-3000.mp4
run -f lavfi -i "testsrc2=s=322x242:r=25:d=3.2" -c:v libx264 -preset ultrafast -an out/silent.mp4
for turn in 90 180 270; do run -i out/last.mp4 -c copy -metadata:s:v:0 rotate=$turn out/turned-$turn.mp4; done
film -c:v libx264 -preset ultrafast -c:a aac out/film.mkv
film -c:v libx264 -preset ultrafast -c:a aac -aspect 16:9 out/wide-pixels.mkv
film -c:v libvpx -deadline realtime -c:a libvorbis out/film.webm
film -c:v mpeg4 -c:a libmp3lame out/film.avi
film -c:v wmv2 -c:a wmav2 out/film.wmv
film -c:v mpeg2video -c:a mp2 out/film.mpg
film -c:v mpeg2video -c:a mp2 -aspect 16:9 -f vob out/wide-pixels.vob
film -c:v mpeg1video -c:a mp2 -s 320x240 -f mpeg out/one.mpg
run "${a[@]}" -c:a aac out/sound.m4a
run "${a[@]}" -c:a alac out/alac.m4a
run "${a[@]}" -c:a aac -f adts out/sound.aac
run "${a[@]}" -c:a libopus out/sound.opus
run "${a[@]}" -c:a libopus out/opus.webm
run "${a[@]}" -c:a libopus -f ogg out/opus.ogg
run "${a[@]}" -c:a libvorbis out/vorbis.ogg
run "${a[@]}" -c:a flac -f ogg out/flac.ogg
run "${a[@]}" -c:a flac out/sound.flac
run "${a[@]}" -c:a wmav2 out/sound.wma
run "${a[@]}" out/sound.aiff
run "${a[@]}" -b:a 64k out/constant.mp3
run "${a[@]}" -q:a 4 -metadata title=x -id3v2_version 3 -write_id3v1 1 out/varying.mp3
run "${a[@]}" -b:a 64k -write_xing 0 -id3v2_version 0 out/constant-untold.mp3
run "${a[@]}" -ac 1 -ar 22050 -b:a 32k out/lower.mp3
run "${a[@]}" -ac 1 -ar 8000 -b:a 16k -write_xing 0 out/lowest-untold.mp3
run "${a[@]}" -c:a mp2 -f mp2 out/layer2.mp3
run "${a[@]}" out/sound.wav
run "${a[@]}" -c:a pcm_s24le -rf64 always out/long.wav
run "${a[@]}" -c:a adpcm_ms out/adpcm.wav
run "${a[@]}" -c:a adpcm_ima_wav out/ima.wav
run "${a[@]}" -c:a pcm_f32le -ac 2 out/float.wav
run "${a[@]}" -c:a pcm_mulaw -ar 8000 out/telephone.wav
run "${a[@]}" -f wav - > out/piped.wav
run "${v[@]}" -frames:v 1 out/frame.jpg
run "${v[@]}" -frames:v 1 out/frame.png
run "${v[@]}" -frames:v 1 out/frame.bmp
run "${v[@]}" -frames:v 1 out/frame.tiff
run "${v[@]}" -frames:v 1 out/frame.webp
run "${v[@]}" -frames:v 1 -still-picture 1 -c:v libaom-av1 -cpu-used 8 out/frame.avif
run "${v[@]}" -t 0.4 out/moving.gif
run "${v[@]}" -t 0.4 -f apng out/moving.png
run "${v[@]}" -t 0.4 -loop 0 out/moving.webp
