package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"kaizala-drop/internal/media"
	"kaizala-drop/internal/sandbox"
	"kaizala-drop/internal/text"
	"kaizala-drop/uploader"
)

// report prints what arrived and says what did not end where it should.
func (d *demonstration) report(sum uploader.Summary) error {
	table := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nFILE\tGROUP\tAS\tMIME\tBYTES\tENDED IN\t")
	wrong := 0
	for _, f := range d.dropped {
		post, posted := d.posted(f)
		ended, fault := d.ended(f), d.fault(f, post, posted)
		if fault != "" {
			wrong++
			ended += "  <-- " + fault
		}
		as, mime := "-", "-"
		if posted {
			as, mime = post.ActionType, post.Media[0].MIME
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%s\t\n", text.Printable(f.Name), f.folder, as, mime, len(f.Bytes), ended)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if posts := len(d.sandbox.Posts()); wrong == 0 && posts != sum.Delivered {
		return fmt.Errorf("%s arrived, but delivered: %s", counted(posts, "message"), counted(sum.Delivered, "file"))
	}
	if wrong > 0 || sum.Left > 0 {
		return fmt.Errorf("%s did not end where it should; left where it is: %s", counted(wrong, "sample"), counted(sum.Left, "file"))
	}
	fmt.Fprintf(d.out, "\nEverything ended where it should: %d delivered, %d refused with a reason.\n", sum.Delivered, sum.Failed)
	return nil
}

// posted finds the message with f, whose bytes tell it.
func (d *demonstration) posted(f droppedFile) (sandbox.Post, bool) {
	sum := sha256.Sum256(f.Bytes)
	for _, p := range d.sandbox.Posts() {
		for _, m := range p.Media {
			if m.SHA256 == hex.EncodeToString(sum[:]) && m.Name == f.Name {
				return p, true
			}
		}
	}
	return sandbox.Post{}, false
}

// fault says what is wrong with what became of f, or "".
func (d *demonstration) fault(f droppedFile, p sandbox.Post, posted bool) string {
	t, supported := media.ByName(f.Name)
	switch {
	case f.fails && posted:
		return "it should not have been posted"
	case f.fails:
		if d.ended(f) != "failed/" {
			return "it should be in failed/ with its reason"
		}
		return ""
	case !posted || !supported:
		return "it did not arrive"
	case p.ActionType != string(t.Kind) || p.Media[0].MIME != t.MIME:
		return fmt.Sprintf("it should be %s, %s", t.Kind, t.MIME)
	case d.groupOf(p) != f.folder:
		return "it is in the wrong group"
	case d.ended(f) != "done/":
		return "it should be in done/"
	}
	return ""
}

func (d *demonstration) groupOf(p sandbox.Post) string {
	for _, g := range demoGroups() {
		if g.ID == p.GroupID {
			return g.Name
		}
	}
	return ""
}

// ended says in which folder f lies now. Its name may have got a number there, if the demo ran here before.
func (d *demonstration) ended(f droppedFile) string {
	ext := filepath.Ext(f.Name)
	for _, dir := range []string{"done", "failed"} {
		entries, _ := os.ReadDir(filepath.Join(d.folder(f.folder), dir)) // none: not there
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), strings.TrimSuffix(f.Name, ext)) || filepath.Ext(e.Name()) != ext {
				continue
			}
			path := filepath.Join(d.folder(f.folder), dir, e.Name())
			content, err := os.ReadFile(path)
			_, reason := os.Stat(path + ".reason.txt")
			if err == nil && bytes.Equal(content, f.Bytes) && (dir == "done" || reason == nil) {
				return dir + "/"
			}
		}
	}
	return "nowhere"
}
