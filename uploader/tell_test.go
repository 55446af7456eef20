package uploader

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// TestWhatIsTold: what lasts is told when it begins and when it is over, each end of a delivery once, and what is given back is
// what left without being posted.
func TestWhatIsTold(t *testing.T) {
	denied, full := errors.New("permission denied"), ledgerError{errors.New("full")}
	forgotten := ledgerError{fmt.Errorf("delivery 1: %w", ledger.ErrUnknown)}
	for name, c := range map[string]struct {
		files []string
		at    stage
		fails int // times
		err   error
		news  []news
		back  []string
	}{
		"nothing happens":            {[]string{"x.pdf"}, toPost, 0, nil, []news{newsDelivered}, nil},
		"not a type that is taken":   {[]string{"x.txt"}, toFail, 0, nil, []news{newsFailed}, nil},
		"it vanished":                {[]string{"x.pdf"}, toUpload, 1, errVanished, []news{newsNotPosted}, []string{"x.pdf"}},
		"an image changed":           {images(3), toPost, 1, troubles{{"1.jpg", errChanged}}, []news{newsDivided, newsDelivered}, []string{"1.jpg"}},
		"all images changed":         {images(2), toUpload, 1, troubles{{"0.jpg", errChanged}, {"1.jpg", errVanished}}, []news{newsDivided}, images(2)},
		"unreadable three times":     {[]string{"x.pdf"}, toUpload, 3, denied, []news{newsWaits, newsDelivered}, nil},
		"unreadable eleven times":    {[]string{"x.pdf"}, toUpload, 11, denied, []news{newsWaits, newsWaits, newsDelivered}, nil},
		"the ledger is full":         {[]string{"x.pdf"}, toKeep, 3, full, []news{newsWaits, newsDelivered}, nil},
		"an album is not forgotten":  {images(2), toDivide, 3, full, []news{newsDelivered}, nil},
		"refused":                    {[]string{"x.pdf"}, toUpload, 1, ofFile(415), []news{newsFailed}, nil},
		"a message refused":          {images(2), toPost, 1, ofFile(400), []news{newsDivided, newsDelivered, newsDelivered}, nil},
		"the group refuses":          {[]string{"x.pdf"}, toPost, 3, ofGroup(403), []news{newsGroupRefuses, newsDelivered}, nil},
		"the group, without a word":  {[]string{"x.pdf"}, toPost, 3, wordless(ofGroup(403)), []news{newsGroupUnproven, newsDelivered}, nil},
		"the move fails":             {[]string{"x.pdf"}, toFile, 3, denied, []news{newsUnfilable, newsDelivered, newsFilableAgain}, nil},
		"it cannot be moved later":   {[]string{"x.pdf"}, toPost, 2, unfilable{denied, true}, []news{newsUnfilable, newsFilableAgain, newsDelivered}, nil},
		"a posted file is away":      {[]string{"x.pdf"}, toFile, 3, errAway, []news{newsAway, newsDelivered}, nil},
		"the ledger forgot it":       {[]string{"x.pdf"}, toKeep, 1, forgotten, []news{newsDisowned, newsFailed}, nil},
		"it was filed before":        {[]string{"x.pdf"}, toClaim, 1, ledgerError{&ledger.FiledError{}}, []news{newsLeftAlone}, nil},
		"a blip":                     {[]string{"x.pdf"}, toPost, 3, ofDestination(503), []news{newsDelivered}, nil},
		"an outage":                  {[]string{"x.pdf"}, toPost, 20, ofDestination(503), []news{newsOutage, newsOutageOver, newsDelivered}, nil},
		"the token is refused":       {[]string{"x.pdf"}, toUpload, 20, ofDestination(401), []news{newsToken, newsOutageOver, newsDelivered}, nil},
		"in vain, with nothing else": {[]string{"x.pdf"}, toUpload, 3, inVain(ofDestination(502)), []news{newsHeld, newsDelivered}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 1, free{}, folder("/a"))
			fails := c.fails
			s.ends = func(d *delivery) error {
				if d.stage != c.at || fails == 0 {
					return nil
				}
				fails--
				return c.err
			}
			var told []news
			var back []string
			ended := 0
			s.after = func(e event) {
				told = append(told, e.fx.news...)
				for _, b := range e.fx.handBack {
					back = append(back, b.Name)
				}
				if e.fx.end != goesOn {
					ended++
				}
			}
			var b file.Batch
			for _, name := range c.files {
				b = append(b, version("/a", name, 1))
			}
			s.q.add(b)
			s.run(24 * time.Hour)
			if !slices.Equal(told, c.news) || !slices.Equal(back, c.back) {
				t.Errorf("told %v, and given back %q; want %v, %q", told, back, c.news, c.back)
			}
			ends := slices.DeleteFunc(slices.Clone(told), func(n news) bool { return n != newsDelivered && n != newsFailed })
			if ended != len(ends) {
				t.Errorf("%d deliveries count as ended, and %d are told", ended, len(ends))
			}
		})
	}
}

// TestSearchIsTold: of an album with one refused image it is told that a search begins, that the album was divided, and how both
// parts ended; and once, however many calls the search takes.
func TestSearchIsTold(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	s.ends = func(d *delivery) error {
		if d.stage == toUpload && slices.ContainsFunc(d.toSend(), func(f ledger.File) bool { return f.Name == "6.jpg" }) {
			return ofFile(415)
		}
		return nil
	}
	var told []news
	s.after = func(e event) { told = append(told, e.fx.news...) }
	s.q.add(album("/a", images(10)...))
	s.run(time.Hour)
	slices.Sort(told[2:])
	if want := []news{newsSearches, newsDivided, newsDelivered, newsFailed}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
