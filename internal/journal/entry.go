package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rs/zerolog"
)

// field is one field of a line of the log, with one value or several.
type field struct {
	name   string
	values []string
}

// line is one line of the log.
type line struct {
	level   zerolog.Level
	message string
	fields  []field // without what is above, and without its time, which the journal notes by itself
}

// parse reads a line as zerolog writes it: one JSON object.
func parse(text []byte) (l line, err error) {
	in := json.NewDecoder(bytes.NewReader(text))
	if open, err := in.Token(); err != nil || open != json.Delim('{') {
		return l, errors.Join(err, errors.New("no JSON object"))
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return l, err
		}
		var raw json.RawMessage
		if err := in.Decode(&raw); err != nil {
			return l, err
		}
		l.add(name.(string), valuesOf(raw)) // in an object, JSON has nothing else here
	}
	return l, nil
}

func (l *line) add(name string, values []string) {
	one := strings.Join(values, " ")
	switch name {
	case zerolog.TimestampFieldName:
	case zerolog.LevelFieldName:
		l.level, _ = zerolog.ParseLevel(one)
	case zerolog.MessageFieldName:
		l.message = one
	default:
		l.fields = append(l.fields, field{name, values})
	}
}

// valuesOf gives the texts of a list, one for each, and of everything else one.
func valuesOf(raw json.RawMessage) []string {
	switch raw[0] {
	case '"':
		if bytes.IndexByte(raw, '\\') < 0 {
			return []string{string(raw[1 : len(raw)-1])}
		}
		var one string
		_ = json.Unmarshal(raw, &one) // the decoder has seen that it is one
		return []string{one}
	case '[':
		var list []string
		if json.Unmarshal(raw, &list) == nil {
			return list
		}
	}
	return []string{string(raw)}
}

// of gives the text of a field, "" if there is none.
func (l line) of(name string) string {
	i := slices.IndexFunc(l.fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return ""
	}
	return strings.Join(l.fields[i].values, "; ")
}

// entry makes the entry of the journal that l is, in the format of JOURNAL_NATIVE_PROTOCOL.
func (l line) entry(identifier string) []byte {
	var out bytes.Buffer
	put(&out, "MESSAGE", l.text())
	put(&out, "PRIORITY", fmt.Sprint(Priority(l.level)))
	put(&out, "SYSLOG_IDENTIFIER", identifier)
	for _, f := range l.fields {
		for _, value := range f.values {
			put(&out, nameOf(f.name, value), value)
		}
		if f.name == "file" {
			if base := path.Base(f.values[0]); base != f.values[0] {
				put(&out, "FILE", base) // to be found by its name alone, wherever below the folder it lies
			}
		}
	}
	return out.Bytes()
}

// put adds a field. A value with a line break has its length before it.
func put(out *bytes.Buffer, name, value string) {
	if !strings.Contains(value, "\n") {
		out.WriteString(name + "=" + value + "\n")
		return
	}
	out.WriteString(name + "\n")
	_ = binary.Write(out, binary.LittleEndian, uint64(len(value))) // a buffer takes everything
	out.WriteString(value + "\n")
}

// nameOf spells the name of a field as the journal wants it: capitals, digits and underscores. The room of Matrix, which begins with # or !,
// is called a room; the images of an album are files.
func nameOf(name, value string) string {
	switch {
	case name == "group" && (strings.HasPrefix(value, "#") || strings.HasPrefix(value, "!")):
		return "ROOM"
	case name == "album":
		return "FILE"
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
}

// Priority is syslog(3)'s number for a level.
func Priority(level zerolog.Level) int {
	switch {
	case level >= zerolog.ErrorLevel && level < zerolog.NoLevel:
		return 3
	case level == zerolog.WarnLevel:
		return 4
	case level == zerolog.DebugLevel, level == zerolog.TraceLevel:
		return 7
	}
	return 6
}
