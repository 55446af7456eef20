package config

import (
	"slices"
	"strings"

	"kaizala-drop/internal/text"
)

// unknown reports a key or table that no row of the table names, with what was probably meant.
func (r *reader) unknown(path keyPath, value any) {
	section, key := "", path[len(path)-1]
	if len(path) > 1 {
		section = path[0]
	}
	kind, advice := "key", ""
	switch value.(type) {
	case map[string]any, []map[string]any:
		kind = "table"
	}
	if kind == "table" && section == "" {
		advice = adviseTable(key, value)
	} else {
		advice = adviseKey(section, key)
	}
	r.problem(r.lines.Line(path), "%s %q is unknown here: %s", kind, shorten(key), advice)
}

// known is a name and where it can stand.
type known struct {
	sections []string // "" is the top of the file
	name     string
}

func (k known) in(section string) bool { return slices.Contains(k.sections, section) }

// where says where a key belongs, for a reader of the file.
func (k known) where() string {
	var places []string
	for _, s := range k.sections {
		switch s {
		case "":
			places = append(places, "the top of the file, above every [section]")
		case folderSection:
			places = append(places, "[[folder]]")
		case destinationSection:
			places = append(places, "[destination.NAME]")
		default:
			places = append(places, "["+s+"]")
		}
	}
	return strings.Join(places, " or ")
}

// vocabulary is every key there is.
func vocabulary() (all []known) {
	for _, row := range topSettings() {
		all = append(all, known{[]string{""}, row.name})
	}
	for _, row := range kaizalaSettings() {
		all = append(all, known{[]string{kaizalaSection, destinationSection}, row.name})
	}
	for _, row := range append(destinationSettings(), matrixSettings()...) {
		if !slices.ContainsFunc(all, func(k known) bool { return k.name == row.name && k.in(destinationSection) }) {
			all = append(all, known{[]string{destinationSection}, row.name})
		}
	}
	for _, row := range controlSettings() {
		all = append(all, known{[]string{controlSection}, row.name})
	}
	for _, row := range folderSettings() {
		sections := []string{folderSection}
		if row.fallback != nil {
			sections = append(sections, defaultsSection)
		}
		all = append(all, known{sections, row.name})
	}
	return all
}

// adviseKey prefers, of two names equally near, the one that belongs where the key stands.
func adviseKey(section, key string) string {
	var best known
	nearest := 2*tolerance(key) + 2
	for _, k := range vocabulary() {
		distance := 2 * editDistance(key, k.name)
		if !k.in(section) {
			distance++
		}
		if distance < nearest {
			best, nearest = k, distance
		}
	}
	switch {
	case best.name == "":
		return "remove it; known here are " + strings.Join(namesIn(section), ", ")
	case best.name == key:
		return "it belongs to " + best.where()
	case !best.in(section):
		return "did you mean " + best.name + "? That belongs to " + best.where()
	default:
		return "did you mean " + best.name + "?"
	}
}

func adviseTable(key string, value any) string {
	if table, ok := value.(map[string]any); ok && (key == MatrixType || given(table, "homeserver") || table["type"] == MatrixType) {
		return "write [destination.NAME] in its place, with type = \"matrix\""
	}
	for _, name := range []string{kaizalaSection, destinationSection, defaultsSection, folderSection, controlSection} {
		if editDistance(key, name) <= tolerance(key) {
			switch name {
			case folderSection:
				return "did you mean [[folder]]?"
			case destinationSection:
				return "did you mean [destination.NAME]?"
			}
			return "did you mean [" + name + "]?"
		}
	}
	return "remove it; there are [kaizala], [destination.NAME], [defaults], [[folder]] and [control]"
}

func namesIn(section string) (names []string) {
	for _, k := range vocabulary() {
		if k.in(section) {
			names = append(names, k.name)
		}
	}
	return names
}

// tolerance is how many slips make a name another one.
func tolerance(name string) int { return max(1, len(name)/3) }

// editDistance counts insertions, deletions, replacements and swaps of neighbours between two names (optimal string
// alignment), case aside. Of names too long to be a slip it only says that they are far apart.
func editDistance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			rows[i][j] = max(i, j)
			if i == 0 || j == 0 {
				continue
			}
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// shorten keeps a message readable when a name is not.
func shorten(name string) string {
	short := text.Cut(name, 60)
	if len(short) < len(name) {
		short += "..."
	}
	return short
}
