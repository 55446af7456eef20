package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"kaizala-drop/internal/layout"
)

// keyPath leads to a value.
type keyPath = layout.Path

// reader is one reading of one file. It goes on after a problem, to find the next one.
type reader struct {
	file     string
	mode     fs.FileMode // of the file
	env      Environment
	lines    layout.Layout
	problems []Problem
	warnings []Problem

	unresolved []string // names of credentials
	files      []string // that the daemon reads: this one, and those of secrets
}

func (r *reader) problem(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{line, fmt.Sprintf(format, args...)})
}

func (r *reader) warn(line int, format string, args ...any) {
	r.warnings = append(r.warnings, Problem{line, fmt.Sprintf(format, args...)})
}

// place is where a value stands, for the messages about it.
type place struct {
	r    *reader
	path keyPath
	name string // of the setting
	doc  string // what the setting is
}

func (p place) line() int { return p.r.lines.Line(p.path) }

func (p place) problem(format string, args ...any) {
	p.r.problem(p.line(), "%s %s", p.name, fmt.Sprintf(format, args...))
}

func (p place) wrongType(want string, got any) {
	p.problem("must be %s, not %s (%s is %s)", want, describe(got), p.name, p.doc)
}

// wrongSecret is wrongType for what must not be shown, whatever its type.
func (p place) wrongSecret() {
	p.problem("must be a text in quotes (%s is %s)", p.name, p.doc)
}

func (p place) item(index int) place {
	p.path = p.path.Item(index)
	return p
}

func describe(value any) string {
	switch v := value.(type) {
	case string:
		return fmt.Sprintf("the text %q", shorten(v))
	case int64, float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return fmt.Sprint(v)
	case []any:
		return "a list"
	case map[string]any, []map[string]any:
		return "a table"
	default:
		return "a date or time"
	}
}

// config reads the whole file. What it returns is good only if there were no problems.
func (r *reader) config(text string) Config {
	if len(text) > maxFileSize {
		r.problem(0, "is larger than %d KiB, so it cannot be a file of settings: check the path", maxFileSize>>10)
		return Config{}
	}
	if !utf8.ValidString(text) {
		r.problem(firstInvalid(text), "this line is not UTF-8: save the file as UTF-8")
		return Config{}
	}
	if depth := nesting(text); depth > maxNesting {
		r.problem(0, "nests brackets %d deep, so it cannot be a file of settings: check the path", depth)
		return Config{}
	}
	var root map[string]any
	if _, err := toml.Decode(text, &root); err != nil {
		r.syntax(err)
		return Config{}
	}
	r.lines = layout.Of(text)
	return r.sections(root)
}

// syntax says what is wrong with a file that is not TOML.
func (r *reader) syntax(err error) {
	if e, ok := errors.AsType[toml.ParseError](err); ok {
		r.problem(max(1, e.Position.Line), "%s", syntaxAdvice(e.Message))
		return
	}
	r.problem(0, "this is not TOML")
}

func (r *reader) sections(root map[string]any) Config {
	var c Config
	r.topLevel(root, &c)
	control, _ := r.table(root, controlSection)
	section(r, keyPath{controlSection}, control, controlSettings(), &c.Control)
	c.Destinations = r.destinations(root)
	problems, warnings := len(r.problems), len(r.warnings)
	base := r.defaults(root)
	c.Folders = r.folders(root, base, c)
	if r.env.WithoutFolders {
		r.forgive(&c, problems, warnings)
	}
	return c
}

// forgive drops what was found since there were so many problems and warnings, and the folders that cannot be told.
func (r *reader) forgive(c *Config, problems, warnings int) {
	r.problems, r.warnings = r.problems[:problems], r.warnings[:warnings]
	c.Folders = slices.DeleteFunc(c.Folders, func(f Folder) bool { return f.Path == "" || f.Target() == "" || f.Destination == "" })
}

// The names of the sections; the keys above them have none.
const (
	kaizalaSection     = "kaizala"
	destinationSection = "destination"
	controlSection     = "control"
	defaultsSection    = "defaults"
	folderSection      = "folder"
)

func (r *reader) topLevel(root map[string]any, c *Config) {
	keys := maps.Clone(root)
	for _, section := range []string{kaizalaSection, destinationSection, defaultsSection, folderSection, controlSection} {
		delete(keys, section)
	}
	section(r, nil, keys, topSettings(), c)
	if _, ok := root["state_dir"]; ok {
		return
	}
	// systemd.exec(5): several directories are separated by colons.
	first, _, _ := strings.Cut(r.env.get("STATE_DIRECTORY"), ":")
	if first == "" {
		return
	}
	if !filepath.IsAbs(first) {
		r.problem(0, "$STATE_DIRECTORY must begin with an absolute path, not %q: set state_dir, or correct it", first)
		return
	}
	c.StateDir = filepath.Clean(first)
}

// section fills into from a table: with the defaults of its rows first.
func section[T any](r *reader, path keyPath, table map[string]any, rows []setting[T], into *T) {
	for _, row := range rows {
		if row.fallback != nil {
			row.read(place{r: r, path: path, name: row.name, doc: row.doc}, row.fallback, into)
		}
	}
	overlay(r, path, table, rows, into)
}

// overlay changes in into what a table says, and nothing else.
func overlay[T any](r *reader, path keyPath, table map[string]any, rows []setting[T], into *T) {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		i := slices.IndexFunc(rows, func(row setting[T]) bool { return row.name == key })
		if i < 0 {
			r.unknown(path.Child(key), table[key])
			continue
		}
		row := rows[i]
		row.read(place{r: r, path: path.Child(key), name: row.name, doc: row.doc}, table[key], into)
	}
}

// table is root's table of that name, or an empty one. It is not ok if there is something else of that name.
func (r *reader) table(root map[string]any, name string) (table map[string]any, ok bool) {
	value, ok := root[name]
	if !ok {
		return nil, true
	}
	table, ok = value.(map[string]any)
	if !ok && name == destinationSection {
		r.problem(r.lines.Line(keyPath{name}), "destination must be written [destination.NAME], with its keys below it")
	} else if !ok {
		r.problem(r.lines.Line(keyPath{name}), "%s must be one table: write [%s], with single brackets and once, "+
			"and its keys below it", name, name)
	}
	return table, ok
}

func (r *reader) defaults(root map[string]any) Folder {
	var base Folder
	table, _ := r.table(root, defaultsSection)
	section(r, keyPath{defaultsSection}, table, defaultable(folderSettings()), &base)
	return base
}
