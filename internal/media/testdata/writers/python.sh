# Python's own modules
/usr/bin/python3 - <<'PY'
import math, struct, wave, zipfile
for name, n in ("short", 999), ("long", 40000):
    with wave.open("out/%s.wav" % name, "wb") as w:
        w.setnchannels(1), w.setsampwidth(2), w.setframerate(8000)
        for i in range(n):
            w.writeframes(struct.pack("<h", int(9000 * math.sin(i / 9))))
with zipfile.ZipFile("out/a.docx", "w", zipfile.ZIP_DEFLATED) as z:
    z.comment = b"a comment"
    z.writestr("word/document.xml", "<w:p>text</w:p>" * 3000)
with zipfile.ZipFile("out/b.docx", "w") as z:
    with z.open("word/document.xml", "w", force_zip64=True) as f:
        f.write(b"<w:p>text</w:p>" * 3000)
PY
