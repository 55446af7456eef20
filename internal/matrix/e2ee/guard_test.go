package e2ee

import (
	"errors"
	"testing"
)

// TestGuard is the table of what the homeserver's mark says about a store.
func TestGuard(t *testing.T) {
	a, b, c := mark{5, "a"}, mark{6, "b"}, mark{6, "c"}
	for name, k := range map[string]struct {
		known  marks
		server mark
		judge  error
		told   error
	}{
		"new device":                               {marks{}, mark{}, nil, nil},
		"first mark never arrived":                 {marks{open: []mark{b}}, mark{}, nil, nil},
		"first mark arrived":                       {marks{open: []mark{b}}, b, nil, nil},
		"as it was":                                {marks{held: a}, a, nil, nil},
		"crash before it was sent":                 {marks{held: a, open: []mark{b}}, a, nil, nil},
		"crash after it was sent":                  {marks{held: a, open: []mark{b}}, b, nil, nil},
		"an earlier one arrives late":              {marks{held: c, open: []mark{a}}, a, nil, nil},
		"another copy chose the same number":       {marks{held: a, open: []mark{b}}, c, ErrCopied, ErrCopied},
		"put back":                                 {marks{held: a}, b, ErrCopied, ErrCopied},
		"put back with a mark of its own":          {marks{held: mark{3, "x"}, open: []mark{{4, "y"}}}, b, ErrCopied, ErrCopied},
		"the homeserver forgot it":                 {marks{held: a}, mark{}, ErrCopied, nil},
		"the homeserver was put back":              {marks{held: b}, a, ErrCopied, nil}, // a sync may bring what was before
		"the store is empty":                       {marks{}, a, ErrStoreLost, ErrStoreLost},
		"the homeserver has what is no mark":       {marks{held: a}, markIn([]byte(`{"x": 1}`)), ErrCopied, ErrCopied},
		"the homeserver has what is no JSON":       {marks{held: a}, markIn([]byte(`"`)), ErrCopied, ErrCopied},
		"a number that is ours and an id that not": {marks{held: c}, b, ErrCopied, ErrCopied},
	} {
		if err := k.known.judge(k.server); !errors.Is(err, k.judge) || err != nil && k.judge == nil {
			t.Errorf("%s: judge: %v", name, err)
		}
		if err := k.known.told(k.server); !errors.Is(err, k.told) || err != nil && k.told == nil {
			t.Errorf("%s: told: %v", name, err)
		}
		if next := k.known.next(k.server); next <= k.known.held.Epoch || next <= k.server.Epoch {
			t.Errorf("%s: the next one is %d", name, next)
		}
	}
}

// The model of raising the mark, for two copies of a store. It has the steps of raise, one after the other, each of which another one
// may come before, crashes between all of them, requests that arrive late, answers that are lost, and time.

// maxOpen is how many marks of a copy may be under way in the model.
const maxOpen = 6

// patienceTicks is Settle, in ticks of the model's clock.
const patienceTicks = 1

type at int8

const (
	stopped  at = iota // it is not running
	reads              // it asks for the mark
	proposes           // it is to write a new one to disk
	sends              // it is to send it
	awaits             // it awaits the answer
	waits              // it waits for others to show themselves
	looks              // it reads the mark back
	holds              // it encrypts
	caught             // it says ErrCopied
	tired              // it says ErrSlow
)

// copyOf is one copy: its disk, and its process.
type copyOf struct {
	held    mark
	open    [maxOpen]mark
	opened  int8
	at      at
	server  mark // as it was read
	next    mark
	age     int8 // ticks since it read, up to one too many
	waited  int8
	fresh   bool // it raises for the first time in this run
	crashes int8 // that may still come
	raises  int8 // that may still be begun
	ids     int8
}

func (c copyOf) known() marks { return marks{held: c.held, open: c.open[:c.opened]} }

// world is all there is.
type world struct {
	c      [2]copyOf
	server mark
	sent   [4]mark // on their way
	last   int8    // which copy encrypted last: 1 or 2
	turns  int8    // how often another one did than before
}

// model are the rules of a run.
type model struct {
	timely bool // a mark arrives within Settle of the reading before it
	only   int  // how many copies there are
	seen   map[world]bool
	todo   []world
	bad    func(w world) string
	t      *testing.T
}

func (m *model) add(w world) {
	if m.seen[w] {
		return
	}
	m.seen[w] = true
	if text := m.bad(w); text != "" {
		m.t.Fatalf("%s: %+v", text, w)
	}
	m.todo = append(m.todo, w)
}

// explore goes through all that can come of w.
func (m *model) explore(w world) {
	m.seen = map[world]bool{}
	m.add(w)
	for len(m.todo) > 0 {
		w := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		for i := range m.only {
			m.step(w, i)
		}
		m.network(w)
		m.tick(w)
	}
}

// step lets copy i do what is next, or crash.
func (m *model) step(w world, i int) {
	if c := &w.c[i]; c.at != stopped && c.crashes > 0 {
		crashed := w
		d := &crashed.c[i]
		d.at, d.crashes, d.server, d.next, d.age, d.waited, d.fresh = stopped, d.crashes-1, mark{}, mark{}, 0, 0, false
		m.add(crashed)
	}
	c := &w.c[i]
	switch c.at {
	case stopped, holds:
		if c.raises == 0 {
			return
		}
		c.fresh = c.at == stopped
		c.raises--
		c.at = reads
	case reads:
		c.server, c.age = w.server, 0
		c.at = proposes
		if c.known().judge(c.server) != nil {
			c.at = caught
		}
	case proposes:
		if int(c.opened) == maxOpen {
			return
		}
		c.ids++
		c.next = mark{c.known().next(c.server), string(rune('a'+13*i)) + string(rune('0'+c.ids))}
		c.open[c.opened] = c.next
		c.opened++
		c.at = sends
	case sends:
		for n := range w.sent {
			if w.sent[n] == (mark{}) {
				w.sent[n] = c.next
				c.at = awaits
				m.add(w)
				return
			}
		}
		return
	case awaits:
		m.answered(w, i)
		return
	case waits:
		if c.waited <= patienceTicks {
			return
		}
		c.at = looks
	case looks:
		m.lookedAt(&w, i)
	case caught, tired:
		return
	}
	m.add(w)
}

// answered is what comes after a mark was sent: the answer, if it has arrived, or none.
func (m *model) answered(w world, i int) {
	c := &w.c[i]
	arrived := true
	for _, s := range w.sent {
		arrived = arrived && s != c.next
	}
	lost := w
	if lost.c[i].raises > 0 && (arrived || !m.timely) { // it fails, and is tried again
		lost.c[i].raises--
		lost.c[i].at = reads
		m.add(lost)
	}
	switch {
	case !arrived:
		return
	case c.age > patienceTicks: // too slow: it starts over
		if c.raises == 0 {
			return
		}
		c.raises--
		c.at = reads
	case c.fresh || c.server != c.held:
		c.at, c.waited = waits, 0
	default:
		c.at = looks
	}
	m.add(w)
}

func (m *model) lookedAt(w *world, i int) {
	c := &w.c[i]
	switch {
	case w.server == c.next:
		n := int8(0)
		for _, o := range c.open[:c.opened] {
			if o != c.next && w.isSent(o) { // what was answered is forgotten; the model knows which
				c.open[n] = o
				n++
			}
		}
		for k := n; k < maxOpen; k++ {
			c.open[k] = mark{}
		}
		c.opened, c.held, c.at, c.fresh = n, c.next, holds, false
		if w.last != int8(i+1) {
			w.last, w.turns = int8(i+1), w.turns+1
		}
	case c.known().judge(w.server) == nil: // a late one of its own came in between
		if c.raises == 0 {
			c.at = tired
			return
		}
		c.raises--
		c.at = reads
	default:
		c.at = caught
	}
}

func (w *world) isSent(k mark) bool {
	for _, s := range w.sent {
		if s == k {
			return true
		}
	}
	return false
}

// network lets a request arrive, or be lost.
func (m *model) network(w world) {
	for n, s := range w.sent {
		if s == (mark{}) {
			continue
		}
		lost := w
		lost.sent[n] = mark{}
		arrived := lost
		arrived.server = s
		m.add(arrived)
		if !m.awaited(w, s) { // a request whose sender waits is answered some time, or the sender gives up
			m.add(lost)
		}
	}
}

func (m *model) awaited(w world, k mark) bool {
	for i := range m.only {
		if w.c[i].at == awaits && w.c[i].next == k {
			return true
		}
	}
	return false
}

// tick lets time pass.
func (m *model) tick(w world) {
	for i := range m.only {
		c := &w.c[i]
		if m.timely && (c.at == proposes || c.at == sends || c.at == awaits && w.isSent(c.next)) && c.age >= patienceTicks {
			return
		}
		if c.at >= proposes && c.at <= awaits {
			c.age = min(c.age+1, patienceTicks+1)
		}
		if c.at == waits {
			c.waited = min(c.waited+1, patienceTicks+1)
		}
	}
	m.add(w)
}

// disks explores one copy alone, and gives every state in which its disk may be copied.
func disks(t *testing.T, crashes, raises int8) []world {
	found := map[world]bool{}
	m := &model{only: 1, t: t, bad: func(w world) string {
		if w.c[0].at == caught {
			return "locked out, and alone"
		}
		disk := world{server: w.server, sent: w.sent}
		disk.c[0] = copyOf{held: w.c[0].held, open: w.c[0].open, opened: w.c[0].opened, ids: w.c[0].ids}
		found[disk] = true
		return ""
	}}
	var w world
	w.c[0] = copyOf{crashes: crashes, raises: raises}
	m.explore(w)
	t.Logf("alone: %d states, %d disks", len(m.seen), len(found))
	var all []world
	for d := range found {
		all = append(all, d)
	}
	return all
}

// TestGuardAlone explores all crashes, late requests and lost answers of a store that nobody copied: it is never locked out.
func TestGuardAlone(t *testing.T) {
	if thorough() {
		disks(t, 3, 5)
	} else {
		disks(t, 2, 4)
	}
}

// TestGuardCopies explores two copies that run at the same time, made at any moment of a run, where each mark arrives within Settle: once one has encrypted after the other, the
// other never does again.
func TestGuardCopies(t *testing.T) {
	total := 0
	for _, w := range disks(t, 1, 2) {
		w.sent = [4]mark{}
		for i := range w.c {
			w.c[i] = w.c[0]
			w.c[i].crashes, w.c[i].raises = 0, 3
		}
		m := &model{only: 2, timely: true, t: t, bad: func(w world) string {
			if w.turns > 2 {
				return "one encrypted, then the other, then the one"
			}
			a, b := w.c[0], w.c[1]
			if a.at == holds && b.at == holds && a.known().judge(w.server) == nil && b.known().judge(w.server) == nil && w.server != (mark{}) && a.opened+b.opened == 0 {
				return "both hold"
			}
			return ""
		}}
		m.explore(w)
		total += len(m.seen)
	}
	t.Logf("two copies: %d states", total)
}

// TestGuardStartedTogether explores two copies that are started at the same time, each once, where each mark arrives within Settle of the
// reading before it: only one of them ever encrypts.
func TestGuardStartedTogether(t *testing.T) {
	total := 0
	for _, w := range disks(t, 1, 2) {
		w.sent = [4]mark{}
		for i := range w.c {
			w.c[i] = w.c[0]
			w.c[i].crashes, w.c[i].raises = 0, 1
		}
		m := &model{only: 2, timely: true, t: t, bad: func(w world) string {
			if w.turns > 1 {
				return "both encrypted"
			}
			return ""
		}}
		m.explore(w)
		total += len(m.seen)
	}
	t.Logf("started together: %d states", total)
}
