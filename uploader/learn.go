package uploader

import (
	"kaizala-drop/internal/file"
)

// learn takes over what a step of d has learned.
func (d *delivery) learn(r result) {
	d.unknown = d.mayBePosted(r)
	d.ledgerPosting = r.ledgerPosting
	d.ledgerFailed = d.ledgerFailed || r.ledgerFailed
	d.MaybeTwice = d.MaybeTwice || r.twice
	if r.id != 0 {
		d.ID, d.Key = r.id, r.key
	}
	if r.resource != "" {
		d.Resource = r.resource
	}
	if r.sent {
		d.Group = r.group
		if d.PostingAt.IsZero() {
			d.PostingAt = d.since
		}
	}
	if r.posted {
		d.Reference = r.reference
	}
	d.renamed = d.renamed[r.recognised:]
	d.learnFiles(r.files)
}

// learnFiles takes over what was found of each file. The ledger must know new looks before the file is moved: what a move that is
// broken off leaves behind is found by the looks of its file.
func (d *delivery) learnFiles(files []found) {
	d.landed = make([]bool, len(files))
	for i, now := range files {
		mine := &d.Files[i]
		if now.sum != nil {
			mine.SHA256 = now.sum
		}
		if now.dest != "" {
			mine.Dest = now.dest
		}
		d.landed[i] = now.landed
		if now.looks == (file.Identity{}) {
			continue
		}
		if !looksSame(now.looks, mine.ID) {
			d.renamed = append(d.renamed, renamed{i, *mine})
		}
		mine.ID = now.looks
	}
}
