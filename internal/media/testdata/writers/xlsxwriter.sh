# XlsxWriter
/usr/bin/python3 - <<'PY'
import xlsxwriter
for name, n in ("one", 1), ("some", 700), ("many", 9000):
    book = xlsxwriter.Workbook("out/%s.xlsx" % name)
    sheet = book.add_worksheet()
    for i in range(n):
        sheet.write_row(i, 0, [i, "article %d" % i, i * 7919 % 10007])
    book.close()
PY
