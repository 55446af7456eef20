package main

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"kaizala-drop/internal/matrix/dendritetest"
)

// wantAlbums holds what the room of a folder shows of albums against the ledger: the images of each in their order, with nothing else of
// ours in between, and the caption with the first one alone. It gives how many there are of more than one image.
func (w *matrixWorld) wantAlbums(folder, caption string) (albums int) {
	w.t.Helper()
	want, seen := w.albumsFiled(folder), map[string]bool{}
	for _, run := range runsOf(w.shown(folder)) {
		key := deliveryOf(run[0])
		if seen[key] {
			w.t.Errorf("%s: something else is shown among the images of %s", folder, key)
		}
		seen[key] = true
		names, ours := want[key]
		if !ours { // another folder's, that posts to the same room
			continue
		}
		w.wantAlbum(folder, names, caption, run)
		delete(want, key)
		if len(names) > 1 {
			albums++
		}
	}
	for key, names := range want {
		w.t.Errorf("%s: nothing is shown of %q (%s)", folder, names, key)
	}
	return albums
}

// runsOf divides events into those of one delivery that follow one another.
func runsOf(events []dendritetest.Event) (runs [][]dendritetest.Event) {
	for i, e := range events {
		if i == 0 || deliveryOf(e) != deliveryOf(events[i-1]) {
			runs = append(runs, nil)
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], e)
	}
	return runs
}

// deliveryOf gives the key of the delivery that an event is of.
func deliveryOf(e dendritetest.Event) string {
	text, _ := e.Content["kaizala-drop.key"].(string)
	key, _, _ := strings.Cut(text, "/")
	return key
}

// wantAlbum compares the events that follow one another with what one delivery is to look like.
func (w *matrixWorld) wantAlbum(folder string, names []string, caption string, run []dendritetest.Event) {
	w.t.Helper()
	var shown []string
	for i, e := range run {
		name, _ := e.Content["filename"].(string)
		shown = append(shown, name)
		want := name
		if i == 0 && caption != "" {
			want = strings.ReplaceAll(caption, "{{.Count}}", fmt.Sprint(len(names)))
		}
		if e.Content["body"] != want {
			w.t.Errorf("%s: %s, image %d of %q, has the body %q, want %q", folder, name, i+1, names, e.Content["body"], want)
		}
	}
	if !slices.Equal(shown, names) {
		w.t.Errorf("%s: one after the other, %q are shown of %q", folder, shown, names)
	}
}

// albumsFiled gives the names of the files of each delivery of a folder that was filed, in their order, by its key.
func (w *matrixWorld) albumsFiled(folder string) map[string][]string {
	w.t.Helper()
	filed := map[string][]string{}
	query(w.t, w.dir+"/state/ledger.db", func(rows *sql.Rows) {
		var of, key, name string
		must(w.t, rows.Scan(&of, &key, &name))
		if of == w.folder(folder) {
			filed[key] = append(filed[key], filepath.Base(name))
		}
	}, "SELECT CAST(folder AS TEXT), key, CAST(name AS TEXT) FROM delivery JOIN file ON delivery = id WHERE state = 'filed' ORDER BY id, position")
	return filed
}

// wantNoneAgain makes sure that the homeserver was asked once for each post that it has said to have taken.
func (w *matrixWorld) wantNoneAgain() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for transaction, n := range w.taken {
		if n > 1 {
			w.t.Errorf("the homeserver was sent %s %d times, and took it each time", transaction, n)
		}
	}
}
