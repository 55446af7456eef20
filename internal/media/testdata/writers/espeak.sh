# eSpeak
espeak-ng -w out/long.wav 'A file that is spoken, and then some more of it'
espeak-ng -w out/short.wav 'word'
espeak-ng --stdout 'to a pipe' > out/piped.wav
