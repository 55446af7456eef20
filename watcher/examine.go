package watcher

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/media"
)

// errCannotTell means that the kernel does not tell who is writing to a file.
var errCannotTell = errors.New("the kernel does not tell whether the file is being written")

const (
	// recheckChanged is the longest time to the next look at a file that changed just as it was looked into.
	recheckChanged = 2 * time.Second
	// recheckCompanion is the longest time to the next look at a file with a companion beside it.
	recheckCompanion = 10 * time.Second
)

// examine looks closer at a file whose quiet time is over: whether a program has it open, and whether it is whole. A
// file that was found torn is not read again while it is unchanged.
func (s *scout) examine(name string, found *sighting, a *answer) error {
	info := found.look.Info
	hold, err := s.examineAs(name, info, found, a)
	found.look.obstacle = hold
	return err
}

func (s *scout) examineAs(name string, info file.Info, found *sighting, a *answer) (obstacle, error) {
	f, opened, err := file.Open(s.folder.Path, name)
	if err != nil {
		return obstacle{}, err
	}
	defer f.Close()
	var hold obstacle
	if hold, found.stale = s.held(f, name); hold.reason != "" {
		return hold, nil
	}
	if opened.Identity != info.Identity {
		return obstacle{reason: stateOf(kindChanged).reason, recheck: recheckChanged, kind: kindChanged}, nil
	}
	if s.remote == "" {
		writing, err := openForWriting(f)
		if writing {
			return obstacle{reason: stateOf(kindOpen).reason, recheck: s.folder.Settle, kind: kindOpen}, nil
		}
		if err != nil && a.leaseErr == nil {
			a.leaseErr = err
		}
	}
	if found.note = noteAt(f, name, info.Size); found.note != noNote { // a note that is removed afterwards needs no reason
		return obstacle{reason: stateOf(kindNote).reason, kind: kindNote}, nil
	}
	if known, ok := s.torn[name]; ok && known.id == opened.Identity {
		hold, found.look.holes = known.hold, known.holes
	} else {
		found.look.holes = s.holes(f)
		hold, err = s.wholeness(f, name, opened)
		delete(s.torn, name)
		if hold.torn {
			s.torn[name] = tornFile{opened.Identity, hold, found.look.holes}
		}
	}
	if (hold.torn || found.look.holes != noHoles) && s.folder.AsItIs != nil && s.folder.AsItIs(name, opened.Identity) {
		hold, found.look.holes = obstacle{}, noHoles
	}
	return hold, err
}

// tornFile is what was found of a torn file in one state.
type tornFile struct {
	id    file.Identity
	hold  obstacle
	holes holes
}

// holes looks for parts of the file that were never written.
func (s *scout) holes(f *os.File) holes {
	if !s.folder.VerifyEnding || s.remote != "" {
		return noHoles
	}
	some, atEnd := holesIn(f)
	switch {
	case atEnd:
		return holesAtEnd
	case some:
		return holesInside
	}
	return noHoles
}

// wholeness looks for what is missing in a file that was cut off. A name of no type that is sent may be a temporary
// name of a file that is renamed when it is whole.
func (s *scout) wholeness(f *os.File, name string, info file.Info) (obstacle, error) {
	t, known := s.folder.typeOf(name)
	switch {
	case !known && s.folder.TruncatedAfter > 0:
		return obstacle{reason: stateOf(kindUnknown).reason, torn: true, kind: kindUnknown}, nil
	case !known || !s.folder.VerifyEnding && !t.Guess:
		return obstacle{}, nil
	}
	if hold, err := s.ending(t, f, info.Size); hold.reason != "" || err != nil {
		return hold, err
	}
	if t.Guess && s.folder.TruncatedAfter > 0 {
		return obstacle{reason: stateOf(kindStrange).reason, torn: true, kind: kindStrange}, nil
	}
	return obstacle{}, nil
}

// ending looks whether the file has the end of its format.
func (s *scout) ending(t media.Type, f *os.File, size int64) (obstacle, error) {
	if !s.folder.VerifyEnding {
		return obstacle{}, nil
	}
	missing, err := media.MissingEnd(t, f, size)
	if err != nil || missing == "" {
		return obstacle{}, err
	}
	return obstacle{reason: missing, torn: true, kind: kindTorn}, nil
}

// note says whether a file is a note of the daemon's own, which was moved back with its file.
type note int

const (
	noNote      note = iota
	changedNote      // a person has changed it
	ownNote          // as it was written
)

// noteAt reads f to tell whether it is a note.
func noteAt(f *os.File, name string, size int64) note {
	if !filing.IsNoteName(name) || size > filing.MaxNoteSize {
		return noNote
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, filing.MaxNoteSize))
	switch ours, unchanged := filing.IsNote(text); {
	case err != nil || !ours:
		return noNote
	case !unchanged:
		return changedNote
	}
	return ownNote
}

// removeNote removes a note of the daemon's own, which says of itself that it can be deleted. It reports whether the
// note is gone.
func (s *scout) removeNote(name string, id file.Identity) bool {
	path := filepath.Join(s.folder.Path, name)
	err := s.calls.Do("remove the note", path, func() error {
		info, err := file.Lstat(path)
		if err == nil && info.Identity != id {
			err = errors.New("it has just changed")
		}
		if err != nil {
			return err
		}
		return os.Remove(path)
	})
	return err == nil
}
