# 7-Zip (Debian calls it 7zz)
mkdir word
head -c 3000 /dev/urandom > word/image.jpeg
seq 5000 > word/document.xml
7zz a -tzip out/plain.docx word >/dev/null
7zz a -tzip -mx0 out/stored.xlsx word >/dev/null
7zz a -tzip -psecret -mem=AES256 out/locked.pptx word >/dev/null
