package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode"

	"kaizala-drop/internal/text"
)

// maxCaption, in runes, bounds what a template may make. A destination may take less.
const maxCaption = 4000

// Caption makes the text that is posted with a file. Its zero value makes the empty text. It can be used by several
// goroutines at once.
type Caption struct {
	template *template.Template
	dropped  bool // Folder is the directory of the watched folder that the file lies in, however deep
}

// captionData is all that a template can name.
type captionData struct {
	Name   string      // scan.pdf; of an album its first image, as are Stem and Folder
	Stem   string      // scan
	Folder string      // of the directory that the file lies in, its last name; of a dropped folder, its name
	Time   captionTime // when it was found settled; of an album, the last of its images
	Count  int         // of images in an album; 1 for a single file
	First  string      // name of the first image of an album, or of the single file
	Last   string      // name of the last one
}

// captionTime shows what a person wants to read, and keeps everything else of time.Time from templates but its Format.
type captionTime struct{ local time.Time }

func (t captionTime) String() string              { return t.Format("2006-01-02 15:04") }
func (t captionTime) Format(layout string) string { return t.local.Format(layout) }

// parseCaption checks a template by using it, for a file and for an album: text/template finds what is wrong only then, and
// only where it comes by. A wrong name it finds anywhere.
func parseCaption(text string) (Caption, error) {
	if text == "" {
		return Caption{}, nil
	}
	t, err := template.New("caption").Parse(text)
	if err != nil {
		return Caption{}, errors.New(templateTrouble(err))
	}
	if t.Tree != nil {
		if name := unknownField(t.Root); name != "" {
			return Caption{}, fmt.Errorf("there is no %s", name)
		}
	}
	c := Caption{template: t}
	for _, names := range [][]string{{"scan 1.pdf"}, {"trip/IMG_1.jpg", "trip/IMG_2.jpg", "trip/IMG_3.jpg"}} {
		if _, err := c.Render("/srv/drop/reception", names, time.Unix(0, 0)); err != nil {
			return Caption{}, errors.New(templateTrouble(err))
		}
	}
	return c, nil
}

// unknownField finds a field that captionData does not have, or "". What a {{range}} or {{with}} makes of the dot it does
// not follow.
func unknownField(node parse.Node) string {
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil {
			return firstUnknown(n.Nodes)
		}
	case *parse.ActionNode:
		return unknownField(n.Pipe)
	case *parse.PipeNode:
		return firstUnknown(n.Cmds)
	case *parse.CommandNode:
		return firstUnknown(n.Args)
	case *parse.IfNode:
		return cmp.Or(unknownField(n.Pipe), unknownField(n.List), unknownField(n.ElseList))
	case *parse.RangeNode:
		return cmp.Or(unknownField(n.Pipe), unknownField(n.ElseList))
	case *parse.WithNode:
		return cmp.Or(unknownField(n.Pipe), unknownField(n.ElseList))
	case *parse.FieldNode:
		return missingFrom(reflect.TypeFor[captionData](), n.Ident)
	case *parse.VariableNode:
		if n.Ident[0] == "$" {
			return missingFrom(reflect.TypeFor[captionData](), n.Ident[1:])
		}
	}
	return ""
}

func firstUnknown[N parse.Node](nodes []N) string {
	for _, n := range nodes {
		if name := unknownField(n); name != "" {
			return name
		}
	}
	return ""
}

// missingFrom follows a path of fields until a method, and gives the part of it that leads nowhere.
func missingFrom(t reflect.Type, path []string) string {
	for i, name := range path {
		if _, is := t.MethodByName(name); is {
			return ""
		}
		if t.Kind() != reflect.Struct {
			return "." + strings.Join(path[:i+1], ".")
		}
		f, ok := t.FieldByName(name)
		if !ok || !f.IsExported() {
			return "." + strings.Join(path[:i+1], ".")
		}
		t = f.Type
	}
	return ""
}

// templateTrouble leaves out what says nothing to who wrote the template: its name, and our names.
func templateTrouble(err error) string {
	text := strings.TrimPrefix(err.Error(), "template: caption:")
	if _, after, ok := strings.Cut(text, `executing "caption" `); ok {
		text = after
	}
	text, _, _ = strings.Cut(text, " in type config.")
	return text
}

// Render makes the caption of the files names in folder, one or the several of an album in their order, settled at the
// given time, which is shown in local time. The text is fit for JSON and for a chat whatever the names are made of:
// valid UTF-8, no control characters but the template's newlines, nothing in a name that turns the direction of writing (Unicode,
// Bidi_Control), no white space around it, and cut at 4000 runes.
func (c Caption) Render(folder string, names []string, at time.Time) (string, error) {
	if c.template == nil {
		return "", nil
	}
	base := shownName(names[0])
	data := captionData{
		Name:   base,
		Stem:   strings.TrimSuffix(base, filepath.Ext(base)),
		Folder: shownName(filepath.Join(folder, c.dirOf(names[0]))),
		Time:   captionTime{at.Local()},
		Count:  len(names),
		First:  base,
		Last:   shownName(names[len(names)-1]),
	}
	var out boundedText
	if err := c.template.Execute(&out, data); err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	return cleanCaption(out.String()), nil
}

// shownName is the last name of a path as a caption shows it: who drops a file neither begins a line with it, nor turns around what
// stands beside it.
func shownName(path string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(filepath.Base(path), "\ufffd"))
}

func (c Caption) dirOf(name string) string {
	dir := filepath.Dir(name)
	if c.dropped {
		dir, _, _ = strings.Cut(dir, "/")
	}
	return dir
}

func cleanCaption(caption string) string {
	shown := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(caption, "\ufffd"))
	return text.First(strings.TrimSpace(shown), maxCaption)
}

var errFull = errors.New("the caption is full")

// boundedText ends a template that would go on for ever. What it holds is more than a caption may have, even if some of
// it is not fit to show.
type boundedText struct{ strings.Builder }

func (b *boundedText) Write(p []byte) (int, error) {
	room := 16*maxCaption - b.Len()
	if len(p) > room {
		b.Builder.Write(p[:room])
		return room, errFull
	}
	return b.Builder.Write(p)
}
