# LibreOffice: letters, tables and slides of some lengths, in every format that it exports of those that are posted
office() { soffice --headless -env:UserInstallation="file://$PWD/profile" --convert-to "$@" >/dev/null 2>&1; }
letter() { echo '<html><body><h1>Title</h1>'; for i in $(seq "$1"); do echo "<p>paragraph $i of a long letter</p>"; done; }
letter 3 > note.html
letter 400 > letter.html
for i in $(seq 9); do echo "$i,article $i,$((i * 7))"; done > list.csv
for i in $(seq 2000); do echo "$i,article $i,$((i * 7))"; done > table.csv
slides() { printf '%s' '<?xml version="1.0"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" office:version="1.2"
office:mimetype="application/vnd.oasis.opendocument.presentation"><office:body><office:presentation>'
  for i in $(seq "$1"); do printf '<draw:page draw:name="page %d"/>' "$i"; done
  printf '%s' '</office:presentation></office:body></office:document>'; }
slides 2 > slides.fodp
slides 40 > many.fodp
office docx:'MS Word 2007 XML' --infilter='HTML (StarWriter)' --outdir out letter.html note.html
office doc:'MS Word 97' --infilter='HTML (StarWriter)' --outdir out letter.html note.html
office pdf:writer_web_pdf_Export --outdir out letter.html
office xlsx --outdir out table.csv
office xls:'MS Excel 97' --outdir out table.csv list.csv
office pptx --outdir out slides.fodp
office ppt:'MS PowerPoint 97' --outdir out slides.fodp many.fodp
ls out/letter.{docx,doc,pdf} out/note.doc out/table.{xlsx,xls} out/list.xls out/slides.{pptx,ppt} out/many.ppt
