package watcher

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/file"
)

// Each case is a sequence of observations of files, with what the settler must make of them. The settle time is 5 s. A
// line reads SECOND VERB [ARGUMENTS] [=> WHAT IS WANTED]. An observation is SIZE@VERSION, followed by a kind, or
// "links=N", or the reason of an obstacle. Another version is another mtime or ctime. "-" is a verdict that says
// nothing.
var settleCases = []struct{ name, script string }{
	{"a Create alone, as mv makes it", `
		0 touch a
		0 look a 10@1 => -
		0 next => 5
		0 busy => true
		4.999 due =>
		5 due => a
		5 next => none
		5 look a 10@1 => settled
		5 next => none
		5 busy => false`},
	{"a burst of writes counts from its end", `
		0 touch a
		0 look a 10@1 => -
		2 touch a
		2 look a 20@2 => -
		4 touch a
		4 look a 30@3 => -
		4 next => 9
		8.999 look a 30@3 => -
		9 look a 30@3 => settled`},
	{"a file that grows after a pause has the files of the folder wait for twice as long", `
		0 touch a
		0 look a 10@1 => -
		4 touch a
		4 look a 20@2 => pause of 4s
		4 next => 12
		8 touch b
		8 look b 10@1 => -
		8 touch a
		8 look a 30@3 => -
		8 next => 16
		15.999 look a 30@3 => -
		16 due => b a
		16 look b 10@1 => settled
		16 look a 30@3 => settled`},
	{"the longest pause counts, and no quiet time is longer than four settle times", `
		0 look a 10@1 => -
		6 look a 20@2 => pause of 6s
		6 next => 18
		10 look a 30@3 => -
		10 next => 22
		28 look a 40@4 => pause of 18s
		28 next => 48
		48 look a 40@4 => settled`},
	{"a short settle time does not keep from learning", `
		0 settle 1
		0 look a 10@1 => -
		4 look a 20@2 => pause of 4s
		4 next => 12
		12 look a 30@3 => pause of 8s
		12 next => 22
		33 look a 40@3 => -
		33 next => 43`},
	{"whoever writes later than that has begun anew", `
		0 look a 10@1 => -
		5 look a 10@1 => settled
		20.001 look a 20@2 => -
		25.001 look a 20@2 => settled`},
	{"a scanner that was seen to hold its file open, and then closes it for a while", `
		0 look a 10@1 open => -
		5 look a 10@1 open => news: open
		10 look a 10@1 => -
		14 look a 20@2 => pause of 4s
		14 next => 22`},
	{"attributes, a file that is replaced or written anew, an empty one that is filled, and a writer that is seen: no pauses", `
		0 look a 10@1 => -
		4 touch a
		4 look a 10@2 => -
		9 look a 10@2 => settled
		10 look a 20@3 inode=2 => -
		14 look a 15@4 inode=2 => -
		15 look a 0@5 inode=2 => -
		19 look a 40@6 inode=2 => -
		24 look a 40@6 inode=2 => settled
		30 look c 10@1 open => -
		35 look c 10@1 open => news: open
		39 touch c
		39 look c 20@2 open => -
		44 look c 20@2 => settled`},
	{"attributes set after the close restart the quiet time", `
		0 touch a
		0 look a 10@1 => -
		4.9 touch a
		5 look a 10@2 => -
		9.9 look a 10@2 => -
		10 look a 10@2 => settled`},
	{"a hint without a change restarts it too", `
		0 touch a
		0 look a 10@1 => -
		4 touch a
		4 look a 10@1 => -
		8.999 look a 10@1 => -
		9 look a 10@1 => settled`},
	{"a change without a hint: mmap, or a folder that is polled", `
		0 look a 10@1 => -
		5 look a 10@2 => -
		10 look a 10@3 => -
		14.999 look a 10@3 => -
		15 look a 10@3 => settled`},
	{"one look proves nothing, however long after the hint: the hints in between may be lost", `
		0 touch a
		5 due => a
		600 look a 10@1 => -
		600 look a 10@1 => -
		604.999 look a 10@1 => -
		605 look a 10@1 => settled`},
	{"a look that was asked for too early proves nothing, however late its answer", `
		0 touch a
		1 answer 0 a 10@1 => -
		9 answer 1 a 10@1 => -
		9 due => a
		10 answer 9 a 10@1 => settled`},
	{"an early answer lets nobody overtake", `
		0 touch a
		0 touch b
		1 look a 10@1 => -
		1 look b 10@1 => -
		9 answer 1 b 10@1 => -
		9 due => a b`},
	{"empty, then filled", `
		0 touch a
		0 look a 0@1 => -
		5 due => a
		5 look a 0@1 => news: it is empty
		5 busy => false
		5 next => 10
		5 waits => a: it is empty
		10 due => a
		10 look a 0@1 => old: it is empty
		10 next => 20
		12 touch a
		12 busy => true
		12 waits =>
		12 look a 7@2 => -
		17 look a 7@2 => settled
		17 waits =>`},
	{"a file that every writer leaves empty for an instant is no news", `
		0 touch a
		0 look a 0@1 => -
		0 touch a
		0 look a 9@2 => -
		5 look a 9@2 => settled`},
	{"handed over once", `
		0 look a 10@1 => -
		5 look a 10@1 => settled
		65 look a 10@1 => -
		70 touch a
		70 next => none
		70 look a 10@1 => -
		99 due =>
		99 busy => false`},
	{"changed after it was handed over", `
		0 look a 10@1 => -
		5 look a 10@1 => settled
		60 touch a
		60 look a 11@2 => -
		60 next => 65
		65 look a 11@2 => settled
		99 look a 12@3 => -
		104 look a 12@3 => settled`},
	{"released", `
		0 look a 10@1 => -
		5 look a 10@1 => settled
		8 release a
		8 next => 13
		12.999 look a 10@1 => -
		13 due => a
		13 look a 10@1 => settled
		14 release b
		14 due =>`},
	{"released while it settles anew changes nothing", `
		0 look a 10@1 => -
		5 look a 10@1 => settled
		60 look a 11@2 => -
		63 release a
		63 next => 65
		65 look a 11@2 => settled`},
	{"gone, and another of the same name", `
		0 look a 10@1 => -
		5 look a 10@1 => settled
		6 gone a
		6 release a
		6 next => none
		7 look a 10@2 => -
		12 look a 10@2 => settled
		13 look b 10@1 => -
		14 gone b
		99 due =>
		99 gone never-seen`},
	{"hard links are held back, looked at again, and let go", `
		0 look a 10@1 links=2 => -
		5 look a 10@1 links=2 => news: it has 2 names (hard links): copy it in instead, or set allow_hardlinks = true
		5 waits =>
		10 due => a
		10 look a 10@2 => -
		15 look a 10@2 => settled`},
	{"hard links allowed", `
		0 allow-hardlinks
		0 look a 10@1 links=2 => -
		5 look a 10@1 links=2 => settled`},
	{"a symbolic link is told once and never looked at again", `
		0 touch a
		0 look a 10@1 symlink => news: symbolic link: only regular files are sent
		0 next => none
		0 busy => false
		60 look a 10@1 symlink => old: symbolic link: only regular files are sent
		61 touch a
		61 look a 10@1 symlink => old: symbolic link: only regular files are sent
		61 next => none
		61 waits =>`},
	{"a FIFO, and then a file in its place", `
		0 look a 0@1 fifo => news: FIFO: only regular files are sent
		9 look a 5@2 => -
		14 look a 5@2 => settled`},
	{"socket, device, folder, something else", `
		0 look a 0@1 socket => news: socket: only regular files are sent
		0 look b 0@1 device => news: device: only regular files are sent
		0 look c 0@1 dir => news: folder: only regular files are sent
		0 look d 0@1 irregular => news: special file: only regular files are sent
		99 due =>`},
	{"held back at growing intervals, up to a minute", `
		0 look a 10@1 open => -
		5 due => a
		5 look a 10@1 open => news: open
		5 next => 10
		10 due => a
		10 look a 10@1 open => old: open
		20 due => a
		20 look a 10@1 open => old: open
		40 due => a
		40 look a 10@1 open => old: open
		80 due => a
		80 look a 10@1 open => old: open
		140 due => a
		140 look a 10@1 open => old: open
		140 next => 200`},
	{"a scanner that closes between two pages: the end of a reason starts the quiet time", `
		0 look a 10@1 open => -
		5 look a 10@1 open => news: open
		10 look a 10@1 => -
		12 look a 10@1 open => -
		15 look a 10@1 open => old: open
		20 look a 10@1 => -
		24.999 look a 10@1 => -
		25 look a 10@1 => settled`},
	{"another reason is news", `
		0 look a 10@1 open => -
		5 look a 10@1 open => news: open
		10 look a 10@1 locked => news: locked
		20 look a 10@1 locked => old: locked`},
	{"a reason after a hand-over is news again", `
		0 look a 10@1 open => -
		5 look a 10@1 open => news: open
		10 look a 10@1 => -
		15 look a 10@1 => settled
		20 look a 10@2 open => -
		25 look a 10@2 open => news: open`},
	{"a listing only observes", `
		0 see a 10@1 => -
		5 due => a
		6 see a 10@1 => -
		6 due => a
		6 look a 10@1 => settled
		7 see a 10@1 => -
		8 see a 10@2 => -
		8 next => 13`},
	{"a listing does not end what a closer look found", `
		0 look a 10@1 open => -
		5 due => a
		5 look a 10@1 open => news: open
		7 see a 10@1 => -
		7 waits => a: open
		7 next => 10
		10 due => a
		10 look a 10@1 open => old: open`},
	{"a torn file is handed over as torn when it stays so", `
		0 truncated-after 30
		0 look a 10@1 torn => -
		5 look a 10@1 torn => news: torn
		5 busy => true
		7 see a 10@1 => -
		7 busy => true
		10 look a 10@1 torn => old: torn
		10 next => 20
		20 look a 10@1 torn => old: torn
		20 next => 30
		30 look a 10@1 torn => settled as torn: torn
		31 next => none
		31 busy => false
		32 look a 20@2 => -
		37 look a 20@2 => settled`},
	{"a torn file is given its time from when its writer was seen last", `
		0 truncated-after 30
		0 look a 10@1 open => -
		5 look a 10@1 open => news: open
		10 look a 10@1 open => old: open
		20 look a 10@1 open => old: open
		40 look a 10@1 open => old: open
		50 look a 10@1 torn => news: torn
		60 look a 10@1 torn => old: torn
		69.999 look a 10@1 torn => old: torn
		70 look a 10@1 torn => settled as torn: torn`},
	{"nor does it lose it while a program has it open again", `
		0 truncated-after 30
		0 look a 10@1 torn => -
		5 look a 10@1 torn => news: torn
		25 look a 10@1 open => news: open
		35 look a 10@1 torn => news: torn
		54.999 look a 10@1 torn => old: torn
		55 look a 10@1 torn => settled as torn: torn`},
	{"a torn file waits for ever if that is wanted", `
		0 look a 10@1 torn => -
		5 look a 10@1 torn => news: torn
		5 busy => false
		86400 look a 10@1 torn => old: torn`},
	{"a look that fails holds back, and forgets nothing", `
		0 look a 10@1 => -
		5 due => a
		5 fail a EIO => news: EIO
		5 busy => false
		5 next => 10
		10 due => a
		10 fail a EIO => old: EIO
		20 look a 10@1 => -
		25 look a 10@1 => settled
		30 fail a EIO => -
		35 look a 10@1 => -
		35 next => none`},
	{"those that change at one instant come in the order of their changes", `
		0 touch b
		0 touch c
		0 touch a
		5 due => b c a`},
	{"a second change moves a file behind the others", `
		0 touch a
		0 touch b
		0 touch c
		0 touch a
		5 due => b c a`},
	{"files written one after the other stay in order when looks lag behind", `
		0 touch a
		0.1 look a 0@1 => -
		0.1 touch a
		0.1 touch b
		0.2 look a 9@2 => -
		0.2 look b 9@1 => -
		6 due => a b`},
	{"listings forget what has vanished", `
		0 look a 10@1 => -
		0 look b 10@1 => -
		5 look b 10@1 => settled
		6 start
		6 look a 10@1 => settled
		6 end
		7 look b 10@1 => -
		12 look b 10@1 => settled`},
	{"what was touched while a listing ran is not forgotten", `
		0 start
		1 touch a
		2 end
		6 due => a
		6 look a 10@1 => -
		11 look a 10@1 => settled`},
	{"a longer settle time holds for what waits already", `
		0 look a 10@1 => -
		1 settle 15
		5 due => a
		5 look a 10@1 => -
		5 next => 15
		15 look a 10@1 => settled`},
	{"no settle time: still two looks, and no tight loop", `
		0 settle 0
		0 touch a
		0 look a 10@1 => -
		0 due => a
		0 look a 10@1 => settled
		1 look b 0@1 => -
		1 look b 0@1 => news: it is empty
		1 busy => false
		1 next => 1.1`},
	{"a tiny settle time makes no tight loop of a file that is open for writing", `
		0 settle 0.001
		0 look a 10@1 writing => -
		1 look a 10@1 writing => news: writing
		1 next => 1.1
		1.1 look a 10@1 writing => old: writing
		1.1 next => 1.2`},
}

// TestSettler plays each script, and shows that the settler gives the verdicts that the script wants.
func TestSettler(t *testing.T) {
	for _, c := range settleCases {
		t.Run(c.name, func(t *testing.T) { play(t, c.script) })
	}
}

var start0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func second(t *testing.T, text string) time.Time {
	t.Helper()
	s, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return start0.Add(time.Duration(s*1000+0.5) * time.Millisecond)
}

func play(t *testing.T, script string) {
	t.Helper()
	s := newSettler(5*time.Second, false)
	wanted := 0
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		do, want, checked := strings.Cut(line, "=>")
		words := strings.Fields(do)
		got := act(t, s, second(t, words[0]), words[1], words[2:])
		if want = strings.TrimSpace(want); got != want {
			t.Fatalf("%s: got %q", line, got)
		}
		if checked {
			wanted++
		}
	}
	if wanted == 0 {
		t.Fatal("the case wants nothing")
	}
}

// act does what one line of a script says, and gives the outcome in the words of the script.
func act(t *testing.T, s *settler, now time.Time, verb string, args []string) string {
	t.Helper()
	switch verb {
	case "allow-hardlinks":
		s.allowHardlinks = true
	case "settle":
		s.setSettle(second(t, args[0]).Sub(start0))
	case "touch":
		s.touch(now, args[0])
	case "look":
		return spell(s.observe(now, now, args[0], parseLook(t, args[1:])))
	case "see": // an observation without a look into the file
		l := parseLook(t, args[1:])
		l.examined = false
		return spell(s.observe(now, now, args[0], l))
	case "truncated-after":
		s.setTruncatedAfter(second(t, args[0]).Sub(start0))
	case "answer": // the answer to a look that was asked for at the first time given
		return spell(s.observe(second(t, args[0]), now, args[1], parseLook(t, args[2:])))
	case "fail":
		return spell(s.fail(now, args[0], args[1]))
	case "gone":
		s.gone(args[0])
	case "release":
		s.release(now, args[0])
	case "start":
		s.startRound()
	case "end":
		s.endRound()
	case "due":
		return strings.Join(s.due(now), " ")
	case "next":
		if at, ok := s.next(); ok {
			return strconv.FormatFloat(at.Sub(start0).Seconds(), 'f', -1, 64)
		}
		return "none"
	case "busy":
		return strconv.FormatBool(s.busy(func(string) bool { return true }))
	case "waits":
		var held []string
		s.waits(func(name, reason string) { held = append(held, name+": "+reason) })
		slices.Sort(held)
		return strings.Join(held, ", ")
	default:
		t.Fatalf("unknown verb %q", verb)
	}
	return ""
}

func spell(v verdict) string {
	switch {
	case v.settled && v == (verdict{settled: true}):
		return "settled"
	case v.settled && v.torn && !v.news:
		return "settled as torn: " + v.reason
	case v == (verdict{}):
		return "-"
	case v == (verdict{pause: v.pause}):
		return fmt.Sprint("pause of ", v.pause)
	case v.news:
		return "news: " + v.reason
	}
	return "old: " + v.reason
}

func parseLook(t *testing.T, words []string) observation {
	t.Helper()
	var size, version int64
	if _, err := fmt.Sscanf(words[0], "%d@%d", &size, &version); err != nil {
		t.Fatal(words, err)
	}
	l := observation{examined: true, Info: file.Info{Identity: file.Identity{Dev: 1, Ino: 1, Size: size, Mtime: version, Ctime: version}, Links: 1}}
	if len(words) == 1 {
		return l
	}
	modes := map[string]fs.FileMode{
		"symlink": fs.ModeSymlink, "fifo": fs.ModeNamedPipe, "socket": fs.ModeSocket, "device": fs.ModeDevice | fs.ModeCharDevice,
		"dir": fs.ModeDir, "irregular": fs.ModeIrregular,
	}
	if mode, ok := modes[words[1]]; ok {
		l.Mode = mode
	} else if _, err := fmt.Sscanf(words[1], "inode=%d", &l.Ino); err == nil {
	} else if _, err := fmt.Sscanf(words[1], "links=%d", &l.Links); err != nil {
		l.obstacle = obstacle{reason: words[1], torn: words[1] == "torn"}
		if words[1] == "writing" {
			l.obstacle.recheck = time.Millisecond
		}
	}
	return l
}

// model is a folder of three names, and a settler that hears of it more or less well. It knows what must hold.
type model struct {
	t       *testing.T
	s       *settler
	now     time.Time
	version int64
	exists  map[string]observation   // what lies in the folder
	stale   map[string]observation   // what lay there before its last change
	seen    map[string]file.Identity // the last observation
	changed map[string]time.Time     // the last change that was observed
	handed  map[string]file.Identity // handed over, not released, not known as gone
	held    map[string]bool          // the last observation said why it is held back
	popped  map[string]bool          // given out by due, and not brought back yet
	round   map[string]bool          // shown since startRound; nil while no listing runs
}

const modelSettle = 5 * time.Second

func newModel(t *testing.T) *model {
	return &model{
		t: t, s: newSettler(modelSettle, false), now: start0, exists: map[string]observation{}, stale: map[string]observation{},
		seen: map[string]file.Identity{}, changed: map[string]time.Time{}, handed: map[string]file.Identity{},
		popped: map[string]bool{}, held: map[string]bool{},
	}
}

// step does what one number says: with a file, with the clock, or with the settler.
func (m *model) step(n uint32) {
	name := string(rune('a' + n%3))
	arg := int64(n >> 8)
	switch n / 3 % 16 {
	case 0, 1: // it is written, without a hint yet
		m.version++
		if old, ok := m.exists[name]; ok {
			m.stale[name] = old
		}
		l := observation{examined: true, Info: file.Info{Identity: file.Identity{Dev: 1, Ino: 1, Size: arg % 4, Mtime: m.version, Ctime: m.version}, Links: 1}}
		if arg%7 == 0 {
			l.obstacle = obstacle{reason: "open for writing"}
		}
		m.exists[name] = l
	case 2: // a writer closes or opens it, which no attribute shows
		if l, ok := m.exists[name]; ok {
			l.obstacle = map[bool]obstacle{true: {reason: "open for writing"}}[l.obstacle.reason == ""]
			m.exists[name] = l
		}
	case 3:
		delete(m.exists, name)
	case 4, 5:
		m.touch(name)
	case 6:
		m.answer(name)
	case 7:
		m.see(name)
	case 8: // slowly
		if l, ok := m.exists[name]; ok {
			m.look(m.now.Add(-time.Duration(arg%10)*time.Second), name, l)
		}
	case 9: // an answer that a change has overtaken, so another look is on its way
		if l, ok := m.stale[name]; ok && m.exists[name].Ctime != l.Ctime {
			if seen, known := m.seen[name]; !known || seen.Ctime <= l.Ctime { // looks do not overtake each other
				m.look(m.now, name, l)
				m.touch(name)
			}
		}
	case 10:
		m.s.release(m.now, name)
		if _, ok := m.handed[name]; ok {
			delete(m.handed, name)
			delete(m.popped, name)
			m.changed[name] = m.now
		}
	case 11, 12:
		m.now = m.now.Add(time.Duration(arg%20) * 500 * time.Millisecond)
	case 13:
		m.due()
	case 14:
		if m.round == nil {
			m.s.startRound()
			m.round = map[string]bool{}
			return
		}
		for name := range m.exists {
			m.answer(name)
		}
		m.s.endRound()
		for _, name := range []string{"a", "b", "c"} {
			if !m.round[name] {
				m.forget(name)
			}
		}
		m.round = nil
	case 15:
		m.show(name)
		delete(m.popped, name)
		v := m.s.fail(m.now, name, "EIO")
		if v.settled {
			m.t.Fatalf("%s settled by a look that failed", name)
		}
		m.held[name] = v.reason != ""
	}
}

func (m *model) show(name string) {
	if m.round != nil {
		m.round[name] = true
	}
}

func (m *model) forget(name string) {
	delete(m.seen, name)
	delete(m.changed, name)
	delete(m.handed, name)
	delete(m.held, name)
	delete(m.popped, name)
}

func (m *model) touch(name string) {
	m.show(name)
	m.s.touch(m.now, name)
	if _, ok := m.handed[name]; !ok {
		m.changed[name], m.held[name] = m.now, false
		delete(m.popped, name)
	}
}

// answer tells the settler what lies at name now.
func (m *model) answer(name string) verdict {
	if l, ok := m.exists[name]; ok {
		return m.look(m.now, name, l)
	}
	m.s.gone(name)
	m.forget(name)
	return verdict{}
}

// see tells the settler what a listing shows of name.
func (m *model) see(name string) {
	l, ok := m.exists[name]
	if !ok {
		return
	}
	m.show(name)
	delete(m.popped, name)
	l.examined, l.obstacle = false, obstacle{}
	if before, seen := m.seen[name]; !seen || before != l.Identity {
		m.changed[name], m.held[name] = m.now, false
		delete(m.handed, name)
	}
	m.seen[name] = l.Identity
	v := m.s.observe(m.now, m.now, name, l)
	if v.settled {
		m.t.Fatalf("%s settled by a listing", name)
	}
	m.held[name] = m.held[name] || v.reason != ""
}

func (m *model) look(asked time.Time, name string, l observation) verdict {
	m.show(name)
	delete(m.popped, name)
	before, seen := m.seen[name]
	ends := m.held[name] && l.Size > 0 && l.obstacle.reason == ""
	if !seen || before != l.Identity || ends {
		m.changed[name] = m.now
	}
	if old, ok := m.handed[name]; ok && old != l.Identity {
		delete(m.handed, name)
	}
	m.seen[name] = l.Identity
	v := m.s.observe(asked, m.now, name, l)
	m.held[name] = v.reason != ""
	if !v.settled {
		return v
	}
	switch old, again := m.handed[name]; {
	case again && old == l.Identity:
		m.t.Fatalf("%s handed over twice as %+v", name, l.Identity)
	case asked.Sub(m.changed[name]) < modelSettle:
		m.t.Fatalf("%s settled by a look that was asked for %s after a change", name, asked.Sub(m.changed[name]))
	case !seen || before != l.Identity:
		m.t.Fatalf("%s settled by a look that differs from the one before", name)
	case l.Size == 0 || l.obstacle.reason != "":
		m.t.Fatalf("%s settled although it is to be held back: %+v", name, l)
	}
	m.handed[name] = l.Identity
	return v
}

func (m *model) due() []string {
	names := m.s.due(m.now)
	for _, name := range names {
		if m.popped[name] {
			m.t.Fatalf("Due gave %s twice with nothing in between", name)
		}
		m.popped[name] = true
	}
	if at, ok := m.s.next(); ok && !at.After(m.now) {
		m.t.Fatalf("Next is %s ago right after Due", m.now.Sub(at))
	}
	return names
}

// finish lets the folder rest and lists it once. Then everything that can be sent must be handed over, without a tight
// loop.
func (m *model) finish() {
	m.s.startRound()
	m.round = map[string]bool{}
	for name := range m.exists {
		m.answer(name)
	}
	m.s.endRound()
	m.round = nil
	clear(m.popped)
	looks := map[string]int{}
	for end := m.now.Add(time.Hour); ; {
		at, ok := m.s.next()
		if !ok || at.After(end) {
			break
		}
		m.now = at
		names := m.due()
		if len(names) == 0 {
			m.t.Fatal("Next promised a name, Due gave none")
		}
		for _, name := range names {
			looks[name]++
			m.answer(name)
		}
	}
	for name, l := range m.exists {
		if _, ok := m.handed[name]; !ok && l.Size > 0 && l.obstacle.reason == "" {
			m.t.Fatalf("%s is forgotten: %+v", name, l)
		}
		if looks[name] > 75 {
			m.t.Fatalf("%d looks at %s in an hour of rest", looks[name], name)
		}
	}
	if m.s.busy(func(string) bool { return true }) {
		m.t.Fatal("busy after an hour of rest")
	}
}

func playModel(t *testing.T, data []byte) {
	m := newModel(t)
	for len(data) >= 4 {
		m.step(binary.LittleEndian.Uint32(data))
		data = data[4:]
	}
	m.finish()
}

// FuzzSettler shows that for any sequence of changes, hints and looks no file is handed over before it was quiet, none
// twice, and none is forgotten.
func FuzzSettler(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		data := make([]byte, 4*r.IntN(200))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		f.Add(data)
	}
	f.Fuzz(playModel)
}

// TestAttributesThatChangeForEver shows that endless changes of attributes do not keep a file from settling once its
// bytes were quiet for long, and that changes of its bytes do.
func TestAttributesThatChangeForEver(t *testing.T) {
	const settle = 5 * time.Second
	look := func(mtime, ctime int64) observation {
		return observation{Info: file.Info{Identity: file.Identity{Dev: 1, Ino: 1, Size: 10, Mtime: mtime, Ctime: ctime}, Links: 1}, examined: true}
	}
	for name, c := range map[string]struct {
		hint  func(s *settler, now time.Time)
		mtime func(i int) int64
		ends  bool
	}{
		"chmod each second":    {func(s *settler, now time.Time) { s.touchAttributes(now, "a") }, func(int) int64 { return 1 }, true},
		"chmod without events": {func(*settler, time.Time) {}, func(int) int64 { return 1 }, true},
		"written each second":  {func(s *settler, now time.Time) { s.touch(now, "a") }, func(i int) int64 { return int64(i) }, false},
		"touched each second":  {func(s *settler, now time.Time) { s.touchAttributes(now, "a") }, func(i int) int64 { return int64(i) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, now, settled := newSettler(settle, false), start0, -1
			for i := range 60 {
				c.hint(s, now)
				if v := s.observe(now, now, "a", look(c.mtime(i), int64(i))); v.settled && settled < 0 {
					settled = i
				}
				now = now.Add(time.Second)
			}
			if ended := settled >= attributesFor*5 && settled <= attributesFor*5+5; ended != c.ends {
				t.Errorf("settled after %d s", settled)
			}
		})
	}
}
