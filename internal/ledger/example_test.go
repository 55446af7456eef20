package ledger_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// This example shows that a daemon goes on with the post during which the one before it was killed.
func Example() {
	dir, err := os.MkdirTemp("", "state")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := claimAndPost(dir); err != nil {
		fmt.Println(err)
		return
	}
	book, err := ledger.Open(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer book.Close()
	open, err := book.Unfinished(context.Background(), "kaizala")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range open {
		fmt.Println(d.Files[0].Name, "is", d.State)
	}
	// Output: scan.pdf is posting
}

// claimAndPost takes a delivery as far as its post, and ends there.
func claimAndPost(dir string) error {
	book, err := ledger.Open(dir)
	if err != nil {
		return err
	}
	defer book.Close()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- book.Run(ctx) }()
	defer func() { stop(); <-ended }()
	id, err := book.Claim(ctx, ledger.Delivery{
		Destination: "kaizala", Key: "a key of its own", Folder: "/srv/drop", Kind: "Document", SettledAt: time.Now(),
		Files: []ledger.File{{Name: "scan.pdf", ID: file.Identity{Ino: 7, Size: 100}}},
	})
	if err != nil {
		return err
	}
	if err := book.Uploaded(ctx, id, "resource", [][]byte{make([]byte, 32)}); err != nil {
		return err
	}
	return book.Posting(ctx, id, "group", "caption", false)
}
