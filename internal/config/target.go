package config

import (
	"fmt"
	"slices"
	"strings"
)

// What a folder posts to, and through which destination.

// takes is the key by which a folder names a group or room of that type of destination.
func takes(kind string) (key string) {
	if kind == MatrixType {
		return "room"
	}
	return "group_id"
}

// chooseDestination gives the folder of that index, which stands in table, the destination that it names, or else the only one that
// has what it posts to. Of several that do, it is the one in [kaizala], so that nothing changes for a folder when another destination
// is added.
func (r *reader) chooseDestination(index int, f *Folder, table map[string]any, all []Destination) {
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
	}
	at := slices.Index(names, f.Destination)
	if f.Destination != "" && at < 0 {
		r.problem(r.folderLine(index, "destination"), "destination %q is not there: there is %s", shorten(f.Destination), strings.Join(names, ", "))
	}
	_, group := table["group_id"]
	_, room := table["room"]
	switch {
	case group && room:
		r.problem(r.folderLine(index, "room"), "group_id and room stand in one folder: keep group_id for Kaizala, or room for Matrix")
	case !group && !room:
		r.noTarget(index, at, all)
	case at >= 0:
		r.suits(index, f.Destination, all[at].Type, group)
	case f.Destination == "":
		kind := KaizalaType
		if room {
			kind = MatrixType
		}
		f.Destination = r.onlyOne(index, kind, all)
	}
}

// noTarget says what is missing; at is the destination that the folder names, or -1.
func (r *reader) noTarget(index, at int, all []Destination) {
	line := r.lines.Line(keyPath{folderSection}.Item(index))
	keys := map[string]bool{}
	for i, d := range all {
		if at < 0 || at == i {
			keys[takes(d.Type)] = true
		}
	}
	switch {
	case !keys["room"]:
		r.problem(line, "this [[folder]] has no group_id: add it (the Kaizala group to post to)")
	case !keys["group_id"]:
		r.problem(line, "this [[folder]] has no room: add it (the Matrix room to post to)")
	default:
		r.problem(line, "this [[folder]] has neither group_id nor room: add the Kaizala group or the Matrix room to post to")
	}
}

// suits compares what a folder posts to with the type of the destination that it names. A type that is none was said to be.
func (r *reader) suits(index int, name, kind string, group bool) {
	switch {
	case group && kind == MatrixType:
		r.problem(r.folderLine(index, "group_id"), "group_id is for Kaizala, and the destination %q is a Matrix server: write room instead", name)
	case !group && kind == KaizalaType:
		r.problem(r.folderLine(index, "room"), "room is for Matrix, and the destination %q is Kaizala: write group_id instead", name)
	}
}

// onlyOne gives the name of the destination of that type, or "".
func (r *reader) onlyOne(index int, kind string, all []Destination) string {
	var fit []string
	for _, d := range all {
		if d.Type == kind {
			fit = append(fit, d.Name)
		}
	}
	line := r.folderLine(index, takes(kind))
	untyped := slices.ContainsFunc(all, func(d Destination) bool { return d.Type == "" })
	switch {
	case len(fit) == 1, len(fit) > 1 && fit[0] == kaizalaSection:
		return fit[0]
	case len(fit) > 1:
		r.problem(line, "there are several destinations: say to which one with %s", oneOf(fit))
	case !untyped && kind == MatrixType:
		r.problem(line, "room is for Matrix, and there is no such destination: add one, [destination.NAME] with type = \"matrix\", or write group_id")
	case !untyped:
		r.problem(line, "group_id is for Kaizala, and there is no such destination: add [kaizala], or write room")
	}
	return ""
}

// oneOf is how one of several destinations is named.
func oneOf(names []string) string {
	var ways []string
	for _, name := range names {
		ways = append(ways, fmt.Sprintf("destination = %q", name))
	}
	return strings.Join(ways, " or ")
}
