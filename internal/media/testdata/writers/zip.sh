# Info-ZIP
mkdir word
head -c 3000 /dev/urandom > word/image.jpeg
seq 5000 > word/document.xml
zip -q out/plain.docx -r word
zip -q -0 out/stored.xlsx -r word
echo 'a comment at the end' | zip -q -z out/commented.pptx -r word
zip -q -fz out/wide.docx -r word
zip -q - word/document.xml | cat > out/streamed.docx
zip -q -0 out/nested.docx out/stored.xlsx word/document.xml
