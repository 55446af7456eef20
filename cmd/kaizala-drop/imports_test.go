package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImportsRunOneWay holds the picture of HACKING.md: cmd stands on the two stages, these on internal/, and the two do
// not know each other. What is not in the table may import nothing of the project.
func TestImportsRunOneWay(t *testing.T) {
	may := map[string][]string{
		"cmd/kaizala-drop": {"watcher", "uploader", "internal/beat", "internal/budget", "internal/config", "internal/control", "internal/destination", "internal/door", "internal/durable", "internal/file",
			"internal/filing", "internal/hang", "internal/inquiry", "internal/journal", "internal/kaizala", "internal/layout", "internal/ledger", "internal/matrix", "internal/media", "internal/overlap", "internal/retry",
			"internal/samples", "internal/sandbox", "internal/setup", "internal/shape", "internal/text", "internal/view", "internal/wire"},
		"watcher":                       {"internal/beat", "internal/file", "internal/filing", "internal/hang", "internal/ignore", "internal/media", "internal/text", "internal/view"},
		"uploader":                      {"internal/beat", "internal/destination", "internal/file", "internal/filing", "internal/hang", "internal/ledger", "internal/media", "internal/text", "internal/view"},
		"internal/config":               {"internal/ignore", "internal/layout", "internal/matrix/names", "internal/overlap", "internal/text", "internal/wire"},
		"internal/control":              {"internal/acl", "internal/text", "internal/view"},
		"internal/door":                 {"internal/beat", "internal/config", "internal/file", "internal/overlap", "internal/text", "internal/view"},
		"internal/inquiry":              {"internal/config", "internal/control", "internal/file", "internal/filing", "internal/ledger", "internal/text", "internal/view"},
		"internal/overlap":              {"internal/file"},
		"internal/filing":               {"internal/acl", "internal/durable", "internal/file", "internal/text"},
		"internal/hang":                 {"internal/text"},
		"internal/destination":          {"internal/ignore", "internal/media", "internal/text"},
		"internal/kaizala":              {"internal/destination", "internal/media", "internal/text", "internal/vault", "internal/wire"},
		"internal/vault":                {"internal/durable"},
		"internal/matrix":               {"internal/destination", "internal/matrix/e2ee", "internal/matrix/names", "internal/media", "internal/shape", "internal/text", "internal/vault", "internal/wire"},
		"internal/matrix/e2ee":          {"internal/durable", "internal/text"},
		"internal/matrix/e2ee/e2eetest": {"internal/matrix/dendritetest"},
		"internal/matrix/names":         {"internal/wire"},
		"internal/media":                {"internal/peek"},
		"internal/shape":                {"internal/peek"},
		"internal/ledger/ledgertest":    {"internal/file", "internal/ledger", "internal/media"},
		"internal/ledger":               {"internal/beat", "internal/durable", "internal/file", "internal/media", "internal/text"},
		"internal/retry":                {"internal/file", "internal/filing", "internal/ledger", "internal/text"},
		"internal/sandbox":              {"internal/media", "internal/text"},
		"internal/setup":                {"internal/layout", "internal/text"},
		"internal/wire":                 {"internal/budget", "internal/text"},
		"internal/matrix/elementtest":   {"internal/matrix/dendritetest"},
	}
	out, err := exec.Command("go", "list", "-tags", "goolm", "-json=ImportPath,Imports", "kaizala-drop/...").Output()
	must(t, err)
	packages := 0
	for list := json.NewDecoder(strings.NewReader(string(out))); ; packages++ {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := list.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, "kaizala-drop/")
		for _, imported := range p.Imports {
			own, ours := strings.CutPrefix(imported, "kaizala-drop/")
			if ours && !slices.Contains(may[name], own) {
				t.Errorf("%s imports %s", name, own)
			}
			if imported == "net/http" && !slices.Contains([]string{"internal/control", "internal/kaizala", "internal/matrix", "internal/matrix/dendritetest", "internal/matrix/e2ee", "internal/matrix/e2ee/e2eetest", "internal/wire", "internal/wire/wiretest", "internal/sandbox", "internal/sandbox/page", "cmd/kaizala-drop"}, name) {
				t.Errorf("%s speaks HTTP", name)
			}
		}
	}
	if packages < 16 {
		t.Errorf("only %d packages were looked at", packages)
	}
}
