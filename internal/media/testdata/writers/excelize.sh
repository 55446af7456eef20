# excelize (Go), plain and with a password
go run -C "$TESTDATA/excelize" . "$PWD/out"
