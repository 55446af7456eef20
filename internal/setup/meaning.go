package setup

import (
	"maps"
	"slices"
	"strconv"

	"kaizala-drop/internal/layout"
)

// means makes the change in what a text means. It reports whether that fits.
func (e Edit) means(root map[string]any) bool {
	added := map[string]any{}
	for _, s := range e.settings {
		added[s.Key] = s.Value
	}
	last := e.at[len(e.at)-1]
	if e.kind == addsItem {
		return appendItem(root, last, added)
	}
	parent := parentOf(root, e.at, e.kind == addsTable)
	if e.kind == drops {
		return dropped(root, parent, e.at)
	}
	table, ok := parent.(map[string]any)
	switch {
	case e.kind == adds:
		table, ok = below(parent, last).(map[string]any)
		for key := range added {
			_, there := table[key]
			ok = ok && !there
		}
		if ok {
			maps.Copy(table, added)
		}
		return ok
	case !ok:
		return false
	case e.kind == replaces:
		if _, there := table[last]; !there {
			return false
		}
		table[last] = e.settings[0].Value
	default:
		if _, there := table[last]; there {
			return false
		}
		table[last] = added
	}
	return true
}

func appendItem(root map[string]any, array string, added map[string]any) bool {
	switch all := root[array].(type) {
	case nil:
		root[array] = []map[string]any{added}
	case []map[string]any:
		root[array] = append(all, added)
	case []any:
		root[array] = append(all, added)
	default:
		return false
	}
	return true
}

// dropped takes away what is at path, and nothing of an array but its last element: the others would change their places.
func dropped(root map[string]any, parent any, path layout.Path) bool {
	last := path[len(path)-1]
	if table, ok := parent.(map[string]any); ok {
		_, there := table[last]
		delete(table, last)
		return there
	}
	i, err := strconv.Atoi(last)
	all, ok := parent.([]map[string]any)
	if err != nil || !ok || i >= len(all) || len(path) != 2 {
		return false
	}
	if len(all) == 1 {
		delete(root, path[0])
	} else {
		root[path[0]] = slices.Delete(all, i, i+1)
	}
	return true
}

// parentOf is what lies above path.
func parentOf(root map[string]any, path layout.Path, grow bool) any {
	var now any = root
	for _, name := range path[:len(path)-1] {
		next := below(now, name)
		if table, ok := now.(map[string]any); ok && next == nil && grow {
			next = map[string]any{}
			table[name] = next
		}
		now = next
	}
	return now
}

func below(value any, name string) any {
	i, err := strconv.Atoi(name)
	switch v := value.(type) {
	case map[string]any:
		return v[name]
	case []map[string]any:
		if err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	case []any:
		if err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// plain has one form for the arrays of tables that TOML writes in two, and none for tables without anything in them.
func plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = plain(value)
		}
		return out
	case []map[string]any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64) // NaN is itself
	}
	return value
}
