// Package destination has the words in which an uploader and a destination of its files speak to each other: what is sent, what
// comes back, and what went wrong. Tokens, addresses, statuses and formats stay with the destination.
package destination

import (
	"io"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/ignore"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/text"
)

// File is one file of an upload.
type File struct {
	Name string // its own, without folders; bytes, as the kernel has them
	MIME string
	Size int64 // bytes
	// Open gives the content from its start, anew for each sending. Of the readers it gave, only the last is in use. A reader may
	// fail, and may give more or fewer bytes than Size: then the upload is broken off, by the fault
	// OfContent.
	Open func() io.Reader
	// At gives the content at any place, for a look at what a picture, a film or a sound shows. It is for one goroutine, and a read
	// may fail. nil: it cannot be looked at.
	At io.ReaderAt
	// TakenUp is when it was, by this process: what was seen of the target after that is about it, too. Zero: it is not known.
	TakenUp time.Time
}

// Message is what a post shows.
type Message struct {
	Target  string // the group or room, as the destination spells it
	Kind    media.Kind
	Ref     string // what Upload gave: opaque
	Caption string // "": none
	Key     string // the delivery's own, the same at each try; its files are KEY/0, KEY/1, ... "": none
	// Shown are the ids of the posts of its files that are there already, from the first file on, as the last Receipt had them. They
	// are not to be posted again.
	Shown []string
	// Tried says, to Find, that its post was begun before, so that it may be there since a moment ago.
	Tried bool
}

// Receipt says what became of a post that was taken. Its texts are safe to print.
type Receipt struct {
	ID     string   // what the destination calls the post: opaque
	Missed []Missed // who did not get it
	Shown  []string // of a message that is there in part: as in Message
}

// Missed is somebody to whom a post was not delivered.
type Missed struct {
	Subscriber, Reason, Code string
}

// Traits are what a destination takes, and what it is called.
type Traits struct {
	Name string // as people call it: "Kaizala"
	// Accepts tells the type of a file by its name. ok is false for what is not taken. nil: all that package media knows is taken.
	Accepts    func(name string) (t media.Type, ok bool)
	Extensions []string // of what is accepted, for messages: ".jpg", ...
	AlbumMax   int      // images in one post; 0: no bound
	CaptionMax int      // characters (Unicode code points) of a caption; 0: no bound
	MaxBytes   int64    // of one file; 0: not known
	Names      []string // patterns of the only names that are taken of these (Only); none: all

	matches func(name string) (pattern string) // one of Names; nil: there are none
}

// TypeOf tells the type of a file by its name. ok is false for what is not taken.
func (t Traits) TypeOf(name string) (is media.Type, ok bool) {
	if t.Accepts == nil {
		return media.ByName(name)
	}
	return t.Accepts(name)
}

// Only are the traits of a folder that takes no other names than those of patterns (package ignore; what does not compile matches
// nothing). Without patterns it takes all. A name whose ending a pattern has is no guess.
func (t Traits) Only(patterns []string) Traits {
	if len(patterns) == 0 {
		return t
	}
	good := slices.DeleteFunc(slices.Clone(patterns), func(one string) bool { _, _, err := ignore.Compile([]string{one}, ""); return err != nil })
	only, _, _ := ignore.Compile(good, "")
	all := t
	t.Names, t.matches = patterns, func(name string) string { return only.Match(name, false) }
	t.Accepts = func(name string) (media.Type, bool) {
		by := t.matches(name)
		if by == "" {
			return media.Type{}, false
		}
		is, ok := all.TypeOf(name)
		is.Guess = is.Guess && (is.Ext == "" || !strings.HasSuffix(strings.ToLower(by), is.Ext))
		return is, ok
	}
	return t
}

// IsOutside reports whether none of Names is that of a file, whatever its type.
func (t Traits) IsOutside(name string) bool { return t.matches != nil && t.matches(name) == "" }

// Caption is caption as far as it is taken.
func (t Traits) Caption(caption string) string {
	if t.CaptionMax <= 0 {
		return caption
	}
	return text.First(caption, t.CaptionMax)
}

// Album is how many images there may be in one post, of the number that was asked for.
func (t Traits) Album(most int) int {
	if t.AlbumMax <= 0 {
		return most
	}
	return min(most, t.AlbumMax)
}

// IsTooLarge reports whether a file of that many bytes is surely not taken.
func (t Traits) IsTooLarge(bytes int64) bool { return t.MaxBytes > 0 && bytes > t.MaxBytes }
