package main

import (
	"bytes"
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// act is what somebody did to a file of an unfinished delivery.
type act struct {
	state string // of the delivery, or when it was done
	what  string
}

const (
	whilePosting = "posting, and running"
	whileRunning = "anything, and running"
)

// hand is a file that somebody lays hands on.
type hand struct {
	state   string
	folder  string // its name
	path    string
	running bool // a daemon is at work on it
}

func (h hand) key() string { return h.folder + "/" + filepath.Base(h.path) }

// deeds are the ways to change a file's looks or its name and none of its bytes. Each reports whether it came to that.
//
// With a daemon at work each is one system call or leaves the file alone: it comes before the daemon's or after it.
func (c *crashWorld) deeds() map[string]func(h hand) bool {
	return map[string]func(h hand) bool{
		"renamed":         c.rename,
		"folder renamed":  c.renameFolder,
		"touched":         c.touch,
		"chmod-ed":        c.chmod,
		"other inode":     c.copyOver,
		"names swapped":   c.swap,
		"another put in":  c.supplant,
		"renamed touched": func(h hand) bool { return !h.running && c.touch(h) && c.rename(h) },
	}
}

// did reports whether a deed was done; that the file is not there any more is the daemon's good right.
func (c *crashWorld) did(err error) bool {
	c.t.Helper()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.t.Error(err)
	}
	return err == nil
}

func (c *crashWorld) touch(h hand) bool {
	return c.did(os.Chtimes(h.path, time.Now(), time.Now().Add(time.Duration(c.rand.IntN(7200)-3600)*time.Second)))
}

func (c *crashWorld) chmod(h hand) bool {
	info, err := os.Lstat(h.path)
	return c.did(err) && c.did(os.Chmod(h.path, info.Mode().Perm()^0o040))
}

// nextName is one that no file has had, with the same ending.
func (c *crashWorld) nextName(path string) string {
	c.number++
	_, ending, _ := strings.Cut(filepath.Base(path), ".")
	return fmt.Sprint(c.number, ".", ending)
}

func (c *crashWorld) rename(h hand) bool {
	name := c.nextName(h.path)
	if !c.did(os.Rename(h.path, filepath.Join(filepath.Dir(h.path), name))) {
		return false
	}
	old, now := h.key(), h.folder+"/"+name
	c.content[now], c.bad[now], c.former[now] = c.content[old], c.bad[old], append(c.former[old], old)
	delete(c.content, old)
	delete(c.bad, old)
	delete(c.former, old)
	return true
}

// renameFolder renames the folder that was dropped in with the file in it.
func (c *crashWorld) renameFolder(h hand) bool {
	inside, err := filepath.Rel(c.reached(h.folder), h.path)
	must(c.t, err)
	top, _, below := strings.Cut(inside, "/")
	if !below {
		return false
	}
	c.number++
	return c.did(os.Rename(filepath.Join(c.reached(h.folder), top), filepath.Join(c.reached(h.folder), fmt.Sprint("trip ", c.number))))
}

// copyOver gives the file another inode.
func (c *crashWorld) copyOver(h hand) bool {
	made := filepath.Join(c.making(h.folder), "copy")
	if !c.did(os.WriteFile(made, []byte(c.content[h.key()]), 0o644)) {
		return false
	}
	if !h.running {
		return c.did(os.Rename(made, h.path))
	}
	err := unix.Renameat2(unix.AT_FDCWD, made, unix.AT_FDCWD, h.path, unix.RENAME_EXCHANGE)
	return c.did(os.Remove(made)) && c.did(err)
}

// swap swaps its name with that of another file which lies beside it.
func (c *crashWorld) swap(h hand) bool {
	_, ending, _ := strings.Cut(filepath.Base(h.path), ".")
	beside, err := filepath.Glob(filepath.Dir(h.path) + "/*." + ending)
	must(c.t, err)
	beside = slices.DeleteFunc(beside, func(path string) bool {
		_, mine, _ := strings.Cut(filepath.Base(path), ".")
		return path == h.path || mine != ending
	})
	if len(beside) == 0 || h.running {
		return false
	}
	other := hand{folder: h.folder, path: beside[c.rand.IntN(len(beside))]}
	must(c.t, unix.Renameat2(unix.AT_FDCWD, h.path, unix.AT_FDCWD, other.path, unix.RENAME_EXCHANGE))
	a, b := h.key(), other.key()
	c.content[a], c.content[b] = c.content[b], c.content[a]
	c.bad[a], c.bad[b] = c.bad[b], c.bad[a]
	c.former[a], c.former[b] = append(c.former[b], b), append(c.former[a], a)
	return true
}

// supplant renames the file and puts a new one where it lay.
func (c *crashWorld) supplant(h hand) bool {
	key := h.key()
	if c.bad[key] || h.running || !c.rename(h) {
		return false
	}
	c.number++
	c.content[key] = fmt.Sprintf("%s %d, where another lay %s", h.folder, c.number, strings.Repeat("y", c.rand.IntN(30_000)))
	made := filepath.Join(c.making(h.folder), "new")
	must(c.t, os.WriteFile(made, []byte(c.content[key]), 0o644))
	must(c.t, os.Rename(made, h.path))
	return true
}

// disturb lays hands on every second file that a dead daemon left unfinished.
func (c *crashWorld) disturb() {
	c.t.Helper()
	c.hands.Lock()
	defer c.hands.Unlock()
	seen := map[string]bool{}
	for _, h := range c.unfinishedFiles() {
		if _, err := os.Lstat(h.path); err != nil || seen[h.path] || c.content[h.key()] == "" {
			continue
		}
		seen[h.path] = true
		if c.rand.IntN(2) == 0 {
			c.lay(h)
		}
	}
}

// lay does the deed that files in this state have met least. The few files in folders have those renamed more often.
func (c *crashWorld) lay(h hand) {
	deeds := c.deeds()
	names := slices.Sorted(maps.Keys(deeds))
	c.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	often := filepath.Dir(h.path) != c.reached(h.folder) && c.rand.IntN(3) == 0
	met := func(what string) int {
		if often && what == "folder renamed" {
			return -1
		}
		return c.acts[act{h.state, what}]
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(met(a), met(b)) })
	was := h.key()
	for _, what := range names { // not every deed can be done to every file
		if deeds[what](h) {
			c.acts[act{h.state, what}]++
			fmt.Fprintf(&c.log, "hand on %s \"%s\": %s\n", h.state, was, what)
			return
		}
	}
}

// unfinishedFiles are those of the unfinished deliveries, in the order in which they were claimed.
func (c *crashWorld) unfinishedFiles() (found []hand) {
	c.t.Helper()
	query(c.t, c.ledgerCopy(), func(rows *sql.Rows) {
		var state, folder, name string
		must(c.t, rows.Scan(&state, &folder, &name))
		folder = filepath.Base(folder)
		found = append(found, hand{state: state, folder: folder, path: filepath.Join(c.reached(folder), name)})
	}, `SELECT d.state, d.folder, f.name FROM delivery d JOIN file f ON f.delivery = d.id
		WHERE d.finished_at IS NULL ORDER BY d.id, f.position`)
	return found
}

// during is the service's answer, with somebody's hands on files meanwhile: on what is just being posted, which nobody has
// been told yet, or on anything. Not where files are copied away: the copy of a file whose looks change is one more file.
func (c *crashWorld) during(rw http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	c.sandbox.ServeHTTP(answer, r)
	c.hands.Lock()
	folder := []string{"near", "hold", "album"}[c.rand.IntN(3)]
	var h hand
	if group, is := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/groups/"), "@2/actions"); is && !isFar(group) && answer.Code == http.StatusOK {
		h = c.justPosted(group)
	} else if lying, err := filepath.Glob(c.reached(folder) + "/*.*"); err == nil && len(lying) > 0 {
		h = hand{whileRunning, folder, lying[c.rand.IntN(len(lying))], true}
	}
	if h.path != "" && c.content[h.key()] != "" && !c.calm && c.rand.IntN(4) == 0 {
		c.lay(h)
	}
	c.hands.Unlock()
	maps.Copy(rw.Header(), answer.Header())
	rw.WriteHeader(answer.Code)
	_, _ = bytes.NewReader(answer.Body.Bytes()).WriteTo(rw)
}

// justPosted finds a file of the last message of a group.
func (c *crashWorld) justPosted(group string) hand {
	for _, post := range slices.Backward(c.sandbox.Posts()) {
		if post.GroupID != group+"@2" {
			continue
		}
		one := post.Media[c.rand.IntN(len(post.Media))]
		for key, content := range c.content {
			if digest(content) == one.SHA256 {
				return hand{whilePosting, group, c.reached(group) + strings.TrimPrefix(key, group), true}
			}
		}
		break
	}
	return hand{}
}

// wantActs wants every deed to have met deliveries in every state.
func wantActs(t *testing.T, acts map[act]int, states, deeds []string) {
	t.Helper()
	for _, state := range states {
		for _, what := range deeds {
			if acts[act{state, what}] == 0 {
				t.Errorf("no file of a delivery that is %s was %s: the matrix has a hole", state, what)
			}
		}
	}
}

// wantDeeds wants every deed to have met some delivery, and some that were posted.
func wantDeeds(t *testing.T, acts map[act]int, deeds []string) {
	t.Helper()
	met, posted := map[string]int{}, 0
	for a, n := range acts {
		if met[a.what] += n; a.state == "posted" {
			posted += n
		}
	}
	if posted == 0 {
		t.Error("no file of a posted delivery was met: the cuts have a hole")
	}
	for _, what := range deeds {
		if met[what] == 0 {
			t.Errorf("no file was %s: the cuts have a hole", what)
		}
	}
}

func logActs(t *testing.T, acts map[act]int) {
	t.Helper()
	for _, a := range slices.SortedFunc(maps.Keys(acts), func(a, b act) int { return strings.Compare(a.state+a.what, b.state+b.what) }) {
		t.Logf("%4d files of deliveries that are %s: %s", acts[a], a.state, a.what)
	}
}
