// Command oldledger writes a ledger with deliveries in every state into the folder that it is given, and kills itself.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func sums(n int) (all [][]byte) {
	for i := range n {
		s := sha256.Sum256([]byte{byte(i)})
		all = append(all, s[:])
	}
	return all
}

// write makes a delivery of n files for each way that a delivery can go.
func write(l *ledger.Ledger, part string, n int) {
	resource := strings.Repeat("a+/=", 300)
	dests := make([]string, n)
	for i := range dests {
		dests[i] = fmt.Sprintf("/srv/dr\xf6p/done/%s \xff %d.jpg", part, i)
	}
	for w, way := range strings.Fields("claimed waiting uploaded refused posting again posted filed failed failed-posting " +
		"buried gone withdrawn") {
		d := ledger.Delivery{Folder: "/srv/dr\xf6p", Action: media.Album, SettledAt: time.UnixMilli(1_790_000_000_007)}
		if n == 1 {
			d.Action = media.Document
		}
		for i := range n {
			d.Files = append(d.Files, ledger.File{
				Name: fmt.Sprintf("%s/%s \xff'\n\" %d.jpg", part, way, i),
				ID: file.Identity{Dev: 1<<64 - 1 - uint64(w), Ino: 1<<63 + uint64(w*100+i), Size: 1<<40 + int64(i),
					Mtime: -1 - int64(i), Ctime: 1_790_000_000_123_456_789},
			})
		}
		id, err := l.Claim(ctx, d)
		must(err)
		do := func(steps string) {
			for _, s := range strings.Fields(steps) {
				must(map[string]func() error{
					"waits":    func() error { return l.Waits(ctx, id, 3, "offline \xff") },
					"uploaded": func() error { return l.Uploaded(ctx, id, resource, sums(n)) },
					"posting":  func() error { return l.Posting(ctx, id, "0f8b@2", "Z\xc3\xa4hler \xff", false) },
					"again":    func() error { return l.Posting(ctx, id, "0f8b@2", "Z\xc3\xa4hler \xff", true) },
					"refused":  func() error { return l.Refused(ctx, id, 4, "429") },
					"posted":   func() error { return l.Posted(ctx, id, "ref "+way) },
					"filed":    func() error { return l.Filed(ctx, id, dests) },
					"gone":     func() error { return l.Filed(ctx, id, make([]string, n)) },
					"failed":   func() error { return l.Failed(ctx, id, "415: no") },
					"buried":   func() error { return l.Buried(ctx, id, dests) },
					"withdraw": func() error { return l.Withdraw(ctx, id) },
				}[s]())
			}
		}
		do(map[string]string{
			"claimed": "", "waiting": "waits", "uploaded": "uploaded", "refused": "uploaded posting refused",
			"posting": "uploaded posting", "again": "uploaded posting again", "posted": "uploaded posting again posted",
			"filed": "uploaded posting posted filed", "failed": "failed", "failed-posting": "uploaded posting failed",
			"buried": "uploaded posting again failed buried", "gone": "uploaded posting posted gone",
			"withdrawn": "uploaded withdraw",
		}[way])
	}
}

func main() {
	dir := os.Args[1]
	for i, part := range []string{"file", "wal"} { // the rows in the ledger's file, and the rows in the -wal
		l, err := ledger.Open(dir)
		must(err)
		go l.Run(ctx)
		write(l, part, 1)
		write(l, part+" album", 3)
		if i == 0 {
			must(l.Close())
			continue
		}
		// Further steps of the rows in the ledger's file go to the -wal.
		open, err := l.Unfinished(ctx)
		must(err)
		for _, d := range open[:2] {
			must(l.Waits(ctx, d.ID, 7, "later"))
		}
		must(syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
}
