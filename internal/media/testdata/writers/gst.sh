# GStreamer's muxers
film() { gst-launch-1.0 -q audiotestsrc num-buffers=200 ! lamemp3enc ! "$@"; }
film mp4mux ! filesink location=out/last.mp4
film mp4mux faststart=true ! filesink location=out/first.mp4
film mp4mux fragment-duration=500 ! filesink location=out/fragments.mp4
film mp4mux fragment-duration=500 streamable=true ! filesink location=out/fragments-untold.mp4
gst-launch-1.0 -q audiotestsrc num-buffers=100 ! wavenc ! filesink location=out/sound.wav
gst-launch-1.0 -q videotestsrc num-buffers=1 ! jpegenc ! filesink location=out/frame.jpg
gst-launch-1.0 -q videotestsrc num-buffers=1 ! pngenc ! filesink location=out/frame.png
