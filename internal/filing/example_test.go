package filing_test

import (
	"fmt"
	"os"
	"path/filepath"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
)

// This example moves a file to done/, where another file of the same name stays.
func Example() {
	folder, err := os.MkdirTemp("", "drop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	filer := filing.New()
	for _, content := range []string{"yesterday's", "today's"} {
		if err := os.WriteFile(filepath.Join(folder, "scan.pdf"), []byte(content), 0o644); err != nil {
			fmt.Println(err)
			return
		}
		info, err := file.Lstat(filepath.Join(folder, "scan.pdf"))
		if err != nil {
			fmt.Println(err)
			return
		}
		dest, err := filer.Move(filing.Move{Folder: folder, Name: "scan.pdf", Want: info.Identity, Dir: filepath.Join(folder, "done")})
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := os.ReadFile(dest)
		fmt.Printf("%s: %s\n", filepath.Base(dest), text)
	}
	// Output:
	// scan.pdf: yesterday's
	// scan (2).pdf: today's
}
