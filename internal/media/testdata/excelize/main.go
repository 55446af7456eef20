// Command excelize writes workbooks with excelize into the folder it is given: a plain one, and ones with a password.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/xuri/excelize/v2"
)

func main() {
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(dir string) error {
	for rows, name := range map[int]string{1: "one", 60: "few", 900: "some", 9000: "many"} {
		f := excelize.NewFile()
		for r := range rows {
			cell := fmt.Sprintf("A%d", r+1)
			if err := f.SetSheetRow("Sheet1", cell, &[]any{r, fmt.Sprintf("article %d", r), r * 7919 % 10007}); err != nil {
				return err
			}
		}
		if err := f.SaveAs(filepath.Join(dir, "excelize-"+name+".xlsx")); err != nil {
			return err
		}
		locked := filepath.Join(dir, "excelize-password-"+name+".xlsx")
		if err := f.SaveAs(locked, excelize.Options{Password: "secret"}); err != nil {
			return err
		}
	}
	return nil
}
