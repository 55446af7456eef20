package packaging_test

import (
	"compress/gzip"
	"debug/elf"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// testContents looks into the packages of a build, unpacked: each has the program for its machine, and every link of its pages leads.
func testContents(t *testing.T, dist string) {
	for arch, want := range map[string]struct {
		rpm     string
		machine elf.Machine
		class   elf.Class
	}{
		"amd64": {"x86_64", elf.EM_X86_64, elf.ELFCLASS64}, "arm64": {"aarch64", elf.EM_AARCH64, elf.ELFCLASS64}, "armhf": {"armv7hl", elf.EM_ARM, elf.ELFCLASS32},
	} {
		deb, red, tarball := t.TempDir(), t.TempDir(), t.TempDir()
		run(t, "dpkg-deb", "-x", only(t, dist, "*_"+arch+".deb"), deb)
		run(t, "rpm", "--root", red, "--initdb")
		run(t, "rpm", "--root", red, "--noscripts", "--nodeps", "--ignorearch", "--ignoreos", "-i", only(t, dist, "*."+want.rpm+".rpm"))
		run(t, "tar", "-xzf", only(t, dist, "*-linux-"+arch+".tar.gz"), "-C", tarball)
		tarball = only(t, tarball, "kaizala-drop-*")
		for _, program := range []string{filepath.Join(deb, "usr/bin/kaizala-drop"), filepath.Join(red, "usr/bin/kaizala-drop"), filepath.Join(tarball, "kaizala-drop")} {
			file, err := elf.Open(program)
			must(t, err)
			if file.Machine != want.machine || file.Class != want.class || slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
				t.Errorf("%s is for %s %s, or not static", program, file.Machine, file.Class)
			}
			must(t, file.Close())
		}
		for name, in := range map[string]struct{ root, pages, manual string }{
			"deb": {deb, "usr/share/doc/kaizala-drop", "usr/share/man"}, "rpm": {red, "usr/share/doc/kaizala-drop", "usr/share/man"}, "tarball": {tarball, "", "man"},
		} {
			linksLead(t, name, in.root, filepath.Join(in.root, in.pages))
			manualLeads(t, name, filepath.Join(in.root, in.manual))
		}
	}
}

var (
	code        = regexp.MustCompile("(?ms)^```.*?^```|`[^`\n]*`")
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headingLine = regexp.MustCompile(`(?m)^#+ (.+)$`)
	// place is one of the package's own, as a page spells it.
	place = regexp.MustCompile(`/usr/share/doc/kaizala-drop[\w./-]*\w`)
)

// linksLead follows each link of the pages below dir to a file that is there, and to a heading that it has; and the places that they name
// in the package.
func linksLead(t *testing.T, name, root, dir string) {
	t.Helper()
	followed := 0
	must(t, filepath.WalkDir(dir, func(page string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(page, ".md") {
			return err
		}
		text := readFile(t, page)
		for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			followed++
			path, part, _ := strings.Cut(found[1], "#")
			to := page
			if path != "" {
				to = filepath.Join(filepath.Dir(page), path)
			}
			if info, err := os.Stat(to); err != nil || !info.Mode().IsRegular() || !strings.HasPrefix(to, dir+"/") {
				t.Errorf("%s: the link %s of %s leads nowhere (%v)", name, found[1], page, err)
			} else if part != "" && !slices.Contains(headings(readFile(t, to)), part) {
				t.Errorf("%s: the link %s of %s leads to no heading", name, found[1], page)
			}
		}
		if root != dir { // it is installed
			for _, path := range place.FindAllString(text, -1) {
				if !exists(filepath.Join(root, path)) {
					t.Errorf("%s: %s names %s, which is not there", name, page, path)
				}
			}
		}
		return nil
	}))
	if followed < 50 {
		t.Errorf("%s: only %d links were followed", name, followed)
	}
}

// headings are those of a page, as links spell them.
func headings(text string) (all []string) {
	for _, found := range headingLine.FindAllStringSubmatch(regexp.MustCompile("(?ms)^```.*?^```").ReplaceAllString(text, ""), -1) {
		plain := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(found[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}

// manualLeads sees that each page of the program's that a page of the manual names is there: kaizala-drop-run(1).
func manualLeads(t *testing.T, name, dir string) {
	t.Helper()
	named := 0
	all, err := filepath.Glob(filepath.Join(dir, "man?", "*.gz"))
	must(t, err)
	for _, page := range all {
		text := strings.ReplaceAll(unzipped(t, page), `\-`, "-")
		_, after, found := strings.Cut(text, ".SH \"SEE ALSO\"")
		for _, to := range regexp.MustCompile(`(kaizala-drop[a-z.-]*)(?:\\f.|"? )*\((\d)\)`).FindAllStringSubmatch(text, -1) {
			named++
			if path := filepath.Join(dir, "man"+to[2], to[1]+"."+to[2]+".gz"); !exists(path) {
				t.Errorf("%s: %s names %s(%s), which is not there", name, page, to[1], to[2])
			}
		}
		if !found || !strings.Contains(after, "kaizala-drop") {
			t.Errorf("%s: %s leads to no other page", name, page)
		}
	}
	if len(all) < 12 || named < 2*len(all)-2 {
		t.Errorf("%s: %d pages name %d", name, len(all), named)
	}
}

func unzipped(t *testing.T, path string) string {
	t.Helper()
	file, err := os.Open(path)
	must(t, err)
	defer func() { _ = file.Close() }()
	text, err := gzip.NewReader(file)
	must(t, err)
	all, err := io.ReadAll(text)
	must(t, err)
	return string(all)
}
