# ReportLab
/usr/bin/python3 - <<'PY'
from reportlab.pdfgen import canvas
for name, n, packed in ("one", 1, 0), ("many", 40, 0), ("packed", 40, 1):
    c = canvas.Canvas("out/%s.pdf" % name, pageCompression=packed)
    for i in range(n):
        for j in range(30):
            c.drawString(100, 20 * j, "line %d of page %d" % (j, i))
        c.showPage()
    c.save()
PY
