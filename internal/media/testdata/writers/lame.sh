# LAME
sox -n -r 44100 a.wav synth 3 pluck 440
lame --quiet a.wav out/constant.mp3
lame --quiet -V 4 --tt title a.wav out/variable.mp3
lame --quiet --decode out/constant.mp3 out/decoded.wav
