package setup

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"kaizala-drop/internal/text"
)

// Unit is what the service may use.
type Unit struct {
	User        string
	Paths       []string // ReadWritePaths=
	Binds       []string // BindPaths=
	Groups      []string // Group= and SupplementaryGroups=
	Credentials []string // the names of LoadCredential=
	Encrypted   []string // the names of LoadCredentialEncrypted=
	Closed      bool     // ProtectHome=yes: nothing can be bound below home directories
}

// ParseUnit reads the text of a unit with its drop-ins, as systemctl cat gives it (systemd.syntax(7)).
func ParseUnit(text string) (u Unit) {
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = line
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section != "[Service]" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "User":
			u.User = value
		case "ProtectHome":
			u.Closed = slices.Contains([]string{"1", "yes", "y", "true", "t", "on"}, strings.ToLower(value))
		case "Group":
			u.Groups = append(u.Groups, value)
		case "ReadWritePaths":
			u.Paths = more(u.Paths, value)
		case "BindPaths":
			u.Binds = more(u.Binds, value)
		case "SupplementaryGroups":
			u.Groups = more(u.Groups, value)
		case "LoadCredential":
			name, _, _ := strings.Cut(value, ":")
			u.Credentials = more(u.Credentials, name)
		case "LoadCredentialEncrypted":
			name, _, _ := strings.Cut(value, ":")
			u.Encrypted = more(u.Encrypted, name)
		}
	}
	return u
}

// more adds the words of value to a list; an empty one forgets those before.
func more(list []string, value string) []string {
	if value == "" {
		return nil
	}
	word, quote, begun := "", rune(0), false
	for i, r := range value + " " {
		switch {
		case quote == 0 && (r == '"' || r == '\'') && !strings.HasSuffix(value[:i], `\`):
			quote, begun = r, true
		case r == quote && !strings.HasSuffix(value[:i], `\`):
			quote = 0
		case quote == 0 && r == ' ':
			if begun {
				list = append(list, strings.ReplaceAll(strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\'`, "'").Replace(word), "%%", "%"))
			}
			word, begun = "", false
		default:
			word, begun = word+string(r), true
		}
	}
	return list
}

// Needs are what a folder takes.
type Needs struct {
	Paths       []string // of the folder, by its name and where it leads to
	Group       string   // that the daemon is to be in; "": none
	Credentials []string
}

// Hidden reports whether the unit hides a path unless it is bound (ProtectHome=).
func Hidden(path string) bool { return within(path, "/home", "/root", "/run/user") }

func within(path string, tops ...string) bool {
	return slices.ContainsFunc(tops, func(top string) bool {
		top = strings.TrimRight(top, "/")
		return path == top || strings.HasPrefix(path, top+"/")
	})
}

// Lines are the settings that the unit lacks, for a drop-in.
func (u Unit) Lines(n Needs) (lines []string, err error) {
	var has []string
	for _, p := range slices.Concat(u.Paths, u.Binds) {
		p, _, _ = strings.Cut(strings.TrimLeft(p, "-+"), ":")
		has = append(has, p)
	}
	if u.Closed && slices.ContainsFunc(n.Paths, Hidden) {
		lines = append(lines, "ProtectHome=tmpfs")
	}
	paths := slices.Clone(n.Paths)
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		switch {
		case within(p, "/tmp", "/var/tmp"):
			return nil, fmt.Errorf("the service has a /tmp of its own, and would not see %s: name another place", p)
		case within(p, "/dev", "/proc", "/sys", "/run/credentials"):
			return nil, fmt.Errorf("the service may not write in %s: name another place", p)
		case within(p, has...):
		case strings.ContainsFunc(p, unicode.IsControl), Hidden(p) && strings.ContainsAny(p, "\\:\"'"):
			return nil, fmt.Errorf("the unit cannot be given %s: name a folder without control characters, colons, quotes and backslashes",
				text.Printable(p))
		case Hidden(p):
			lines = append(lines, "BindPaths="+unitWord("-"+p))
		default:
			lines = append(lines, "ReadWritePaths="+unitWord("-"+p))
		}
	}
	if n.Group != "" && !slices.Contains(u.Groups, n.Group) {
		lines = append(lines, "SupplementaryGroups="+n.Group)
	}
	for _, name := range n.Credentials {
		if !slices.Contains(u.Credentials, name) && !slices.Contains(u.Encrypted, name) {
			lines = append(lines, fmt.Sprintf("LoadCredential=%s:kaizala-drop.%[1]s", name))
		}
	}
	return lines, nil
}

// unitWord writes a path into a unit, as one word (systemd.unit(5), "Specifiers"). With a - before it, one that is not there is passed
// over when the service starts, which would else not start.
func unitWord(path string) string { return Word(strings.ReplaceAll(path, "%", "%%")) }

// Word writes a path as one word of a setting (systemd.syntax(7), "Quoting").
func Word(path string) string {
	if !strings.ContainsAny(path, " \"'\\") {
		return path
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// DropIn is the text of a drop-in that has what old has, and the lines. The whole is unchanged if they all stand there.
func DropIn(old string, lines []string) string {
	const head = "# Written by kaizala-drop setup, which adds a line where a folder needs one, and removes none.\n\n[Service]\n"
	all := old
	for _, line := range lines {
		if slices.Contains(strings.Split(strings.ReplaceAll(all, "\r\n", "\n"), "\n"), line) {
			continue
		}
		switch {
		case strings.TrimSpace(all) == "":
			all = head
		case !strings.HasSuffix(all, "\n"):
			all += "\n"
		}
		if lastSection(all) != "[Service]" {
			all += "\n[Service]\n"
		}
		all += line + "\n"
	}
	return all
}

func lastSection(text string) (section string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "[") {
			section = line
		}
	}
	return section
}
