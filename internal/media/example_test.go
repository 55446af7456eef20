package media_test

import (
	"fmt"
	"strings"

	"kaizala-drop/internal/media"
)

// A file that was cut off lacks the ending of its format.
func ExampleMissingEnd() {
	whole := "%PDF-1.4\n" + strings.Repeat("1 0 obj << >> endobj\n", 3) + "trailer << >>\nstartxref\n9\n%%EOF\n"
	for _, content := range []string{whole, whole[:60]} {
		t, _ := media.ByName("scan.pdf")
		missing, err := media.MissingEnd(t, strings.NewReader(content), int64(len(content)))
		fmt.Printf("%q %v\n", missing, err)
	}
	// Output:
	// "" <nil>
	// "the PDF has no %%EOF near its end" <nil>
}
