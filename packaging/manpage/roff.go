// Package manpage writes the manual pages: those of the commands from the command line itself, that of the settings from the comments of
// the example, so that program, example and manual cannot say different things.
//
// The pages are in the language of man(7).
package manpage

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Edition is what stands at the foot of each page.
type Edition struct {
	Version string
	Date    time.Time
}

// page is a manual page under way.
type page struct{ bytes.Buffer }

// newPage begins a page of a section of the manual.
func (e Edition) newPage(name, section, manual string) *page {
	p := &page{}
	p.WriteString(".\\\" Written by packaging/manpage: change the help of the commands, or config.example.toml.\n")
	date := e.Date.UTC().Format(time.DateOnly) // the one argument that is read by programs, so without escapes
	fmt.Fprintf(p, ".TH %q %q %q %q %q\n", strings.ToUpper(name), section, date, "kaizala-drop "+e.Version, manual)
	return p
}

// macro writes a request with its arguments.
func (p *page) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, arg := range args {
		p.WriteString(` "` + strings.ReplaceAll(escaped(arg), `"`, `\(dq`) + `"`)
	}
	p.WriteByte('\n')
}

// maxLine is how long a line of a page may be, in bytes: mandoc(1) complains of more than 80.
const maxLine = 78

// line writes a line of text that is escaped already. A long one is broken, which shows nowhere.
func (p *page) line(text, atBreak string) {
	for {
		if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
			text = `\&` + text
		}
		at := 0
		if len(text) > maxLine {
			at = strings.LastIndexByte(text[:maxLine], ' ')
		}
		if at <= 0 || strings.TrimSpace(text[:at]) == "" {
			p.WriteString(text + "\n")
			return
		}
		p.WriteString(text[:at] + atBreak + "\n")
		text = text[at+1:]
	}
}

// text writes a line that is filled when it is shown.
func (p *page) text(line string) { p.line(line, "") }

// paragraph begins one, unless a heading has just begun it.
func (p *page) paragraph() {
	written := strings.TrimSuffix(p.String(), "\n")
	if last := written[strings.LastIndexByte(written, '\n')+1:]; !strings.HasPrefix(last, ".S") {
		p.macro("PP")
	}
}

// prose writes texts as people write them into comments and help: paragraphs, and indented blocks that are shown as they are. What
// stands in backquotes is bold.
func (p *page) prose(text string) {
	for _, block := range blocks(text) {
		if block.literal {
			p.literal(block.lines)
			continue
		}
		p.paragraph()
		p.filled(strings.Join(block.lines, " "))
	}
}

// filled writes a text that is filled when it is shown.
func (p *page) filled(text string) {
	p.text(emphasized(strings.TrimSpace(text)))
}

// literal writes lines that are shown as they are, a little to the right.
func (p *page) literal(lines []string) {
	p.paragraph()
	p.macro("RS", "4")
	p.macro("nf")
	for _, line := range lines {
		p.line(escaped(line), ` \`) // groff(7), escape sequences: a line that ends with a backslash goes on in the next one
	}
	p.macro("fi")
	p.macro("RE")
}

// item begins an item of a list under one or several tags, which are escaped already.
func (p *page) item(tags ...string) {
	for i, tag := range tags {
		if i == 0 {
			p.macro("TP")
		} else {
			p.macro("TQ")
		}
		p.text(tag)
	}
}

// more writes the text of an item: its paragraphs are indented as it is.
func (p *page) more(text string) {
	for i, block := range blocks(text) {
		switch {
		case block.literal:
			p.macro("RS")
			p.literal(block.lines)
			p.macro("RE")
		case i > 0:
			p.macro("IP")
			fallthrough
		default:
			p.filled(strings.Join(block.lines, " "))
		}
	}
}

// block is a paragraph, or lines that are shown as they are.
type block struct {
	literal bool
	lines   []string
}

// blocks cuts a text at empty lines, and where lines begin or end to be indented.
func blocks(text string) (all []block) {
	open := false
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			// An indented block may have empty lines in it.
			if open && all[len(all)-1].literal {
				all[len(all)-1].lines = append(all[len(all)-1].lines, "")
			} else {
				open = false
			}
			continue
		}
		literal := strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t")
		if !open || all[len(all)-1].literal != literal {
			all, open = append(all, block{literal: literal}), true
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
	}
	for i := range all {
		all[i].lines = trimmed(all[i].lines)
	}
	return all
}

// trimmed takes the indentation that all lines have, and empty lines at the end.
func trimmed(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	indent := 1000
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(strings.TrimRight(line, " \t"), "\t", "    ")
		if lines[i] != "" {
			indent = min(indent, len(lines[i])-len(strings.TrimLeft(lines[i], " ")))
		}
	}
	for i, line := range lines {
		lines[i] = line[min(indent, len(line)):]
	}
	return lines
}

// escaped is a text as it is to be shown, sign by sign: groff would make typographic signs of some (groff_char(7)).
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
}

func bold(text string) string   { return `\fB` + escaped(text) + `\fR` }
func italic(text string) string { return `\fI` + escaped(text) + `\fR` }

// emphasized is a text with what stands in backquotes in bold.
func emphasized(text string) string {
	parts := strings.Split(text, "`")
	if len(parts)%2 == 0 {
		return escaped(text)
	}
	var b strings.Builder
	for i, part := range parts {
		if i%2 == 1 {
			b.WriteString(bold(part))
		} else {
			b.WriteString(escaped(part))
		}
	}
	return b.String()
}

// see writes which other pages there are.
func (p *page) see(pages ...string) {
	p.macro("SH", "SEE ALSO")
	for i, name := range pages {
		end := ","
		if i == len(pages)-1 {
			end = ""
		}
		title, section, _ := strings.Cut(strings.TrimSuffix(name, ")"), "(")
		p.text(fmt.Sprintf("%s(%s)%s", bold(title), section, end))
	}
}
