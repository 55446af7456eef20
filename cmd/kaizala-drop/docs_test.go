package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// repository is where the pages lie, from this package on.
const repository = "../.."

// pages are those for people, by their path in the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	read := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob(filepath.Join(repository, pattern))
		must(t, err)
		for _, path := range paths {
			text, err := os.ReadFile(path)
			must(t, err)
			name, err := filepath.Rel(repository, path)
			must(t, err)
			read[filepath.ToSlash(name)] = string(text)
		}
	}
	for _, name := range []string{"README.md", "HACKING.md", "CHANGELOG.md", "SECURITY.md", "docs/promises.md", "docs/log.md"} {
		if read[name] == "" {
			t.Fatalf("%s is missing", name)
		}
	}
	return read
}

// TestLinksOfPagesLead follows each relative link of the pages: to a file that is there, and to a heading that it has.
func TestLinksOfPagesLead(t *testing.T) {
	all, followed := pages(t), 0
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for name, text := range all {
		for _, found := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			followed++
			path, heading, _ := strings.Cut(found[1], "#")
			to := name
			if path != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(name), path))
			}
			if _, err := os.Stat(filepath.Join(repository, to)); err != nil {
				t.Errorf("%s: the link %s leads nowhere: %v", name, found[1], err)
			} else if heading != "" && !slices.Contains(headings(all[to]), heading) {
				t.Errorf("%s: the link %s leads to no heading of %s", name, found[1], to)
			}
		}
	}
	if followed < 30 {
		t.Errorf("only %d links were followed", followed)
	}
}

// withoutCode takes out what stands between fences and backquotes, where nothing is a link or a heading.
func withoutCode(text string) string {
	text = regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(text, "")
	return regexp.MustCompile("`[^`\n]*`").ReplaceAllString(text, "")
}

// headings are those of a page, as links spell them: in lower case, words joined by hyphens, without punctuation.
func headings(text string) (all []string) {
	text = regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(text, "")
	for _, found := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		plain := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(found[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

// TestPromisesNameTests holds docs/promises.md against the tree: each promise of the README has its heading there, and each
// row of it names directories with tests that they have.
func TestPromisesNameTests(t *testing.T) {
	all := pages(t)
	promises := regexp.MustCompile(`(?m)^(\d\. )\*\*(.+?)\.\*\*`).FindAllStringSubmatch(all["README.md"], -1)
	if len(promises) != 4 {
		t.Errorf("%d promises were found in the README", len(promises))
	}
	for _, promise := range promises {
		if heading := "\n## " + promise[1] + promise[2] + "\n"; !strings.Contains(all["docs/promises.md"], heading) {
			t.Errorf("docs/promises.md has no heading %q", heading)
		}
	}
	rows, named, tests := 0, 0, map[string][]string{}
	for line := range strings.Lines(all["docs/promises.md"]) {
		cells := strings.Split(line, "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 4 || strings.TrimSpace(cells[2]) == "tests" || strings.Contains(line, "| ---") {
			continue
		}
		rows++
		for part := range strings.SplitSeq(cells[2], "<br>") {
			dir, names, ok := strings.Cut(strings.TrimSpace(part), "`: ")
			dir = strings.TrimPrefix(dir, "`")
			if !ok {
				t.Errorf("%q: want `directory`: TestName, TestName", part)
				continue
			}
			if tests[dir] == nil {
				tests[dir] = testsIn(t, dir)
			}
			for name := range strings.SplitSeq(names, ", ") {
				named++
				if !slices.Contains(tests[dir], name) {
					t.Errorf("%s has no test %q, which is to hold: %s", dir, name, cells[1])
				}
			}
		}
	}
	if rows < 40 || named < 100 {
		t.Errorf("only %d rows with %d tests were found", rows, named)
	}
}

// testsIn are the tests and fuzz targets of a directory, on whatever platform.
func testsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(repository, dir, "*_test.go"))
	must(t, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		for _, found := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(\w+ \*testing\.[TF]\)`).FindAllSubmatch(text, -1) {
			names = append(names, string(found[1]))
		}
	}
	return names
}

// TestLogFieldsAreDocumented holds the names of the log's fields against docs/log.md, both ways: programs rely on them.
func TestLogFieldsAreDocumented(t *testing.T) {
	used := map[string]bool{"level": true, "time": true, "message": true, "error": true} // zerolog's own, with Err's
	for _, dir := range []string{"cmd", "watcher", "uploader", "internal"} {
		must(t, filepath.WalkDir(filepath.Join(repository, dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/testdata/") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			addFields(used, parsed)
			return nil
		}))
	}
	documented := map[string]bool{}
	_, table, _ := strings.Cut(pages(t)["docs/log.md"], "\n## Fields\n")
	for line := range strings.Lines(table) {
		if cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok {
			for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
				documented[name[1]] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if !documented[name] {
			t.Errorf("the log has the field %q, which docs/log.md does not have", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !used[name] {
			t.Errorf("docs/log.md has the field %q, which nobody writes", name)
		}
	}
	if len(used) < 40 {
		t.Errorf("only %d fields were found", len(used))
	}
}

// addFields adds the literal names of the fields that a file gives to events of the log.
func addFields(used map[string]bool, parsed *ast.File) {
	methods := []string{"Any", "Bool", "Dict", "Dur", "Float64", "Int", "Int64", "Interface", "Str", "Strs", "Stringer", "Time", "Uint64"}
	ast.Inspect(parsed, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains(methods, method.Sel.Name) {
			return true
		}
		if name, ok := call.Args[0].(*ast.BasicLit); ok && name.Kind == token.STRING {
			if text, err := strconv.Unquote(name.Value); err == nil {
				used[text] = true
			}
		}
		return true
	})
}
