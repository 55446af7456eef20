package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kaizala-drop/internal/sandbox"
)

// twoDestinations are a world whose daemon has another connector of another service, named "other", and folders for both.
type twoDestinations struct {
	*world
	other *world
}

func newTwoDestinations(t *testing.T, folders ...string) twoDestinations {
	t.Helper()
	groups := make([]sandbox.Group, len(folders))
	for i, name := range folders {
		groups[i].ID = name + "@2"
	}
	return twoDestinations{newWorld(t, "", folders...), newWorldOf(t, sandbox.Options{Groups: groups}, "")}
}

// configureTwo writes the configuration, where each folder has the destination that follows it, "" for none.
func (w twoDestinations) configureTwo(limit int, folders ...string) {
	w.t.Helper()
	w.configure("")
	text, err := os.ReadFile(w.config)
	must(w.t, err)
	var b strings.Builder
	fmt.Fprintf(&b, "%s[destination.other]\ntype = \"kaizala\"\nendpoint = %q\napplication_id = \"a\"\napplication_secret = \"b\"\n"+
		"refresh_token = \"another\"\ncalls_per_minute = %d\n", text, w.other.url, limit)
	for i := 0; i < len(folders); i += 2 {
		fmt.Fprintf(&b, "[[folder]]\npath = %q\ngroup_id = %q\n", w.folder(folders[i]), folders[i]+"@2")
		if folders[i+1] != "" {
			fmt.Fprintf(&b, "destination = %q\n", folders[i+1])
		}
	}
	must(w.t, os.WriteFile(w.config, []byte(b.String()), 0o600))
}

func (w twoDestinations) dropNumbered(folder string, from, to int) {
	w.t.Helper()
	for i := from; i < to; i++ {
		w.drop(folder, fmt.Sprintf("%03d.pdf", i), fmt.Sprint(folder, " ", i))
	}
}

// TestTwoDestinations: while one destination is down, the files of the other one are all delivered. A folder that is given from the
// one to the other meanwhile loses nothing, and nothing of it is posted twice: what was claimed goes where it was claimed.
func TestTwoDestinations(t *testing.T) {
	t.Parallel()
	w := newTwoDestinations(t, "well", "dead", "moved")
	w.other.between(func(rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	w.configureTwo(0, "well", "", "dead", "other", "moved", "other")
	p := w.daemon()
	p.waitForTimes(`"message":"watching"`, 3)
	w.dropNumbered("dead", 0, 50)
	w.dropNumbered("moved", 0, 50)
	p.waitFor("the destination cannot take files now")
	w.dropNumbered("well", 0, 200)
	w.filed("well", 200)

	w.configureTwo(0, "well", "", "dead", "other", "moved", "kaizala")
	must(t, p.Process.Signal(syscall.SIGHUP))
	p.waitFor("configuration reloaded")
	w.dropNumbered("moved", 50, 100)
	eventually(t, func() error {
		if n := w.sandbox.Stats().Posts; n < 250 {
			return fmt.Errorf("%d posts", n)
		}
		return nil
	})
	if filed, _ := filepath.Glob(w.folder("dead") + "/done/*.pdf"); len(filed) > 0 || w.other.sandbox.Stats().Posts > 0 {
		t.Errorf("filed for a destination that is down: %q", filed)
	}

	w.other.between(nil)
	w.allFiled("dead", 50)
	w.allFiled("moved", 100)
	here, there := w.sandbox.Stats().Posts, w.other.sandbox.Stats().Posts
	if here+there != 350 || there < 50 || there == 150 {
		t.Errorf("%d posts to the one and %d to the other, want 350", here, there)
	}
	for _, folder := range []string{"well", "dead", "moved"} {
		if failed := files(t, w.folder(folder)+"/failed"); len(failed) > 0 {
			t.Errorf("failed in %s: %q", folder, failed)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestBudgetOfEachDestination: that one destination takes only few calls slows down no other one.
func TestBudgetOfEachDestination(t *testing.T) {
	t.Parallel()
	w := newTwoDestinations(t, "quick", "slow")
	w.configureTwo(2, "quick", "", "slow", "other")
	p := w.daemon()
	p.waitForTimes(`"message":"watching"`, 2)
	w.dropNumbered("slow", 0, 100)
	w.dropNumbered("quick", 0, 100)
	w.filed("quick", 100)
	if n := w.other.sandbox.Stats().Posts; n >= 100 {
		t.Errorf("%d posts with two calls a minute", n)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDestinationThatIsNew: a reload does not bring a destination, and says so; the folders of the others go on. One that went away
// keeps what is left of its deliveries, and nobody else posts that.
func TestDestinationThatIsNew(t *testing.T) {
	t.Parallel()
	w := newTwoDestinations(t, "well", "new")
	w.configure("", "well")
	p := w.daemon()
	p.waitFor(`"message":"watching"`)
	w.configureTwo(0, "well", "", "new", "other")
	must(t, p.Process.Signal(syscall.SIGHUP))
	p.waitFor("the destination is new: the folder is served after a restart")
	w.dropNumbered("new", 0, 5)
	w.dropNumbered("well", 0, 5)
	w.filed("well", 5)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}

	w.other.between(func(rw http.ResponseWriter, r *http.Request) bool {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return true
	})
	p = w.daemon()
	p.waitFor("the destination cannot take files now")
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.configure("", "well", "new")
	p = w.daemon()
	p.waitFor("deliveries wait for a destination that is not configured any more")
	p.waitFor("has it already")
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := w.sandbox.Stats().Posts; n != 5 {
		t.Errorf("%d posts, want 5", n)
	}
	w.other.between(nil)
	w.configureTwo(0, "well", "", "new", "other")
	p = w.daemon()
	w.allFiled("new", 5)
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := w.other.sandbox.Stats().Posts; n != 5 {
		t.Errorf("%d posts to the other, want 5", n)
	}
}
