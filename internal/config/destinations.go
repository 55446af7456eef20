package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// KaizalaType is the type of a destination, and the name of the one in [kaizala].
const KaizalaType = "kaizala"

// destinations reads [kaizala] and each [destination.NAME]. Without any, it is [kaizala] that is missing.
func (r *reader) destinations(root map[string]any) (all []Destination) {
	more, _ := r.table(root, destinationSection)
	if _, ok := root[kaizalaSection]; ok || len(more) == 0 {
		if table, ok := r.table(root, kaizalaSection); ok {
			all = append(all, Destination{kaizalaSection, KaizalaType, r.kaizala(keyPath{kaizalaSection}, table)})
		} else {
			all = append(all, Destination{Name: kaizalaSection, Type: KaizalaType})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(more)) {
		path := keyPath{destinationSection, name}
		table, ok := more[name].(map[string]any)
		switch {
		case !ok:
			r.problem(r.lines.of(path), "destination must be written [destination.NAME], with its keys below it")
			continue
		case !isDestinationName(name):
			r.problem(r.lines.of(path), "%q cannot be the name of a destination: take letters, digits, - and _, at most 40", shorten(name))
			continue
		case name == kaizalaSection:
			r.problem(r.lines.of(path), "the destination named kaizala is the one in [kaizala]: take another name")
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
		r.problem(r.lines.of(path), "this %s has no type: write type = \"kaizala\"", path.header())
	}
	overlay(r, path, own, destinationSettings(), &d)
	if d.Type == KaizalaType {
		d.Kaizala = r.kaizala(path, rest)
	}
	return d
}

// isDestinationName takes what can be part of the name of a file, in any case of its letters.
func isDestinationName(name string) bool {
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	}
	return name != "" && len(name) <= 40 && !strings.ContainsFunc(name, odd)
}

// header is a table as it stands in a file: [destination.office].
func (p keyPath) header() string { return "[" + strings.Join(p, ".") + "]" }

// chooseDestination gives the folder of that index the destination that it names, or else the only one there is. Where there are
// several it is the one in [kaizala], so that nothing changes for a folder when another destination is added.
func (r *reader) chooseDestination(index int, f *Folder, all []Destination) {
	var names []string
	for _, d := range all {
		if d.Name == f.Destination {
			return
		}
		names = append(names, d.Name)
	}
	known := strings.Join(names, ", ")
	switch {
	case f.Destination != "":
		r.problem(r.folderLine(index, "destination"), "destination %q is not there: there is %s", shorten(f.Destination), known)
	case len(all) == 1, len(all) > 1 && all[0].Name == kaizalaSection:
		f.Destination = all[0].Name
	case len(all) > 1:
		r.problem(r.folderLine(index, "group_id"), "there are several destinations: say to which one with %s", oneOf(names))
	}
}

// oneOf is how one of several destinations is named.
func oneOf(names []string) string {
	var ways []string
	for _, name := range names {
		ways = append(ways, fmt.Sprintf("destination = %q", name))
	}
	return strings.Join(ways, " or ")
}
