# GStreamer: the muxers that cameras and recorders are made of
run() { gst-launch-1.0 -q "$@" >/dev/null; }
film="videotestsrc num-buffers=64 ! video/x-raw,width=320,height=240,framerate=20/1 ! jpegenc"
sound="audiotestsrc num-buffers=100 ! audio/x-raw,rate=44100"
run $film ! qtmux ! filesink location=out/quick.mov
run $film ! qtmux fragment-duration=500 ! filesink location=out/fragments.mov
run $film ! avimux ! filesink location=out/camera.avi
run $film ! matroskamux ! filesink location=out/camera.mkv
run $film ! matroskamux streamable=true ! filesink location=out/live-untold.mkv
run $sound ! wavenc ! filesink location=out/recorder.wav
run $sound ! flacenc ! filesink location=out/recorder.flac
run $sound ! speexenc ! oggmux ! filesink location=out/speech.ogg
