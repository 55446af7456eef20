# SoX
tone() { sox -n -r 8000 "$@" synth 2 pluck 440; }
tone out/plain.wav
tone -b 8 out/small.wav
tone -b 24 -c 2 out/deep.wav
tone -e floating-point -b 32 out/float.wav
tone -e a-law out/alaw.wav
tone -e ima-adpcm out/adpcm.wav
tone -e ms-adpcm out/msadpcm.wav
tone -e gsm-full-rate out/gsm.wav
tone -t wav - | cat > out/piped.wav
sox -n -r 8000 -b 8 -c 1 out/odd.wav synth 7001s sine 300
