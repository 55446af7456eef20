# flac: its own container, with and without what stands before and behind
sox -n -r 96000 -b 24 -c 1 long.wav synth 5.55 sine 300:3000
flac --silent long.wav -o out/plain.flac
flac --silent --ogg long.wav -o out/in-ogg.oga
flac --silent --no-seektable -T TITLE=x --padding=200000 long.wav -o out/padded.flac
sox long.wav -t raw - > long.raw
cat long.raw | flac --silent --force-raw-format --endian=little --sign=signed --channels=1 --bps=24 --sample-rate=96000 --stdout - | cat > out/piped-unknown.flac
