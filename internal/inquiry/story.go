package inquiry

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/filing"
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

// story tells the story, with what programs want to know beside it.
func (k *facts) story() control.Story {
	s := k.tell()
	s.Path, s.Running, s.Unasked, s.Held, s.Queued = k.path, k.running, k.unasked, k.held, k.queued
	if k.asked != "" {
		s.Lines = append([]string{"It lay at " + quote(k.asked) + ", and lies at " + quote(k.path) + " now."}, s.Lines...)
	}
	rows := slices.Concat(present(k.then), present(k.own), k.before, k.others)
	for _, r := range rows {
		s.Entries = append(s.Entries, r.Entry)
	}
	s.Lines, s.Advice = unique(s.Lines), unique(s.Advice)
	return s
}

// unique leaves out what was said.
func unique(lines []string) (all []string) {
	for _, line := range lines {
		if line != "" && !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return all
}

// tell tells the story. What a person must know first is its title.
func (k *facts) tell() control.Story {
	switch {
	case k.place == placeRoot, k.place == placeDoneRoot, k.place == placeFailedRoot:
		return k.tellRoot()
	case k.place == placeState:
		return control.Story{State: TellsOutside, Title: k.quoted() + " belongs to kaizala-drop's own memory (state_dir): nothing there is posted.",
			Advice: []string{"Leave it alone."}}
	case isOurs(filepath.Base(k.path)) && k.place != placeOutside:
		return k.tellOurs()
	case k.renamed:
		return k.tellRenamed()
	case k.queued != nil:
		return k.tellQueued()
	case k.held != nil:
		return k.tellHeld()
	case k.place == placeNote:
		return k.tellNote()
	case k.place == placeDone, k.place == placeFailed:
		return k.tellMoved()
	case k.place == placeOutside:
		return k.tellOutside()
	case isAbsent(k.looked):
		return k.tellAbsent()
	}
	return k.tellThere()
}

// base is what people call the file.
func (k *facts) base() string { return quote(filepath.Base(k.path)) }

// quoted is the whole path.
func (k *facts) quoted() string { return quote(k.path) }

// rowed tells what became of a file, from its row in the ledger.
func (k *facts) rowed(r row) (s control.Story) {
	name := quote(filepath.Base(r.Name))
	switch {
	case r.State == "filed":
		s = k.filed(r, name)
	case r.State == "failed":
		s = k.failed(r, name)
	case r.State == "posted":
		s.State, s.Title = TellsPosted, name+" is posted, and not moved to done/ yet."
		s.Lines = append(s.Lines, k.went(r)...)
		s.Advice = append(s.Advice, "Leave it where it is: it is moved by itself.")
	default:
		s.State, s.Title = TellsWaiting, name+" is taken, and not posted yet."
		if r.MaybePosted {
			s.Title = name + " may be in the " + k.nounOf(r) + " already: its post was begun, and no answer to it is known."
		}
		if r.Reason != "" {
			s.Lines = append(s.Lines, "What it waits for: "+r.Reason+".")
		}
		s.Lines = append(s.Lines, k.goesToOf(r)...)
		s.Advice = append(s.Advice, k.leaveIt(r.MaybePosted))
	}
	if r.ClaimedAs != "" && r.ClaimedAs != r.Name {
		s.Lines = append(s.Lines, fmt.Sprintf("It was called %s when it was taken, and renamed since then.", quote(r.ClaimedAs)))
	}
	return s
}

// leaveIt is what to do with a file that is on its way.
func (k *facts) leaveIt(maybePosted bool) string {
	if maybePosted {
		return "Leave it where it is: it goes on by itself. Do not drop it again before you have looked in the " + k.noun() + ": it may be there already."
	}
	return "Leave it where it is: it goes on by itself. To delete it is to lose it, for it is not in the " + k.noun() + " yet."
}

// filed tells of a file that was posted.
func (k *facts) filed(r row, name string) control.Story {
	s := control.Story{State: TellsDelivered, Title: fmt.Sprintf("%s was posted %s.", name, k.moment(r.At))}
	if !r.posting.IsZero() && r.At.Sub(r.posting) > filedLate {
		s.Title = fmt.Sprintf("%s was posted, and moved to done/ %s.", name, k.moment(r.At))
		s.Lines = append(s.Lines, "Its post was begun first "+k.moment(r.posting)+".")
	}
	in := "in the " + k.nounOf(r)
	said, sure := saidPosted(r), "it is "+in
	if said != nil {
		s.Title = fmt.Sprintf("%s was moved to done/ %s: %s said that it is %s.", name, k.moment(said.At), said.By, in)
		sure = "it is " + in + ", as " + said.By + " said"
	}
	s.Lines = append(s.Lines, k.went(r)...)
	s.Lines = append(s.Lines, r.where()...)
	s.Advice = append(s.Advice, k.deleting(r, sure)...)
	if r.isSomewhere() && r.holds == holdsOther {
		s.State = TellsOutside // what lies there is posted by nobody
	}
	return s
}

// went says to which group a file went, and as what.
func (k *facts) went(r row) (lines []string) {
	as := strings.ToLower(r.Kind)
	if r.Of > 1 {
		as = fmt.Sprintf("%s of %d", as, r.Of)
	}
	line := "It went to " + the(r.Target) + " as " + as
	if r.Target == "" {
		return nil
	}
	if r.Reference != "" {
		line += ", with the reference " + quote(r.Reference)
	}
	lines = append(lines, line+".")
	if r.MaybeTwice {
		first := "there twice"
		for _, before := range k.before {
			if before.MaybePosted && before.Target != "" && before.Target != r.Target {
				first = "in " + the(before.Target) + ", too"
			}
		}
		lines = append(lines, "It may be "+first+": the answer to the first try was lost.")
	}
	return lines
}

// where says where the file of a row was moved, and whether it is there.
func (r row) where() (lines []string) {
	if r.Dest == "" {
		return nil
	}
	line := "It was moved to " + quote(r.Dest)
	switch r.lies {
	case liesMoved:
		lines = []string{line + ", and somebody moved it on: it lies at " + quote(r.at) + " now."}
		if r.holds == holdsOther {
			lines = append(lines, "It has been changed since then by somebody.")
		}
		return lines
	case liesChanged:
		return []string{line + ". It has been changed since then by somebody, or another file was put in its place."} // which may have got its inode
	case liesGone:
		if r.away != "" {
			return []string{line + ". There is no folder " + quote(r.away) + " now: its file system is not mounted, or somebody has renamed or deleted it."}
		}
		return []string{line + ". It is not there any more: somebody has moved or deleted it."}
	case liesOther:
		return []string{line + ". What lies there now is another file."}
	case liesDark:
		return []string{line + ". Whether it is there still could not be seen."}
	}
	return []string{line + "."}
}

// failed tells of a file that was given up.
func (k *facts) failed(r row, name string) control.Story {
	s := control.Story{State: TellsFailed, Title: fmt.Sprintf("%s failed %s: %s.", name, k.moment(r.At), r.Reason)}
	if !r.MaybePosted {
		s.Lines = append(s.Lines, "Nothing of it was posted.")
	}
	s.Lines = append(s.Lines, k.goesToOf(r)...)
	s.Lines = append(s.Lines, r.where()...)
	switch a, back := r.putBack(); {
	case back:
		s.Lines = append(s.Lines, k.wasPutBack(a))
		return s
	case len(r.Asked) > 0 && r.Asked[len(r.Asked)-1].State == "asked":
		open := r.Asked[len(r.Asked)-1]
		s.Lines = append(s.Lines, fmt.Sprintf("%s asked %s to have it put back; that is not done yet.", open.By, k.moment(open.At)))
	case !r.Finished:
		s.Advice = append(s.Advice, "Leave it where it is: it is moved to failed/ by itself.")
		return s
	case !r.isSomewhere():
		return s
	}
	s.Advice = append(s.Advice, k.helps(r)...)
	return s
}

// helps is what can be done about a failed file, as the note beside it has it.
func (k *facts) helps(r row) (advice []string) {
	if r.help.Advice != "" {
		advice = append(advice, r.help.Advice)
	}
	path := r.at
	if r.lies == liesMoved && filepath.Dir(r.at) != filepath.Dir(r.Dest) {
		path = "" // retry knows files in their own failed/ alone
	}
	for _, step := range r.help.Steps(path) {
		line := step.Text + "."
		if step.Args != nil {
			line = step.Text + ": " + step.Command(k.options)
		}
		advice = append(advice, line)
	}
	if r.MaybePosted || r.help.Unknown {
		return append(advice, "Do not delete it before you have looked.")
	}
	return append(advice, "To delete it is to lose it: it is not in the "+k.nounOf(r)+".")
}

// command is a command of kaizala-drop as it is to be typed.
func (k *facts) command(words string) string {
	verb, rest, _ := strings.Cut(words, " ")
	return strings.TrimSpace("kaizala-drop " + verb + k.options + " " + rest)
}

// wasPutBack says who put a file back, and how.
func (k *facts) wasPutBack(a control.Asked) string {
	how := map[string]string{
		"as-it-is": ", to be sent as it is", "post-again": ", to be posted again", "post-again, as-it-is": ", to be posted again, as it is",
	}[a.What]
	return fmt.Sprintf("It was put back by %s %s%s: to %s.", a.By, k.moment(a.At), how, quote(a.To))
}

// isOurs reports whether a name is one that kaizala-drop itself makes: its mark, or a file that exists while another is moved.
func isOurs(base string) bool { return strings.HasPrefix(base, ".kaizala-drop-") }

func (k *facts) tellOurs() control.Story {
	s := control.Story{State: TellsIgnored, Title: k.base() + " is a file that kaizala-drop itself needs while it moves another: it is not posted.",
		Advice: []string{"Leave it there: it goes by itself."}}
	if filepath.Base(k.path) == filing.Mark {
		s.Title = k.base() + " is the mark by which kaizala-drop knows done/ and failed/: nothing beside it is posted."
		s.Advice = []string{"Leave it there. To have files posted again, drag the files themselves out of that folder."}
	}
	if isAbsent(k.looked) {
		s.Title, s.Advice = "There is no "+k.base()+". Names as this one are kaizala-drop's own, and are not posted.", nil
	}
	return s
}
