package uploader

import (
	"slices"
	"sync/atomic"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/ledger"
)

// job is what a step is given: a copy of all that it needs to know of its delivery.
type job struct {
	facts
	to       Folder        // the lane's folder, as it is configured when the step begins
	again    bool          // an earlier try at its local end may have been broken off
	probe    bool          // only a part of the album is sent, to find the image that is refused
	lo, hi   int           // the files from lo to before hi are sent
	suspects []suspect     // whose files the files of this delivery may be
	earlier  upload        // of a file of its name, which may hold the same bytes
	calls    *hang.Calls   // of this step on the file system: they are watched from outside
	sent     *atomic.Int64 // bytes of this upload: they are watched from outside
	begun    time.Time     // when this run took the delivery up
}

// job gives the job of d's next step, but for its suspects and its earlier upload.
func (d *delivery) job() job {
	j := job{facts: d.facts, to: d.lane.folder, again: d.known || d.pause.failures > 0, hi: len(d.Files), calls: &d.calls, sent: &d.sent,
		begun: d.begun}
	if d.search != nil {
		j.probe = true
		j.lo, j.hi = d.search.probe()
	}
	j.Files, j.renamed, j.landed = slices.Clone(d.Files), slices.Clone(d.renamed), slices.Clone(d.landed)
	return j
}

// toSend gives the files that an upload sends.
func (j *job) toSend() []ledger.File { return j.Files[j.lo:j.hi] }

// result is what a step has learned. What is zero, it has not learned.
type result struct {
	err           error
	id            int64
	key           string
	resource      string
	group         string // to which the post was sent
	reference     string
	files         []found  // one for each file of the job, or none at all
	recognised    int      // how many of the job's renamed files the ledger knows now, from the first on
	ledgerPosting bool     // the ledger has it as being posted
	ledgerFailed  bool     // the ledger knows that it failed
	sent          bool     // a post was sent
	posted        bool     // the destination has answered that it took the post, or has it
	absent        bool     // the destination has answered that it does not have the post, or not all of it
	shown         []string // posts of its files that are there, from the first on; of a post that was not made, or not found, wholly
	twice         bool     // a post may be shown twice: the answer to an earlier one was lost
}

// found is what a step has learned of one file.
type found struct {
	looks  file.Identity // its new looks, if its bytes are the same; zero: none
	sum    []byte        // of what was sent, or of its copy; nil: none
	dest   string        // where it was moved to
	landed bool          // it was moved, and only what comes after failed
}

// work is a step under way. Only its own goroutine uses it; those that move the files of an album each have one of got.files.
type work struct {
	u   *Uploader
	job job
	got result // so far
}

func newWork(u *Uploader, j job) *work {
	w := &work{u: u, job: j, got: result{files: make([]found, len(j.Files)), ledgerPosting: j.ledgerPosting}}
	for i, landed := range j.landed {
		w.got.files[i].landed = landed
	}
	return w
}

// file is the file at index i, with its sum and its place as the step knows them by now.
func (w *work) file(i int) ledger.File {
	f, now := w.job.Files[i], w.got.files[i]
	if now.sum != nil {
		f.SHA256 = now.sum
	}
	if now.dest != "" {
		f.Dest = now.dest
	}
	return f
}

// want is what the file at index i must look like, as far as the step knows.
func (w *work) want(i int) file.Identity {
	if looks := w.got.files[i].looks; looks != (file.Identity{}) {
		return looks
	}
	return w.job.Files[i].ID
}

// dests is where the files lie by now.
func (w *work) dests() []string {
	dests := make([]string, len(w.job.Files))
	for i := range dests {
		dests[i] = w.file(i).Dest
	}
	return dests
}
