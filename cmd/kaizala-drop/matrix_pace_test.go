package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
)

// TestMatrixTooManyCalls: a homeserver that refuses further calls again and again gets 200 files all the same, none of them failed, none
// twice, in their order, although a file would be given up after two failures of its own.
func TestMatrixTooManyCalls(t *testing.T) {
	t.Parallel()
	w := newMatrixWorld(t, dendritetest.Options{RateLimit: true, Slots: 4}, "", "one", "two")
	text, err := os.ReadFile(w.config)
	must(t, err)
	must(t, os.WriteFile(w.config, bytes.Replace(text, []byte("[defaults]"), []byte("max_attempts = 2\n[defaults]"), 1), 0o600))
	var refused atomic.Int64
	w.forward.ModifyResponse = func(r *http.Response) error {
		if r.StatusCode == http.StatusTooManyRequests {
			refused.Add(1)
		}
		return nil
	}
	p := w.daemon()
	const each = 100
	for i := range each {
		for _, folder := range []string{"one", "two"} {
			w.drop(folder, fmt.Sprintf("%03d.txt", i), fmt.Sprint(folder, " ", i))
		}
	}
	for _, folder := range []string{"one", "two"} {
		w.filed(folder, each)
		shown := w.shown(folder)
		if len(shown) != each {
			t.Errorf("%s: %d messages of %d files", folder, len(shown), each)
		}
		for i, e := range shown {
			if name := e.Content["filename"]; name != fmt.Sprintf("%03d.txt", i) { // downloads are limited as well: other tests read back
				t.Errorf("%s: message %d is %v", folder, i, name)
			}
		}
	}
	t.Logf("%d calls were refused", refused.Load())
	if n := refused.Load(); n < 5 {
		t.Errorf("%d calls were refused: nothing was tested", n)
	}
	if log := p.log(); strings.Contains(log, `"message":"failed"`) || strings.Contains(log, "making fewer for a while") {
		t.Error("a file failed, or there is a budget of calls that nobody has set")
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
