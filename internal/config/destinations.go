package config

import (
	"maps"
	"slices"
	"strings"

	"kaizala-drop/internal/text"
)

// The types of destinations. KaizalaType is the name of the one in [kaizala], too.
const (
	KaizalaType = "kaizala"
	MatrixType  = "matrix"
)

// settingsOf are the keys of a type; nil: there is no such type.
func settingsOf(kind string) []setting[Destination] {
	switch kind {
	case KaizalaType:
		return kaizalaSettings()
	case MatrixType:
		return matrixSettings()
	}
	return nil
}

// destinations reads [kaizala] and each [destination.NAME]. Without any, it is [kaizala] that is missing.
func (r *reader) destinations(root map[string]any) (all []Destination) {
	more, _ := r.table(root, destinationSection)
	if _, ok := root[kaizalaSection]; ok || len(more) == 0 {
		d := Destination{Name: kaizalaSection, Type: KaizalaType}
		if table, ok := r.table(root, kaizalaSection); ok {
			r.fill(&d, keyPath{kaizalaSection}, table)
		}
		all = append(all, d)
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		path := keyPath{destinationSection, name}
		table, ok := more[name].(map[string]any)
		switch {
		case !ok:
			r.problem(r.lines.Line(path), "destination must be written [destination.NAME], with its keys below it")
			continue
		case !isDestinationName(name):
			r.problem(r.lines.Line(path), "%q cannot be the name of a destination: take letters, digits, - and _, at most 40", shorten(name))
			continue
		case name == kaizalaSection:
			r.problem(r.lines.Line(path), "the destination named kaizala is the one in [kaizala]: take another name")
			continue
		}
		all = append(all, r.destination(name, path, table))
	}
	return all
}

func (r *reader) destination(name string, path keyPath, table map[string]any) Destination {
	d := Destination{Name: name}
	own, rest := map[string]any{}, maps.Clone(table)
	if kind, ok := table["type"]; ok {
		own["type"] = kind
		delete(rest, "type")
	} else {
		r.problem(r.lines.Line(path), "this %s has no type: write type = \"kaizala\" or type = \"matrix\"", header(path))
	}
	overlay(r, path, own, destinationSettings(), &d)
	if d.Type != "" {
		r.fill(&d, path, rest)
	}
	return d
}

// fill reads the keys of d's type from table, which stands at path.
func (r *reader) fill(d *Destination, path keyPath, table map[string]any) {
	rows := settingsOf(d.Type)
	section(r, path, r.ofType(d.Type, rows, path, table), rows, d)
	d.Unresolved = r.postponed(table)
	switch d.Type {
	case KaizalaType:
		r.credentials(path, table)
	case MatrixType:
		if !given(table, "homeserver") {
			r.problem(r.lines.Line(path), "this %s has no homeserver: write its name, such as \"example.org\", or its address", header(path))
		}
	}
	r.literalSecrets(path, table)
}

// ofType gives table without the keys that belong to another type, which it reports.
func (r *reader) ofType(kind string, own []setting[Destination], path keyPath, table map[string]any) map[string]any {
	rest := maps.Clone(table)
	has := func(rows []setting[Destination], key string) bool {
		return slices.ContainsFunc(rows, func(row setting[Destination]) bool { return row.name == key })
	}
	for _, other := range []string{KaizalaType, MatrixType} {
		for _, key := range slices.Sorted(maps.Keys(table)) {
			if other != kind && path[0] == destinationSection && has(settingsOf(other), key) && !has(own, key) {
				r.problem(r.lines.Line(path.Child(key)), "%s belongs to a destination of type = %q, and this one has type = %q: remove it", key, other, kind)
				delete(rest, key)
			}
		}
	}
	return rest
}

// secretKeys are those of all types.
func secretKeys() []string { return []string{"application_secret", "refresh_token", "access_token"} }

// postponed reports whether a credential in table was left to whoever can look it up.
func (r *reader) postponed(table map[string]any) bool {
	return r.withoutCredentials() && slices.ContainsFunc(secretKeys(), func(key string) bool {
		s, _ := table[key].(string)
		scheme, name, _ := cutReference(s)
		_, own := r.env.secret(s)
		return scheme == "credential" && isCredentialName(name) && !own
	})
}

// literalSecrets warns of secrets that anyone on the machine can read. The file's group may: it is the daemon's, where
// the file belongs to root.
func (r *reader) literalSecrets(path keyPath, table map[string]any) {
	if r.mode&0o004 == 0 {
		return
	}
	for _, key := range secretKeys() {
		s, ok := table[key].(string)
		if _, _, reference := cutReference(s); !ok || s == "" || reference {
			continue
		}
		r.warn(r.lines.Line(path.Child(key)), "%s is written out in a file that others can read (mode %04o): "+
			"run chmod o= %s, or write env:NAME, file:/path or credential:NAME instead", key, r.mode.Perm(), text.Printable(r.file))
	}
}

// isDestinationName takes what can be part of the name of a file, in any case of its letters.
func isDestinationName(name string) bool {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}
	return name != "" && len(name) <= 40 && !strings.ContainsFunc(name, odd)
}

// header is a table as it stands in a file: [destination.office].
func header(p keyPath) string { return "[" + strings.Join(p, ".") + "]" }
