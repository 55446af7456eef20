# libgsf: any files as streams of an old Office file
mkdir Data
seq 9000 > WordDocument
seq 500 > Data/Small
head -c 70000 /dev/urandom > Data/Large
head -c 4096 /dev/urandom > Table
gsf createole out/small.doc Data/Small Table 2>/dev/null
gsf createole out/large.doc WordDocument Table Data 2>/dev/null
gsf createole out/mixed.xls Table Data/Small WordDocument 2>/dev/null
