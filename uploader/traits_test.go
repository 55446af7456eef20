package uploader

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/media"
)

// TestTraitsOfTheDestination: what it does not take goes to failed/ with a note that names it, and a caption is cut to what it shows.
func TestTraitsOfTheDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory())
		w.u.Traits = destination.Traits{Name: "The pigeon", MaxBytes: 5, CaptionMax: 4, Extensions: []string{".jpg"},
			Accepts: func(name string) (media.Type, bool) {
				is, ok := media.ByName(name)
				return is, ok && is.Ext == ".jpg"
			}}
		var captions []string
		w.service.onPost = func(_ context.Context, m destination.Message, _ int) error {
			captions = append(captions, m.Caption)
			return nil
		}
		folder := w.folder()
		folder.Caption = func(string, []string, time.Time) (string, error) { return "日本語だよ", nil }
		w.start(t.Context(), folder)
		w.drop("light.jpg", "12345")
		w.drop("heavy.jpg", "123456")
		w.drop("x.pdf", "1")
		if sum := w.end(); sum.Delivered != 1 || sum.Failed != 2 || len(captions) != 1 || captions[0] != "日本語だ" {
			t.Errorf("%+v, captions %q", sum, captions)
		}
		for name, want := range map[string]string{
			"heavy.jpg": "it has 6 bytes, and The pigeon takes at most 5", "x.pdf": `".pdf" is not a type that The pigeon takes`,
		} {
			if note := w.lies("failed/" + name + ".reason.txt"); !strings.Contains(note, want) {
				t.Errorf("%s: %s", name, note)
			}
		}
	})
}
