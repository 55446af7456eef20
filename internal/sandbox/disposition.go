package sandbox

import "strings"

// disposition is the Content-Disposition of a form's part.
type disposition struct {
	field    string
	filename string // the bytes that the client means
}

// parseDisposition reads `form-data; name="files"; filename="..."`. mime.ParseMediaType is not used, because it refuses or
// changes some names that a file may have, and mime/multipart cuts a name at its last slash.
//
// Clients differ in how they write a quote within quotes. Go writes it as `\"`, and a backslash as `\\` (RFC 2183). Browsers
// write it as %22, and line ends as %0D and %0A (the HTML standard, "multipart/form-data encoding algorithm"). Both are
// accepted, so that a name which really holds "%22" is read as one with a quote: no request tells them apart. filename* is
// ignored, because RFC 7578, section 4.2, forbids it in a form.
func parseDisposition(header string) (d disposition, ok bool) {
	kind, rest, _ := strings.Cut(header, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "form-data") {
		return disposition{}, false
	}
	for rest = trim(rest); rest != ""; {
		key, value, found := strings.Cut(rest, "=")
		if !found {
			return disposition{}, false
		}
		value, rest, ok = cutValue(trim(value))
		if !ok {
			return disposition{}, false
		}
		switch strings.ToLower(trim(key)) {
		case "name":
			d.field = value
		case "filename":
			d.filename = unpercent(value)
		}
	}
	return d, true
}

// cutValue cuts s after its first value and the semicolon that follows it.
func cutValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, ";")
		return trim(value), trim(rest), true
	}
	value, rest, ok = cutQuoted(s[1:])
	if rest = trim(rest); rest == "" || !ok {
		return value, "", ok
	}
	return value, trim(rest[1:]), rest[0] == ';'
}

// cutQuoted cuts s after the quoted string at its beginning, whose first quote the caller has removed. A backslash that
// escapes neither a quote nor a backslash stands for itself.
func cutQuoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

func unpercent(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	return strings.NewReplacer("%22", `"`, "%0D", "\r", "%0A", "\n").Replace(s)
}

func trim(s string) string { return strings.Trim(s, " \t") }
