//go:build !hanghook

package beat

import (
	"os"
	"path/filepath"
	"testing"
)

// TestShippedCannotBeMadeToHang: the hook of the tests is in no program that is built without its tag.
func TestShippedCannotBeMadeToHang(t *testing.T) {
	t.Setenv("RUNTIME_DIRECTORY", t.TempDir())
	if err := os.WriteFile(filepath.Join(os.Getenv("RUNTIME_DIRECTORY"), "hang"), []byte("a loop"), 0o644); err != nil {
		t.Fatal(err)
	}
	(&Board{}).Join("a loop").Taken()
}
