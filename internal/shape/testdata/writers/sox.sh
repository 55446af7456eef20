# sox: sound in the formats of telephones and of dictation
for to in sound.wav sound.amr-nb sound.aiff sound.ogg sound.flac; do sox -n -r 8000 out/$to synth 3.7 sine 440; done
mv out/sound.amr-nb out/sound.amr
sox -n -r 8000 -e gsm-full-rate out/dictation.wav synth 3.7 sine 440
sox -n -r 8000 -t wav - synth 3.7 sine 440 > out/piped.wav
sox -n -r 16000 -t flac - synth 3.7 sine 440 > out/piped.flac
