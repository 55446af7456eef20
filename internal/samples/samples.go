// Package samples has small real files, at least one of each extension that Kaizala takes. The demo drops them and the
// tests upload them: photographs, a plan, invoices, slides, a tune, films, with names as people give them.
//
// The files are made by make.sh beside this file and belong to the project. Nothing in them comes from elsewhere.
package samples

import "embed"

// Sample is one file as a person would drop it.
type Sample struct {
	Name  string // UTF-8, without a folder
	Bytes []byte
}

// All gives every sample whose type is supported, at least one of each extension. Their order is pleasant to watch:
// first the building site's, then the reception's, then the lab's. Each call makes fresh copies, of about 200 kB
// altogether.
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

// Unsupported gives a file that Kaizala does not take as any kind of message.
func Unsupported() Sample {
	return Sample{"notes.txt", content("notes.txt")}
}

// The names of the embedded files are plain ASCII, because some file systems spell an umlaut in two ways, and go:embed
// accepts no dash that is not ASCII.
//
//go:embed files
var files embed.FS

func content(name string) []byte {
	b, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err) // the build would have failed without the file
	}
	return b
}
