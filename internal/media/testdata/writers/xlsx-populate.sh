# xlsx-populate (npm), plain and with a password
cat > a.js <<'JS'
const Populate = require('xlsx-populate');
(async () => {
  for (const [name, n] of [['one', 1], ['few', 60], ['some', 700], ['many', 4000]]) {
    const book = await Populate.fromBlankAsync();
    for (let i = 0; i < n; i++) {
      book.sheet(0).cell(i + 1, 1).value('article ' + i);
      book.sheet(0).cell(i + 1, 2).value(i * 7919 % 10007);
    }
    await book.toFileAsync(`out/${name}.xlsx`);
    await book.toFileAsync(`out/${name}-locked.xlsx`, { password: 'secret' });
  }
})();
JS
node a.js
