package door

import (
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
)

// view shows each configured folder, and why it is not served.
func (l *loop) view() (all []view.Door) {
	for _, d := range l.doors {
		shown := view.Door{Folder: d.folder.Path, Up: d.up}
		switch {
		case d.up:
		case d.err != nil:
			shown.Trouble, shown.Advice, shown.Next = text.Printable(d.err.Error()), Help(d.err), d.tryAt
		case d.trying && d.hangTold:
			shown.Trouble, shown.Advice = "it does not answer: "+d.doing()+" hangs", "look at its file system"
		default:
			shown.Trouble = "it was not looked at yet"
		}
		all = append(all, shown)
	}
	return all
}
