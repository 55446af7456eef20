# MuPDF
echo "%%MediaBox 0 0 500 500" > page.txt
echo '0 0 1 rg 0 0 100 100 re f' >> page.txt
mutool create -o a.pdf page.txt page.txt page.txt
cp a.pdf out/created.pdf
mutool clean -ggg -z a.pdf out/cleaned.pdf
mutool clean -d a.pdf out/open.pdf
mutool clean -l a.pdf out/linear.pdf
mutool draw -q -o out/page.png a.pdf 1
