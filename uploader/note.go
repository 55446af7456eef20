package uploader

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/media"
)

// adviceUnknown stands in the note of a file whose answer was lost, before what every note says: how to send it again.
const adviceUnknown = "Look in the group first whether the message is there."

// noteOf says in plain words why err sends d to failed/: as the service's word only what it said itself.
func noteOf(d *delivery, err error) filing.Note {
	n := filing.Note{Reason: reasonOf(err), Attempts: d.Attempts}
	answer, ok := errors.AsType[*kaizala.Error](err)
	if !ok {
		return n
	}
	n.Status, n.ErrorCode, n.ServerMessage = answer.Status, answer.Code, answer.Message
	switch {
	case !answer.Spoken && answer.Status == 413:
		n.Advice = "Make it smaller, send it another way, or have whoever runs the proxy in between allow larger uploads."
	case !answer.Spoken || answer.Fault != kaizala.FaultFile: // nobody said that
	case answer.Status == 413:
		n.Reason, n.Advice = "Kaizala refused the file: it is too large", "Make it smaller, or send it another way."
		n.Same = true
	case answer.Status == 415:
		n.Reason = "Kaizala refused the file: it is not what its extension says"
		n.Advice = "Save it again in the format of its extension, or correct the extension."
		n.Same = true
	case d.stage == toPost:
		n.Reason = "Kaizala took the file but refused the message with it"
	default:
		n.Reason = "Kaizala refused the file"
	}
	return n
}

func unknownNote(d *delivery, err error) filing.Note {
	what := "it may have been posted"
	if d.isAlbum() {
		what = fmt.Sprintf("it may have been posted, in an album of %d images", len(d.Files))
	}
	n := filing.Note{Reason: what + ": no answer came back", Attempts: d.Attempts + 1, Advice: adviceUnknown}
	if err != nil {
		n.Reason += " (" + reasonOf(err) + ")"
	}
	return n
}

func disownedNote(d *delivery, err error) filing.Note {
	return filing.Note{
		Reason:   "it may have been posted: the ledger was changed by somebody else meanwhile (" + reasonOf(err) + ")",
		Attempts: d.Attempts, Advice: adviceUnknown,
	}
}

func truncated(torn string) filing.Note {
	return filing.Note{
		Reason: "truncated: " + file.Printable(torn) + ", and nothing was written to it any more",
		Advice: "If it opens as it should, it is whole: set verify_ending = false for its folder in the configuration, and put it " +
			"into the folder then. If it does not, save, scan or copy it again.",
		Same: true,
	}
}

func unsupported(name string) filing.Note {
	reason := fmt.Sprintf("%q is not a type that Kaizala takes", filepath.Ext(name))
	if filepath.Ext(name) == "" {
		reason = "its name has no extension, which tells the type"
	}
	return filing.Note{
		Reason: file.Printable(reason),
		Advice: "Convert it to one of " + strings.Join(media.Extensions(), " ") + ", or send it another way.",
		Same:   true,
	}
}
