# lame: MP3 as it is told and as it is not told how long it is
sox -n -r 44100 -c 2 long.wav synth 20 sine 300:3000 synth 20 sine amod 0.3
lame --quiet -V 5 long.wav out/varying.mp3
lame --quiet -V 5 -t long.wav out/varying-untold.mp3
lame --quiet --abr 130 -t long.wav out/average-untold.mp3
lame --quiet -b 128 -t long.wav out/constant-untold.mp3
lame --quiet -b 128 --add-id3v2 --tt title --ta artist long.wav out/tagged.mp3
lame --quiet -b 32 -m m --resample 16 -p long.wav out/protected.mp3
