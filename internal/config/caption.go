package config

import (
	"errors"
	"path/filepath"
	"strings"
	"text/template"
	"time"
	"unicode"
)

// maxCaption, in runes, is what Kaizala's reference allows a text message; it names no limit for a caption.
const maxCaption = 4000

// Caption makes the text that is posted with a file. Its zero value makes the empty text. It can be used by several
// goroutines at once.
type Caption struct {
	template *template.Template
}

// captionData is all that a template can name.
type captionData struct {
	Name   string      // scan.pdf; of an album its first image, as are Stem and Folder
	Stem   string      // scan
	Folder string      // of the directory that the file lies in, its last name
	Time   captionTime // when it was found settled; of an album, the last of its images
	Count  int         // of images in an album; 1 for a single file
	First  string      // name of the first image of an album, or of the single file
	Last   string      // name of the last one
}

// captionTime shows what a person wants to read, and keeps everything else of time.Time from templates but its Format.
type captionTime struct{ local time.Time }

func (t captionTime) String() string              { return t.Format("2006-01-02 15:04") }
func (t captionTime) Format(layout string) string { return t.local.Format(layout) }

// parseCaption checks a template by using it, for a file and for an album: text/template finds an unknown field only
// then.
func parseCaption(text string) (Caption, error) {
	if text == "" {
		return Caption{}, nil
	}
	t, err := template.New("caption").Parse(text)
	if err != nil {
		return Caption{}, errors.New(templateTrouble(err))
	}
	c := Caption{t}
	for _, names := range [][]string{{"scan 1.pdf"}, {"trip/IMG_1.jpg", "trip/IMG_2.jpg", "trip/IMG_3.jpg"}} {
		if _, err := c.Render("/srv/drop/reception", names, time.Unix(0, 0)); err != nil {
			return Caption{}, errors.New(templateTrouble(err))
		}
	}
	return c, nil
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
// valid UTF-8, no control characters but newlines, no white space around it, and cut at 4000 runes.
func (c Caption) Render(folder string, names []string, at time.Time) (string, error) {
	if c.template == nil {
		return "", nil
	}
	path := filepath.Join(folder, names[0])
	base := filepath.Base(path)
	data := captionData{
		Name:   base,
		Stem:   strings.TrimSuffix(base, filepath.Ext(base)),
		Folder: filepath.Base(filepath.Dir(path)),
		Time:   captionTime{at.Local()},
		Count:  len(names),
		First:  base,
		Last:   filepath.Base(names[len(names)-1]),
	}
	var out boundedText
	if err := c.template.Execute(&out, data); err != nil && !errors.Is(err, errFull) {
		return "", err
	}
	return cleanCaption(out.String()), nil
}

func cleanCaption(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	text = strings.TrimSpace(text)
	runes := 0
	for i := range text {
		if runes == maxCaption {
			return text[:i]
		}
		runes++
	}
	return text
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
