package inquiry

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/text"
)

// The words of a story for programs (control.Story.State).
const (
	TellsDelivered = "delivered" // posted, and in done/
	TellsFailed    = "failed"    // in failed/
	TellsHeld      = "held"      // not taken yet, for a reason
	TellsWaiting   = "waiting"   // taken, and not posted
	TellsUploading = "uploading"
	TellsPosted    = "posted"  // and not in done/ yet
	TellsIgnored   = "ignored" // by a rule
	TellsUnseen    = "unseen"  // there, and nobody has looked at it yet
	TellsAbsent    = "absent"  // not there, and nothing is known of it
	TellsOutside   = "outside" // in no watched folder
	TellsFolder    = "folder"  // no file
	TellsNote      = "note"
	TellsSick      = "sick" // its folder is not served
)

// tell tells the story. What a person must know first is its title.
func (k *facts) tell() control.Story {
	switch {
	case k.place == placeRoot:
		return k.tellRoot()
	case k.queued != nil:
		return k.tellQueued()
	case k.held != nil:
		return k.tellHeld()
	case k.place == placeNote:
		return k.tellNote()
	case k.place == placeDone || k.place == placeFailed:
		return k.tellFiled()
	case k.place == placeName:
		return k.tellName()
	case k.place == placeOutside:
		return k.tellOutside()
	case errors.Is(k.looked, fs.ErrNotExist) && k.rule == "":
		return k.tellAbsent()
	}
	return k.tellThere()
}

// base is what people call the file.
func (k *facts) base() string { return quote(filepath.Base(k.path)) }

// at says when something was.
func (k *facts) at(e control.Entry) string { return moment(e.At, k.now) }

// tellEntry tells what became of a file, from its row in the history.
func (k *facts) tellEntry(e control.Entry) (s control.Story) {
	name := quote(filepath.Base(e.Name))
	switch {
	case e.State == "filed":
		s.State, s.Title = TellsDelivered, fmt.Sprintf("%s was posted %s.", name, k.at(e))
		s.Lines = append(s.Lines, k.where(e)...)
		s.Advice = append(s.Advice, "It is safe to delete what lies in done/: it is in the group.")
	case e.State == "failed" && e.MaybePosted:
		s.State, s.Title = TellsFailed, fmt.Sprintf("%s failed %s: %s.", name, k.at(e), e.Reason)
		s.Lines = append(s.Lines, k.lies(e)...)
		s.Advice = append(s.Advice, "Look in the group whether it is there. If it is: kaizala-drop retry --was-posted "+text.Quoted(e.Dest),
			"If it is not: kaizala-drop retry --post-again "+text.Quoted(e.Dest), "Do not delete it before you have looked.")
	case e.State == "failed":
		s.State, s.Title = TellsFailed, fmt.Sprintf("%s failed %s: %s.", name, k.at(e), e.Reason)
		s.Lines = append(s.Lines, "Nothing of it was posted.")
		s.Lines = append(s.Lines, k.lies(e)...)
		s.Advice = append(s.Advice, "Once the reason is mended, send it again: kaizala-drop retry "+text.Quoted(e.Dest),
			"To delete it is to lose it: it is not in the group.")
	case e.State == "posted":
		s.State, s.Title = TellsPosted, fmt.Sprintf("%s is posted, and not moved to done/ yet.", name)
		s.Lines = append(s.Lines, k.where(e)...)
		s.Advice = append(s.Advice, "Leave it where it is: it is moved by itself.")
	default:
		s.State, s.Title = TellsWaiting, fmt.Sprintf("%s is taken, and not posted yet.", name)
		if e.Reason != "" {
			s.Lines = append(s.Lines, "What it waits for: "+e.Reason+".")
		}
		s.Advice = append(s.Advice, "Leave it where it is: it is not in the group yet.")
	}
	if e.ClaimedAs != "" && e.ClaimedAs != e.Name {
		s.Lines = append(s.Lines, fmt.Sprintf("It was called %s when it was taken, and renamed since then.", quote(e.ClaimedAs)))
	}
	return s
}

// where says to which group a file went, as what, and where it lies.
func (k *facts) where(e control.Entry) (lines []string) {
	as := strings.ToLower(e.Kind)
	if e.Of > 1 {
		as = fmt.Sprintf("%s of %d", as, e.Of)
	}
	line := fmt.Sprintf("It went to the group %s as %s", quote(e.Target), as)
	if e.Reference != "" {
		line += ", with the reference " + quote(e.Reference)
	}
	lines = append(lines, line+".")
	if e.MaybeTwice {
		lines = append(lines, "It may be there twice: the answer to the first try was lost.")
	}
	return append(lines, k.lies(e)...)
}

// lies says where the file of a row was moved.
func (k *facts) lies(e control.Entry) []string {
	if e.Dest == "" {
		return nil
	}
	return []string{"It was moved to " + quote(e.Dest) + "."}
}

// earlier tells of rows that are about other files of the same name.
func (k *facts) earlier(rows []control.Entry) (lines []string) {
	const most = 3
	for _, e := range rows[:min(len(rows), most)] {
		what := map[string]string{"filed": "was posted", "failed": "failed"}[e.State]
		lines = append(lines, fmt.Sprintf("Another file of this name, in %s, %s %s.", quote(e.Folder), cmp.Or(what, "was taken"), k.at(e)))
	}
	if more := len(rows) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("There are %d more: kaizala-drop history --name %s", more, text.Quoted(filepath.Base(k.name))))
	}
	return lines
}

func (k *facts) tellRoot() control.Story {
	return control.Story{State: TellsFolder, Title: quote(k.path) + " is no file but a folder of kaizala-drop's.",
		Lines:  []string{"It belongs to the watched folder " + quote(k.folder.Path) + "."},
		Advice: []string{"kaizala-drop status shows how it stands."}}
}

func (k *facts) tellNote() control.Story {
	s := control.Story{State: TellsNote, Title: k.base() + " is a note of kaizala-drop's own: it says why the file beside it failed."}
	if len(k.entries) > 0 {
		about := k.tellEntry(k.entries[0])
		s.Lines, s.Advice = append([]string{about.Title}, about.Lines...), about.Advice
	}
	return s
}

// tellFiled tells of a file in done/ or failed/.
func (k *facts) tellFiled() control.Story {
	dir := "done/"
	if k.place == placeFailed {
		dir = "failed/"
	}
	if len(k.entries) > 0 {
		s := k.tellEntry(k.entries[0])
		if errors.Is(k.looked, fs.ErrNotExist) {
			s.Lines = append(s.Lines, "It is not there any more: somebody has moved or deleted it.")
			s.Advice = nil
		}
		return s
	}
	if errors.Is(k.looked, fs.ErrNotExist) {
		return control.Story{State: TellsAbsent, Title: k.base() + " is not there, and nothing was moved there under that name."}
	}
	return control.Story{State: TellsOutside, Title: k.base() + " lies in " + dir + ", and was not moved there by kaizala-drop, or so long ago that it is forgotten.",
		Lines:  []string{"What lies in " + dir + " is not posted."},
		Advice: []string{"To have it posted, move it into " + quote(k.folder.Path) + "."}}
}

// tellName tells of files of a name, wherever they lie.
func (k *facts) tellName() control.Story {
	if len(k.entries) == 0 {
		return control.Story{State: TellsAbsent, Title: "Nothing is known of a file called " + quote(k.name) + ".",
			Advice: []string{"Give its whole path, or a part of its name: kaizala-drop history --name " + text.Quoted(k.name)}}
	}
	s := k.tellEntry(k.entries[0])
	s.Lines = append(s.Lines, k.earlier(k.entries[1:])...)
	return s
}

func (k *facts) tellOutside() control.Story {
	s := control.Story{State: TellsOutside, Title: k.base() + " lies in no folder that is watched: nothing posts it."}
	if errors.Is(k.looked, fs.ErrNotExist) {
		s.State, s.Title = TellsAbsent, k.base()+" is not there, and its folder is none that is watched."
	}
	for _, f := range k.folders {
		s.Lines = append(s.Lines, "Watched is "+quote(f.Path)+".")
	}
	s.Lines = append(s.Lines, k.earlier(k.entries)...)
	return s
}

// tellAbsent tells of a name in a folder where nothing of that name lies now.
func (k *facts) tellAbsent() control.Story {
	if len(k.entries) > 0 {
		s := k.tellEntry(k.entries[0])
		s.Lines = append(s.Lines, k.earlier(k.entries[1:])...)
		return s
	}
	s := control.Story{State: TellsAbsent, Title: "There is no " + k.base() + ", and none was ever taken from this folder.",
		Lines:  []string{"Was it dropped into another folder, or under another name?"},
		Advice: []string{"Look for a part of its name: kaizala-drop history --name " + text.Quoted(filepath.Base(k.name))}}
	return k.withDoor(s)
}

// withDoor adds why the folder is not served, if it is not.
func (k *facts) withDoor(s control.Story) control.Story {
	switch {
	case !k.running && k.unasked != "" && k.unasked != NotRunning:
		s.Lines = append(s.Lines, capital(k.unasked)+".")
	case !k.running:
		s.Lines = append(s.Lines, "The daemon does not run: nothing is taken, and nothing is posted.")
		s.Advice = append(s.Advice, "Start it: systemctl start kaizala-drop")
	case k.door != nil && !k.door.Up:
		s.State = TellsSick
		s.Lines = append(s.Lines, "Its folder is not served: "+k.door.Trouble+".")
		if k.door.Advice != "" {
			s.Advice = append(s.Advice, capital(k.door.Advice)+".")
		}
		if !k.door.Next.IsZero() {
			s.Lines = append(s.Lines, "That is tried again "+moment(k.door.Next, k.now)+".")
		}
	case k.silent:
		s.Lines = append(s.Lines, "A part of the daemon did not answer in time: ask again.")
	case k.watched.Hangs != "":
		s.Lines = append(s.Lines, "Its file system does not answer: "+k.watched.Hangs+".")
	case k.watched.Trouble != "":
		s.Lines = append(s.Lines, "Its folder cannot be looked through: "+k.watched.Trouble+".")
	}
	return s
}

// tellThere tells of a file that lies in a watched folder, and that no part of the daemon holds.
func (k *facts) tellThere() control.Story {
	s := control.Story{State: TellsIgnored}
	switch {
	case k.rule != "" && k.ownRule:
		s.Title = fmt.Sprintf("%s is left alone: the configuration says so (ignore = %s).", k.base(), quote(k.rule))
		s.Advice = []string{"To have it posted, give it another name, or take the pattern out of ignore."}
	case k.rule != "":
		s.Title = fmt.Sprintf("%s is left alone: names as %s are temporary, or a system's own.", k.base(), quote(k.rule))
		s.Advice = []string{"To have it posted, give it another name."}
	case k.place == placeBelow:
		s.Title = k.base() + " lies in a subfolder, and nothing in subfolders is posted (recursive = false)."
		s.Advice = []string{"Move it into " + quote(k.folder.Path) + ", or set recursive = true for that folder."}
	case k.looked != nil:
		s.State, s.Title = TellsUnseen, k.base()+" cannot be looked at: "+k.looked.Error()+"."
		return k.withDoor(s)
	case k.mode.IsDir():
		s.State, s.Title = TellsFolder, k.base()+" is no file but a subfolder."
	case len(k.entries) > 0 && !k.entries[0].Finished:
		return k.withDoor(k.tellEntry(k.entries[0]))
	default:
		s.State, s.Title = TellsUnseen, k.base()+" is there, and was not taken yet."
		s.Advice = []string{"Leave it there: it is not in the group yet."}
		s.Lines = append(s.Lines, k.kept()...)
		s.Lines = append(s.Lines, k.earlier(k.entries)...)
		return k.withDoor(s)
	}
	s.Lines = append(s.Lines, k.earlier(k.entries)...)
	return s
}

// kept says what is plain to see of a file that nobody has looked at yet.
func (k *facts) kept() (lines []string) {
	switch {
	case !k.mode.IsRegular():
		lines = append(lines, "It is no regular file: only these are sent.")
	case !k.taken:
		lines = append(lines, fmt.Sprintf("%s does not take files of its type.", k.service))
	case k.size == 0:
		lines = append(lines, "It is empty: it goes once something is in it.")
	}
	return lines
}

// capital begins a sentence.
func capital(sentence string) string { return strings.ToUpper(sentence[:1]) + sentence[1:] }
