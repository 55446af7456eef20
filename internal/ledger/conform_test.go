package ledger_test

import (
	"context"
	"testing"

	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/ledger/ledgertest"
)

// TestConformance shows that the ledger allows exactly the transitions of the table in package ledgertest.
func TestConformance(t *testing.T) {
	l, err := ledger.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		l.Close()
	})
	ledgertest.Conform(t, l)
}
