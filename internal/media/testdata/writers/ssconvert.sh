# Gnumeric
for i in $(seq 9); do echo "$i,article $i,$((i * 7))"; done > list.csv
for i in $(seq 2000); do echo "$i,article $i,$((i * 7))"; done > table.csv
for name in list table; do
  for format in biff7 biff8 dsf; do
    ssconvert -T Gnumeric_Excel:excel_$format $name.csv out/$name-$format.xls 2>/dev/null
  done
  ssconvert $name.csv out/$name.xlsx 2>/dev/null
done
