package manpage

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What the lines of the example are.
var (
	settingLine = regexp.MustCompile(`^(#?)([a-z_]+) = (.+)$`)
	tableLine   = regexp.MustCompile(`^\[\[?[a-z]+\]\]?$`)
	// Inside a comment, a setting with what it is for behind it.
	toldLine  = regexp.MustCompile(`^([a-z_]+) = ("[^"]*"|[^"#]*[^"# ])(?: +# (.*))?$`)
	namedLine = regexp.MustCompile(`^\[([a-z]+)\.[a-z]+\]$`)
)

// Settings writes the page of the settings from the example: its comments are the text. What stands above its first empty line is about
// the file as a whole.
func (e Edition) Settings(example string) ([]byte, error) {
	if strings.Contains(example, "\r") {
		return nil, errors.New("the example has line ends that are not its own: write it with \\n")
	}
	s := settings{page: e.newPage("kaizala-drop.toml", "5", "File Formats")}
	s.macro("SH", "NAME")
	s.text(`kaizala\-drop.toml \- settings of kaizala\-drop`)
	s.macro("SH", "SYNOPSIS")
	s.text(italic("/etc/kaizala-drop/config.toml"))
	s.macro("SH", "DESCRIPTION")
	s.filled(`The settings of ` + "`kaizala-drop`(1)" + ` are a file in TOML. A key that it does not know, or that stands in the wrong table, is a mistake.`)
	s.paragraph()
	s.filled("This page is made from the example, /usr/share/doc/kaizala-drop/examples/config.example.toml, and begins as it does.")
	for number, line := range strings.Split(example, "\n") {
		if err := s.read(line); err != nil {
			return nil, fmt.Errorf("line %d of the example: %w", number+1, err)
		}
	}
	s.end()
	s.see("kaizala-drop(1)", "kaizala-drop-check(1)")
	return s.Bytes(), nil
}

// settings reads the example line by line.
type settings struct {
	*page
	comment []string // the lines of the comment that was read last
	tags    []string // the settings that were read below it
	begun   bool     // the text about the file as a whole is written
}

func (s *settings) read(line string) error {
	if found := settingLine.FindStringSubmatch(line); found != nil {
		tag := bold(found[2]) + " = " + escaped(found[3])
		if found[1] == "" {
			tag += " (an example)"
		}
		s.tags = append(s.tags, tag)
		return nil
	}
	switch {
	case line == "":
		s.end()
	case strings.HasPrefix(line, "# ") || line == "#":
		if len(s.tags) > 0 {
			s.end()
		}
		s.comment = append(s.comment, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
	case tableLine.MatchString(line):
		s.macro("SS", line)
		s.about(s.prose)
	default:
		return fmt.Errorf("%q is neither a comment, a setting nor a table", line)
	}
	return nil
}

// end writes what was read: settings that stand below one comment share its paragraph.
func (s *settings) end() {
	switch {
	case len(s.tags) > 0:
		s.item(s.tags...)
		s.tags = nil
		s.about(s.more)
	case len(s.comment) > 0:
		s.free()
	}
}

// free writes a comment that belongs to no setting: the one about the whole, or one that shows a table of another name.
func (s *settings) free() {
	for _, line := range s.comment {
		if found := namedLine.FindStringSubmatch(strings.TrimSpace(line)); found != nil {
			s.macro("SS", "["+found[1]+".NAME]")
			break
		}
	}
	s.about(s.prose)
	if !s.begun {
		s.begun = true
		s.macro("SH", "SETTINGS")
		s.filled("Each is shown as it is written, with its default. Those marked as an example have none.")
		s.macro("SS", "Before the first table")
	}
}

// about writes the comment that was read last: its text with write, and the settings in it, those with their own text behind them, as
// paragraphs of their own.
func (s *settings) about(write func(text string)) {
	text := strings.Join(s.comment, "\n")
	s.comment = nil
	var before []string
	flush := func() {
		if len(before) > 0 {
			write(strings.Join(before, "\n"))
			before = nil
		}
	}
	for _, b := range blocks(text) {
		if rows := toldRows(b); rows != nil {
			flush()
			s.rows(rows)
			continue
		}
		if len(before) > 0 {
			before = append(before, "")
		}
		for _, line := range b.lines {
			if b.literal {
				line = "  " + line
			}
			before = append(before, line)
		}
	}
	flush()
}

// toldRows are the settings of an indented block that has texts behind them: key, value, text. Of another block there are none.
func toldRows(b block) (rows [][]string) {
	told := false
	for _, line := range b.lines {
		if found := toldLine.FindStringSubmatch(line); found != nil && b.literal {
			rows, told = append(rows, found[1:]), told || found[3] != ""
		}
	}
	if !told {
		return nil
	}
	return rows
}

// rows writes settings that have their texts behind them. One without shares that of the one before.
func (s *settings) rows(rows [][]string) {
	for i := 0; i < len(rows); {
		tags, text := []string{}, rows[i][2]
		for first := i; i < len(rows) && (i == first || rows[i][2] == ""); i++ {
			tags = append(tags, bold(rows[i][0])+" = "+escaped(rows[i][1]))
		}
		s.item(tags...)
		s.filled(sentence(text))
	}
}

// sentence makes one of what stands behind a setting.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}
