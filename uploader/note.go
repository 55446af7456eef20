package uploader

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
)

// adviceUnknown stands in the note of a file whose answer was lost, before what every note says: how to send it again.
const adviceUnknown = "Look in the group or room first whether the message is there."

// noteOf says in plain words why err sends d to failed/: as the service's word only what it said itself.
func noteOf(d *delivery, err error) filing.Note {
	n := filing.Note{Reason: reasonOf(err), Attempts: d.Attempts}
	answer, ok := errors.AsType[*destination.Error](err)
	if !ok {
		return n
	}
	n.Reason, n.Advice, n.Same = cmp.Or(answer.Reason, n.Reason), answer.Advice, answer.Same
	n.Status, n.Code, n.Message = answer.Answer.Status, answer.Answer.Code, answer.Answer.Message
	return n
}

func unknownNote(d *delivery, err error) filing.Note {
	what := ledger.MayBePosted
	if d.isAlbum() {
		what += fmt.Sprintf(", in an album of %d images", len(d.Files))
	}
	n := filing.Note{Reason: what + ": no answer came back", Attempts: d.Attempts + 1, Advice: adviceUnknown, Unknown: true}
	if err != nil {
		n.Reason += " (" + reasonOf(err) + ")"
	}
	return n
}

func disownedNote(d *delivery, err error) filing.Note {
	return filing.Note{
		Reason:   ledger.MayBePosted + ": the ledger was changed by somebody else meanwhile (" + reasonOf(err) + ")",
		Attempts: d.Attempts, Advice: adviceUnknown, Unknown: true,
	}
}

// isTruncated is how the reason of a file begins that lacks its ending.
const isTruncated = "truncated: "

const adviceTruncated = "If it opens as it should, it is whole: have it sent as it is, or set verify_ending = false for its folder in the " +
	"configuration, and put it into the folder then. If it does not, save, scan or copy it again."

func truncated(torn string) filing.Note {
	return filing.Note{
		Reason: isTruncated + text.Printable(torn) + ", and nothing was written to it any more",
		Advice: adviceTruncated, Same: true, AsItIs: true,
	}
}

// Recall gives the note of a delivery that was given up before: the ledger knows why, and that tells what helps. Its files are at most
// as large as the destination takes, and of its types, unless that was the reason.
func Recall(known ledger.Delivery, of destination.Traits) filing.Note {
	n := filing.Note{Reason: known.Reason, Attempts: known.Attempts}
	_, sendable := of.TypeOf(known.Files[0].Name)
	switch {
	case known.MayBePosted():
		n.Advice, n.Unknown = adviceUnknown, true
	case strings.HasPrefix(known.Reason, isOutside):
		n.Advice, n.Same = adviceOutside, true
	case strings.HasPrefix(known.Reason, isTruncated):
		n.Advice, n.Same, n.AsItIs = adviceTruncated, true, true
	case !sendable:
		n.Advice, n.Same = unsupported(known.Files[0].Name, of).Advice, true
	case of.IsTooLarge(known.Files[0].ID.Size):
		n.Advice, n.Same = adviceTooLarge, true
	}
	return n
}

const adviceTooLarge = "Make it smaller, or send it another way."

// tooLarge says that a destination does not take a file of so many bytes.
func tooLarge(bytes int64, of destination.Traits) filing.Note {
	return filing.Note{
		Reason: fmt.Sprintf("it has %d bytes, and %s takes at most %d", bytes, of.Name, of.MaxBytes),
		Advice: adviceTooLarge,
		Same:   true,
	}
}

// The note of a file that its folder does not take.
const (
	isOutside     = "its folder takes only these names: "
	adviceOutside = "Put it into another folder, or add its name to only, a setting of this folder."
)

// unsupported says that a destination does not take files of such a name.
func unsupported(name string, of destination.Traits) filing.Note {
	if of.IsOutside(name) {
		return filing.Note{Reason: isOutside + text.Printable(strings.Join(of.Names, " ")), Advice: adviceOutside, Same: true}
	}
	reason := fmt.Sprintf("%q is not a type that %s takes", filepath.Ext(name), of.Name)
	if filepath.Ext(name) == "" {
		reason = "its name has no extension, which tells the type"
	}
	return filing.Note{
		Reason: text.Printable(reason),
		Advice: "Convert it to one of " + strings.Join(of.Extensions, " ") + ", or send it another way.",
		Same:   true,
	}
}
