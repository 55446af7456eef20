package watcher

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryStateIsDocumented shows that docs/states.md has a row for each kind, with its reason and its warning, and
// each built-in ignored name, and that no reason in the code is without a kind.
func TestEveryStateIsDocumented(t *testing.T) {
	data, err := os.ReadFile("../docs/states.md")
	must(t, err)
	doc := string(data)
	warns := map[alarm]string{warnLate: "late", warnSoon: "soon", warnNever: "never"}
	var names []string
	for _, kind := range kinds() {
		st, row := stateOf(kind), ""
		for line := range strings.Lines(doc) {
			if strings.HasPrefix(line, "| `"+string(kind)+"` |") {
				row = line
			}
		}
		cells := strings.Split(row, "|")
		said := map[bool]string{true: "no", false: "yes"}[st.silent]
		if len(cells) != 7 || !strings.Contains(cells[2], st.reason) || strings.TrimSpace(cells[3]) != said ||
			strings.TrimSpace(cells[4]) != warns[st.warns] || strings.TrimSpace(cells[5]) == "" || st.todo == "" {
			t.Errorf("%s: %q is not as its row says: %q", kind, st.reason, row)
		}
		names = append(names, string(kind))
	}
	for _, glob := range builtinIgnore() {
		if shown := "`" + strings.ReplaceAll(glob, "\r", `\r`) + "`"; !strings.Contains(doc, shown) {
			t.Errorf("%s is left alone, and not in docs/states.md", shown)
		}
	}
	constants := constantsOfKind(t)
	for kind := range constants {
		if !slices.Contains(names, kind) {
			t.Errorf("the kind %q is not in the table", kind)
		}
	}
	if len(constants) != len(names) {
		t.Errorf("%d kinds in the code, %d in the table", len(constants), len(names))
	}
}

// constantsOfKind gives the values of all constants of type kind. It fails the test for every obstacle that has no
// kind.
func constantsOfKind(t *testing.T) map[string]bool {
	t.Helper()
	kinds, obstacles := map[string]bool{}, 0
	paths, err := filepath.Glob("*.go")
	must(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		must(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if id, ok := n.Type.(*ast.Ident); ok && id.Name == "kind" && len(n.Values) == 1 {
					kinds[strings.Trim(n.Values[0].(*ast.BasicLit).Value, `"`)] = true
				}
			case *ast.CompositeLit:
				if id, ok := n.Type.(*ast.Ident); ok && id.Name == "obstacle" && len(n.Elts) > 0 {
					obstacles++
					if !slices.ContainsFunc(n.Elts, func(e ast.Expr) bool { return e.(*ast.KeyValueExpr).Key.(*ast.Ident).Name == "kind" }) {
						t.Errorf("%s: an obstacle without a kind", path)
					}
				}
			}
			return true
		})
	}
	if obstacles == 0 {
		t.Error("no obstacle was found")
	}
	return kinds
}

// TestBuiltinIgnoreIsPlain shows that each built-in name can be matched as an exact name, a prefix or a suffix.
func TestBuiltinIgnoreIsPlain(t *testing.T) {
	for _, glob := range builtinIgnore() {
		if strings.Count(glob, "*") > 1 || strings.ContainsAny(glob, "?[") || glob != strings.ToLower(glob) ||
			strings.Contains(glob, "*") && !strings.HasPrefix(glob, "*") && !strings.HasSuffix(glob, "*") {
			t.Errorf("%q cannot be taken apart", glob)
		}
	}
}
