package inquiry

import (
	"fmt"
	"testing"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
)

// BenchmarkExplain is what the story of a delivered file costs, with 3,000 deliveries in the ledger.
func BenchmarkExplain(b *testing.B) {
	o := newOffice(b, "a")
	for i := range 3000 {
		name := fmt.Sprintf("%d.pdf", i)
		id, err := o.ledger.Claim(b.Context(), ledger.Delivery{
			Destination: "kaizala", Folder: o.path("a"), Kind: media.Document, SettledAt: time.Now(), Files: []ledger.File{{Name: name, ID: file.Identity{Ino: uint64(i + 1), Size: 5}}},
		})
		must(b, err)
		for _, err := range []error{
			o.ledger.Uploaded(b.Context(), id, "r", [][]byte{make([]byte, 32)}), o.ledger.Posting(b.Context(), id, "a@2", "", false),
			o.ledger.Posted(b.Context(), id, "ref"), o.ledger.Filed(b.Context(), id, []string{o.path("a", "done", name)}),
		} {
			must(b, err)
		}
	}
	for b.Loop() {
		if _, err := o.desk.Explain(b.Context(), o.path("a", "7.pdf"), nil); err != nil {
			b.Fatal(err)
		}
	}
}
