# FLAC's decoder
sox -n -r 8000 a.wav synth 2 pluck 440
flac -s a.wav
flac -s -d -o out/plain.wav a.flac
flac -s -d --force-rf64-format -o out/rf64.wav a.flac
flac -s -d -c a.flac > out/piped.wav
