package watcher

import (
	"errors"
	"os"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
)

// errCannotTell means that the kernel does not say who is writing to a file.
var errCannotTell = errors.New("the kernel does not tell whether the file is being written")

const (
	// recheckChanged is the longest time between two looks at a file that changed just as it was looked into.
	recheckChanged = 2 * time.Second
	// recheckCompanion is the same for a file that has a lock file or the like beside it.
	recheckCompanion = 10 * time.Second
)

// examine looks closer at a file whose quiet time is over: does a program have it open, and is it whole? What is
// unchanged since it was found torn is not read again.
func (s *scout) examine(name string, info file.Info, a *answer) (Hold, error) {
	if reason := s.companion(name); reason != "" {
		return Hold{Reason: reason, Recheck: recheckCompanion}, nil
	}
	f, opened, err := file.Open(s.folder.Path, name)
	if err != nil {
		return Hold{}, err
	}
	defer f.Close()
	if opened.Identity != info.Identity {
		return Hold{Reason: "it has just changed", Recheck: recheckChanged}, nil
	}
	if s.remote == "" {
		writing, err := openForWriting(f)
		if writing {
			return Hold{Reason: "it is open for writing", Recheck: s.folder.Settle}, nil
		}
		if err != nil && a.leaseErr == nil {
			a.leaseErr = err
		}
	}
	if known, ok := s.torn[name]; ok && known.id == opened.Identity {
		return known.hold, nil
	}
	hold, err := s.wholeness(f, name, opened)
	if hold.Torn {
		s.torn[name] = tornFile{opened.Identity, hold}
	} else {
		delete(s.torn, name)
	}
	return hold, err
}

// tornFile is what was found of a file in one state.
type tornFile struct {
	id   file.Identity
	hold Hold
}

// wholeness looks for what a file that was cut off lacks.
func (s *scout) wholeness(f *os.File, name string, info file.Info) (Hold, error) {
	if !s.folder.VerifyEnding {
		return Hold{}, nil
	}
	if s.remote == "" && isSparse(f) {
		return Hold{Reason: "it has holes: its size was set, but not all of it was written", Torn: true}, nil
	}
	t, known := media.ByName(name)
	if !known {
		return Hold{}, nil
	}
	missing, err := media.MissingEnd(t, f, info.Size)
	if err != nil || missing == "" {
		return Hold{}, err
	}
	return Hold{Reason: missing, Torn: true}, nil
}
