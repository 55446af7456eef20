# xlwt
/usr/bin/python3 - <<'PY'
import xlwt
for name, n in ("one", 1), ("few", 60), ("some", 700), ("many", 9000):
    book = xlwt.Workbook()
    sheet = book.add_sheet("a")
    for i in range(n):
        for j, v in enumerate([i, "article %d" % i, i * 7919 % 10007]):
            sheet.write(i, j, v)
    book.save("out/%s.xls" % name)
PY
