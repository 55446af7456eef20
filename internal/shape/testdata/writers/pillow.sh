# Pillow, and the wave module of Python
/usr/bin/python3 - <<'PY'
import wave
from PIL import Image
w = wave.open("out/module.wav", "wb"); w.setnchannels(2); w.setsampwidth(3); w.setframerate(48000)
w.writeframes(b"\1\2\3" * 2 * 48000 * 2); w.close()
m = Image.linear_gradient("L").resize((331, 211)).convert("RGB")
x = Image.Exif(); x[274] = 6
m.save("out/p.jpg", exif=x); m.save("out/p.png", exif=x); m.save("out/p.webp", exif=x); m.save("out/p.tif", tiffinfo={274: 8})
m.save("out/progressive.jpg", progressive=True, exif=x, optimize=True)
m.save("out/moving.gif", save_all=True, append_images=[m.rotate(9)])
m.convert("P").save("out/p.bmp"); m.convert("CMYK").save("out/cmyk.jpg")
PY
