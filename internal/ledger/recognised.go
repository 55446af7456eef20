package ledger

import (
	"context"
	"fmt"
	"path/filepath"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

// Recognised records that the file at position in an unfinished delivery was found again after it was renamed, touched, moved
// to another inode, or mounted anew. name, relative to the folder, and as are its present name and identity. ClaimedAs keeps
// the name of the claim while the present name differs from it.
//
// From then on Claim refuses the file with this name and identity. Recognised does not look for another delivery that has
// claimed the file with them already: the caller withdraws that one.
func (l *Ledger) Recognised(ctx context.Context, id int64, position int, name string, as file.Identity) error {
	if name == "" {
		return fmt.Errorf("delivery %d: file %d cannot be recognised under no name", id, position)
	}
	return l.ask(ctx, func(w *writer) error {
		err := w.step(id, "recognised", "reason = reason", []State{Claimed, Uploaded, Posting, Posted, Failed})
		if err != nil {
			return err
		}
		return w.recognise(id, position, name, as)
	})
}

func (w *writer) recognise(id int64, position int, name string, as file.Identity) error {
	n, err := w.affected(`UPDATE file SET claimed_as = nullif(coalesce(claimed_as, name), ?3), name = ?3, base = ?9,
		claimed_base = nullif(coalesce(claimed_base, base), ?9), dest_base = nullif(coalesce(dest_base, iif(dest IS NULL, NULL, base)), ?9),
		dev = ?4, ino = ?5, size = ?6, mtime_ns = ?7, ctime_ns = ?8 WHERE delivery = ?1 AND position = ?2`,
		id, position, []byte(name), int64(as.Dev), int64(as.Ino), as.Size, as.Mtime, as.Ctime, []byte(filepath.Base(name)))
	if err != nil || n == 1 {
		return err
	}
	return fmt.Errorf("delivery %d has no file %d that could be %q", id, position, text.Printable(name))
}
