package config

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestCaption(t *testing.T) {
	at := time.Date(2024, 2, 29, 13, 14, 15, 0, time.Local)
	const inFolder = "/srv/drop/reception"
	for _, test := range []struct{ template, folder, name, want string }{
		{"", inFolder, "scan.pdf", ""},
		{"plain", inFolder, "scan.pdf", "plain"},
		{"{{.Name}}|{{.Stem}}|{{.Folder}}", inFolder, "scan.pdf", "scan.pdf|scan|reception"},
		{"{{.Name}}|{{.Stem}}|{{.Folder}}", inFolder, "2024/may/a.b.PDF", "a.b.PDF|a.b|may"},
		{"{{.Time}}", inFolder, "scan.pdf", "2024-02-29 13:14"},
		{`{{.Time.Format "02.01.2006"}}`, inFolder, "scan.pdf", "29.02.2024"},
		{`{{printf "%s, %q" .Time .Stem}}`, inFolder, "a b.pdf", `2024-02-29 13:14, "a b"`},
		{`{{if eq .Folder "reception"}}front desk{{end}}`, inFolder, "x.pdf", "front desk"},
		{"{{.Name}}", inFolder, "caf\xe9.pdf", "caf\ufffd.pdf"},
		{"{{.Name}}", inFolder, "a\x00\x1b[31m\tb\u0085c\nd.pdf", "a[31mbc\ufffdd.pdf"},
		{"{{.Stem}}\n{{.Folder}}", "/srv/a\u2066b", "invoice\u202egpj.exe", "invoice\ufffdgpj\na\ufffdb"},
		{"\u200f{{.Name}}", inFolder, "x.pdf", "\u200fx.pdf"}, // of the template
		{"\n {{.Stem}}\n\n", inFolder, "x.pdf", "x"},
		{"{{.Stem}}", inFolder, "straße 日本.pdf", "straße 日本"},
		{"{{.Folder}}", "/", "x.pdf", "/"},
		{"{{.Count}} {{.First}} {{.Last}}", inFolder, "may/x.pdf", "1 x.pdf x.pdf"},
	} {
		c, err := parseCaption(test.template)
		if err != nil {
			t.Errorf("%q: %v", test.template, err)
			continue
		}
		if got, err := c.Render(test.folder, []string{test.name}, at.UTC()); err != nil || got != test.want {
			t.Errorf("%q of %q: got %q, %v, want %q", test.template, test.name, got, err, test.want)
		}
	}
}

func TestCaptionOfAnAlbum(t *testing.T) {
	c, err := parseCaption(`{{if gt .Count 1}}{{.Count}} of {{.Folder}}, {{.First}} to {{.Last}}{{else}}{{.Name}}{{end}} ({{.Stem}})`)
	if err != nil {
		t.Fatal(err)
	}
	for want, names := range map[string][]string{
		"IMG_2.jpg (IMG_2)": {"IMG_2.jpg"},
		"3 of trip, IMG_2.jpg to IMG_10\ufffd.jpg (IMG_2)": {"trip/IMG_2.jpg", "trip/IMG_3.jpg", "trip/day 2/IMG_10\xff.jpg"},
	} {
		if got, err := c.Render("/srv/drop/reception", names, time.Now()); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", names, got, err, want)
		}
	}
	for _, wrong := range []string{
		"{{.Images}}", "{{if gt .Count 1}}{{.Images}}{{end}}", "{{if eq .Count 1}}{{.Images}}{{end}}", "{{.First.Name}}",
		"{{if gt .Count 3}}{{.Images}}{{end}}", "{{if eq .Count 2}}a{{else if gt .Count 9}}{{.Frist}}{{end}}",
		`{{if eq .Folder "x"}}{{with .Nmae}}{{end}}{{end}}`, `{{if eq .Stem "x"}}{{printf "%s" (len .Nmae)}}{{end}}`,
		`{{if eq .Stem "x"}}{{.Time.Year}}{{end}}`, `{{if eq .Stem "x"}}{{.Time.local}}{{end}}`, `{{if eq .Stem "x"}}{{$.Nmae}}{{end}}`,
	} {
		if _, err := parseCaption(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestCaptionIsCut(t *testing.T) {
	for _, template := range []string{
		`{{range 1000000}}日本{{end}}`,
		`{{printf "%100000s" "x"}}日本`, // white space to the limit, and nothing is left
		strings.Repeat("é", 4001),
		strings.Repeat("é", 4000),
		strings.Repeat("\u200d", 3999) + "xyz",
	} {
		c, err := parseCaption(template)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Render("/srv", []string{"x.pdf"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		want := maxCaption
		if strings.HasPrefix(template, "{{printf") {
			want = 0
		}
		if n := utf8.RuneCountInString(got); n != want || !utf8.ValidString(got) {
			t.Errorf("%.20q: got %d runes, want %d", template, n, want)
		}
	}
}

// TestCaptionOfADroppedFolder: its name is that of the folder, however deep the first image lies in it.
func TestCaptionOfADroppedFolder(t *testing.T) {
	c, err := parseCaption(`{{.Folder}}{{if eq .Stem "never"}}{{with .Time}}{{.Format "2006"}}{{end}}{{$.Time.Format "06"}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	c.dropped = true
	for name, want := range map[string]string{"trip/day 1/morning/1.jpg": "trip", "trip/1.jpg": "trip", "1.jpg": "reception"} {
		if got, err := c.Render("/srv/drop/reception", []string{name, "trip/z.jpg"}, time.Now()); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", name, got, err, want)
		}
	}
}

// TestCaptionFails when it meets what loading could not foresee.
func TestCaptionFails(t *testing.T) {
	c, err := parseCaption(`{{if eq .Stem "odd"}}{{index .Name 99}}{{end}}`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Render("/srv", []string{"odd.pdf"}, time.Now()); err == nil || got != "" {
		t.Errorf("got %q, %v, want an error", got, err)
	}
	if got, err := c.Render("/srv", []string{"even.pdf"}, time.Now()); err != nil || got != "" {
		t.Errorf("got %q, %v", got, err)
	}
}

func FuzzCaptionIsClean(f *testing.F) {
	f.Add("scan\xff\x00.pdf")
	c, err := parseCaption("{{.Name}} {{.Stem}}\n{{.Folder}}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, err := c.Render("/srv", []string{name}, time.Time{})
		if err != nil || !utf8.ValidString(got) || strings.ContainsAny(got, "\x00\r\t\x1b\x7f\u0085") ||
			utf8.RuneCountInString(got) > maxCaption {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	})
}
