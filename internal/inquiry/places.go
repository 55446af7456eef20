package inquiry

import (
	"fmt"
	"path/filepath"
	"strings"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/text"
)

// The story of what is in nobody's hands: it lies somewhere, or it does not.

// tellRoot tells of a watched folder itself, and of done/ and failed/.
func (k *facts) tellRoot() control.Story {
	s := control.Story{State: TellsFolder, Advice: []string{"How it stands: " + k.command("status")}}
	group := the(k.folder.Target())
	switch k.place {
	case placeRoot:
		s.Title = k.quoted() + " is no file but a watched folder: what is dropped into it is posted to " + group + "."
	case placeDoneRoot:
		s.Title = k.quoted() + " is no file but the folder to which kaizala-drop moves what it has posted to " + group + "."
	default:
		s.Title = k.quoted() + " is no file but the folder to which kaizala-drop moves what cannot be posted to " + group + "."
	}
	switch {
	case isAbsent(k.looked) && k.place == placeRoot:
		s.Lines = append(s.Lines, "It is not there.", k.missingFolder())
		if k.door == nil || k.door.Advice == "" {
			s.Advice = append([]string{"Make it, or mount its share: it is served once it is there."}, s.Advice...)
		}
	case isAbsent(k.looked):
		s.Lines = append(s.Lines, "It is not there yet: it is made with the first file that is moved there.", k.missingFolder())
	case k.looked == nil && !k.info.Mode.IsDir() && k.info.Mode.Type() != symlink:
		s.Lines = append(s.Lines, "What lies there is no folder.")
	case k.looked != nil:
		s.Lines = append(s.Lines, "It cannot be looked at: "+reasonOf(k.looked)+".")
	}
	if k.place != placeRoot {
		s.Lines = append(s.Lines, "It belongs to the watched folder "+quote(k.folder.Path)+".")
	}
	return k.withDoor(s)
}

// missingFolder says which folder on the way to a path is not there.
func (k *facts) missingFolder() string {
	if k.missing == "" || k.missing == k.path {
		return ""
	}
	return "There is no folder " + quote(k.missing) + "."
}

// tellNote tells of a note beside a failed file.
func (k *facts) tellNote() control.Story {
	s := control.Story{State: TellsNote, Title: k.base() + " is a note of kaizala-drop's own: it says why the file beside it failed."}
	if isAbsent(k.looked) {
		s.State, s.Title = TellsAbsent, "There is no "+k.base()+": it would be the note of a file that failed."
		s.Lines = append(s.Lines, k.missingFolder())
	}
	if k.own == nil {
		s.Lines = append(s.Lines, "The file that it is about is not known any more.")
		return s
	}
	about := k.chain()
	s.Lines = append(append(s.Lines, about.Title), about.Lines...)
	s.Advice = about.Advice
	return s
}

// chain tells what became of a file that is in the ledger, and of what it became after it was put back.
func (k *facts) chain() control.Story {
	r := *k.own
	if k.then != nil {
		r = *k.then
	}
	s := k.rowed(r)
	if a, back := r.putBack(); back && a.Became == 0 && isAbsent(k.looked) {
		s.Lines = append(s.Lines, "It was not taken up there, and is not there any more: somebody has moved or deleted it.")
	}
	if k.then != nil {
		s.Lines = append(s.Lines, fmt.Sprintf("It had failed %s: %s.", k.moment(k.own.At), k.own.Reason))
		if a, ok := k.own.putBack(); ok {
			s.Lines = append(s.Lines, k.wasPutBack(a))
		}
	}
	s.Lines = append(s.Lines, k.history()...)
	return s
}

// tellMoved tells of what lies, or lay, in done/ or failed/.
func (k *facts) tellMoved() control.Story {
	dir := "done/"
	if k.place == placeFailed {
		dir = "failed/"
	}
	switch {
	case k.own != nil && k.copied:
		return k.tellCopy()
	case k.own != nil:
		return k.chain()
	case isAbsent(k.looked):
		return control.Story{State: TellsAbsent, Title: k.base() + " is not there, and nothing was moved there under that name.", Lines: []string{k.missingFolder()}}
	case k.looked != nil:
		return control.Story{State: TellsOutside, Title: k.base() + " cannot be looked at: " + reasonOf(k.looked) + ".", Lines: []string{"What lies in " + dir + " is not posted."}}
	case k.info.Mode.IsDir():
		return control.Story{State: TellsFolder, Title: k.base() + " is no file but a folder in " + dir + ".", Lines: []string{"What lies in " + dir + " is not posted."}}
	}
	s := control.Story{State: TellsOutside, Title: k.base() + " lies in " + dir + ", and was not moved there by kaizala-drop, or so long ago that it is forgotten.",
		Lines: []string{"What lies in " + dir + " is not posted."}}
	if dir == "done/" {
		s.Advice = []string{"Look in the " + k.noun() + " whether it is there. If it is not, copy it into " + quote(k.folder.Path) + " to have it posted."}
	} else {
		s.Advice = []string{"To have it posted, move it into " + quote(k.folder.Path) + "."}
	}
	s.Lines = append(s.Lines, k.earlier()...)
	return s
}

// tellCopy tells of a file that holds what another one held that was moved away.
func (k *facts) tellCopy() control.Story {
	about := k.rowed(*k.own)
	s := control.Story{State: TellsOutside, Title: k.base() + " looks like a copy of " + quote(k.own.Dest) + ": it is not posted from here."}
	s.Lines = append(append(s.Lines, "Of that one is known: "+about.Title), about.Lines...)
	if k.own.State == "filed" {
		s.Advice = []string{"To put it into a watched folder is to post it once more."}
	} else {
		s.Advice = about.Advice
	}
	return s
}

// tellOutside tells of a path in no watched folder. The daemon may not see all that whoever asks sees.
func (k *facts) tellOutside() control.Story {
	s := control.Story{State: TellsOutside, Title: k.base() + " lies in no folder that is watched: nothing posts it."}
	switch {
	case k.own != nil && k.copied:
		s = k.tellCopy()
	case k.own != nil:
		s = k.chain()
		s.Lines = append(s.Lines, "It lies in no folder that is watched now.")
		return s
	case isAbsent(k.looked):
		s.State, s.Title = TellsAbsent, k.base()+" is not there, as far as can be seen, and its folder is none that is watched: nothing would post it."
		s.Lines = append(s.Lines, k.missingFolder())
	case k.looked != nil:
		s.Lines = append(s.Lines, "It cannot be looked at: "+reasonOf(k.looked)+".")
	case k.info.Mode.IsDir():
		s.Title = k.base() + " is a folder that is not watched itself: what lies in it, and in none that is watched, is not posted."
	}
	for _, f := range k.folders {
		s.Lines = append(s.Lines, "Watched is "+quote(f.Path)+".")
	}
	s.Lines = append(s.Lines, k.earlier()...)
	return s
}

// tellAbsent tells of a name in a folder where nothing of that name lies now.
func (k *facts) tellAbsent() control.Story {
	if k.own != nil {
		return k.chain()
	}
	s := control.Story{State: TellsAbsent, Title: "There is no " + k.base() + ", and none was ever taken from this folder."}
	switch {
	case k.missing == k.folder.Path || len(k.missing) > 0 && len(k.missing) < len(k.folder.Path):
		s.Title = "There is no " + k.base() + ": its folder " + quote(k.folder.Path) + " is not there."
	case k.missing != "":
		s.Title = "There is no " + k.base() + ": there is no folder " + quote(k.missing) + "."
	}
	if k.rule != "" {
		s.Lines = append(s.Lines, "Names as "+quote(k.rule)+" are left alone: nothing of this name is posted.")
	}
	s.Lines = append(s.Lines, "Was it dropped into another folder, or under another name?")
	s.Advice = []string{"Look for its name everywhere: " + k.command("explain "+text.Quoted(filepath.Base(k.name))),
		"Look for a part of its name: " + k.command("history --name "+text.Quoted(filepath.Base(k.name)))}
	s.Lines = append(s.Lines, k.history()...)
	return k.withDoor(s)
}

// tellThere tells of a file that lies in a watched folder, and that no part of the daemon holds.
func (k *facts) tellThere() control.Story {
	s := control.Story{State: TellsIgnored}
	switch {
	case k.rule != "" && k.ownRule:
		s.Title = fmt.Sprintf("%s is left alone: the configuration says so (ignore = %s).", k.base(), quote(k.rule))
		s.Advice = []string{"To have it posted, take the pattern out of ignore, or give it another name; if the pattern is one of a folder, move it out of that."}
	case k.rule != "":
		s.Title = fmt.Sprintf("%s is left alone: names as %s are temporary, or a system's own.", k.base(), quote(k.rule))
		s.Advice = []string{"To have it posted, give it another name."}
	case k.place == placeBelow:
		s.Title = k.base() + " lies in a subfolder, and nothing in subfolders is posted (recursive = false)."
		s.Advice = []string{"Move it into " + quote(k.folder.Path) + ", or set recursive = true for that folder."}
	case k.looked != nil:
		s.State, s.Title = TellsUnseen, k.base()+" cannot be looked at: "+reasonOf(k.looked)+"."
		return k.withDoor(s)
	case k.info.Mode.IsDir():
		s.State, s.Title = TellsFolder, k.base()+" is no file but a subfolder."
	case k.own != nil:
		s = k.chain()
		return k.withDoor(s)
	default:
		s.State, s.Title = TellsUnseen, k.base()+" is there, and was not taken yet."
		s.Lines = append(s.Lines, k.plain()...)
		if len(s.Lines) == 0 {
			s.Lines = append(s.Lines, k.goesTo())
			s.Advice = []string{"Leave it there: it is not in the " + k.noun() + " yet."}
		}
		s.Lines = append(s.Lines, k.history()...)
		return k.withDoor(s)
	}
	s.Lines = append(s.Lines, k.history()...)
	return s
}

// plain says what is plain to see of a file that nobody has looked at yet, and that is not posted as it is.
func (k *facts) plain() (lines []string) {
	switch {
	case !k.info.Mode.IsRegular():
		lines = append(lines, "It is no regular file: only these are sent.")
	case k.refused != "":
		lines = append(lines, k.refused)
	case k.info.Size == 0:
		lines = append(lines, "It is empty: it goes once something is in it.")
	}
	return lines
}

// withDoor adds why the folder is not served, if it is not.
func (k *facts) withDoor(s control.Story) control.Story {
	switch {
	case !k.running && k.unasked != "" && k.unasked != NotRunning:
		s.Lines = append(s.Lines, capital(k.unasked)+".")
	case !k.running:
		s.Lines = append(s.Lines, "No daemon runs: nothing is taken, and nothing is posted.")
		s.Advice = append(s.Advice, "Start it: systemctl start kaizala-drop")
	case k.door != nil && !k.door.Up:
		if s.State != TellsFolder {
			s.State = TellsSick
		}
		s.Lines = append(s.Lines, "The folder is not served: "+k.door.Trouble+".")
		if k.door.Advice != "" {
			s.Advice = append(s.Advice, capital(k.door.Advice)+".")
		}
		if !k.door.Next.IsZero() {
			s.Lines = append(s.Lines, "That is tried again "+k.moment(k.door.Next)+".")
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

// capital begins a sentence.
func capital(sentence string) string {
	if sentence == "" {
		return ""
	}
	return strings.ToUpper(sentence[:1]) + sentence[1:]
}
