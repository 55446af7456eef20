# SheetJS (npm's xlsx)
cat > a.js <<'JS'
const XLSX = require('xlsx');
for (const [name, n] of [['one', 1], ['few', 60], ['some', 700], ['many', 9000]]) {
  const rows = Array.from({ length: n }, (_, i) => [i, 'article ' + i, i * 7919 % 10007]);
  const book = XLSX.utils.book_new();
  XLSX.utils.book_append_sheet(book, XLSX.utils.aoa_to_sheet(rows), 'Sheet 1');
  XLSX.writeFile(book, `out/${name}.xls`, { bookType: 'biff8' });
  XLSX.writeFile(book, `out/${name}-old.xls`, { bookType: 'biff5' });
  XLSX.writeFile(book, `out/${name}.xlsx`);
  XLSX.writeFile(book, `out/${name}-packed.xlsx`, { compression: true });
}
JS
node a.js
