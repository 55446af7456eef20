// Command notice prints what is linked into kaizala-drop and under which terms: each module with its licences, as they lie in the module
// cache. NOTICE is what it prints:
//
//	go run ./packaging/notice > NOTICE
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// architectures are those that packages are made for.
var architectures = [...]string{"amd64", "arm64", "arm"}

const heading = `What is linked into kaizala-drop, and under which terms. kaizala-drop itself is under the terms of the file LICENSE.
Made by "go run ./packaging/notice".
`

// module is one of those that are linked in.
type module struct{ Path, Version, Dir string }

func main() {
	if err := write(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "notice:", err)
		os.Exit(1)
	}
}

func write(ctx context.Context, out io.Writer) error {
	modules, err := linked(ctx)
	if err != nil {
		return err
	}
	// What several modules have word for word is printed once.
	var texts []string
	names := map[string][]string{}
	for _, m := range modules {
		text, err := terms(m)
		if err != nil {
			return err
		}
		if names[text] == nil {
			texts = append(texts, text)
		}
		names[text] = append(names[text], strings.TrimSpace(m.Path+" "+m.Version))
	}
	var b bytes.Buffer
	b.WriteString(heading)
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(names[text], "\n"), text)
	}
	_, err = out.Write(b.Bytes())
	return err
}

// linked gives what the program is made of on any of the architectures, Go's own library first.
func linked(ctx context.Context) ([]module, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	all := []module{{Path: "The Go standard library and runtime", Dir: strings.TrimSpace(string(root))}}
	for _, arch := range architectures {
		list := exec.CommandContext(ctx, "go", "list", "-tags", "goolm", "-deps", "-json=Module", "./cmd/kaizala-drop", "./internal/matrix/e2ee")
		list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		list.Stderr = os.Stderr
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", arch, err)
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct{ Module *module }
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if m := p.Module; m != nil && m.Version != "" && !slices.Contains(all, *m) {
				all = append(all, *m)
			}
		}
	}
	slices.SortFunc(all[1:], func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// terms are the files of a module that say under which terms it may be passed on.
func terms(m module) (string, error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return "", err
	}
	isTerms := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([.-].*)?$`)
	var parts []string
	for _, e := range entries {
		if e.IsDir() || !isTerms.MatchString(e.Name()) || strings.Contains(e.Name(), "LOGO") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return "", err
		}
		parts = append(parts, strings.Trim(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"))
	}
	if len(parts) == 0 {
		return "", fmt.Errorf("%s says nowhere under which terms it may be passed on: look in %s", m.Path, m.Dir)
	}
	return strings.Join(parts, "\n\n"+strings.Repeat("-", 80)+"\n\n"), nil
}
