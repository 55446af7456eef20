// Package samples turns a folder of small real files, one or more of every kind that Kaizala takes, into what the demo
// drops and the tests upload: photographs, a plan, invoices, slides, a tune, films, and names as people give them.
//
// The files are made by make.sh beside this file and belong to the project; nothing in them comes from elsewhere.
package samples

import "embed"

// Sample is one file as a person would drop it.
type Sample struct {
	Name  string // UTF-8, without a folder
	Bytes []byte
}

// All gives every sample whose type is supported, at least one of each extension, in an order that is pleasant to watch:
// the site's, the reception's, the lab's. Each call makes fresh copies; altogether they are about 200 kB.
func All() []Sample {
	return []Sample{
		{"IMG_0412.JPG", content("dawn.jpg")},
		{"Baustelle Nord, Mittag.jpeg", content("noon.jpeg")},
		{"crane at dusk.jpg", content("dusk.jpg")},
		{"walk round the site.mp4", content("site.mp4")},
		{"gate.camera.3gpp", content("gate.3gpp")},

		{"Invoice 2026-0417.PDF", content("invoice.pdf")},
		{"Büro – Übersicht 2026.pdf", content("overview.pdf")},
		{"floor plan.png", content("plan.png")},
		{"Visitors this week.docx", content("letter.docx")},
		{"Visitors (old printer).doc", content("letter.doc")},
		{"door chime.wav", content("chime.wav")},
		{"waiting melody.mp3", content("melody.mp3")},

		{"stock.xlsx", content("stock.xlsx")},
		{"stock 2003.xls", content("stock.xls")},
		{"Safe in the lab.pptx", content("safety.pptx")},
		{"Safe in the lab.ppt", content("safety.ppt")},
	}
}

// Unsupported gives a file that Kaizala takes in no form.
func Unsupported() Sample {
	return Sample{"notes.txt", content("notes.txt")}
}

// The names in here are plain ASCII: go:embed allows no dash outside it, and some file systems spell an umlaut in two
// ways.
//
//go:embed files
var files embed.FS

func content(name string) []byte {
	b, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err) // the file was there when the program was built, or it would not have been
	}
	return b
}
