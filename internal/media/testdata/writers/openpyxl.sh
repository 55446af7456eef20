# openpyxl
/usr/bin/python3 - <<'PY'
import openpyxl
for name, n in ("one", 1), ("some", 700), ("many", 9000):
    book = openpyxl.Workbook()
    for i in range(n):
        book.active.append([i, "article %d" % i, i * 7919 % 10007])
    book.save("out/%s.xlsx" % name)
PY
