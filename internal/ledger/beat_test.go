package ledger

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/beat"
)

// TestWriterMoves: the writer moves while it has nothing to do, and while every step fails because another program holds the file;
// it does not while a step waits for that program, and once it has ended it is not asked.
func TestWriterMoves(t *testing.T) {
	board := &beat.Board{}
	l := open(t, t.TempDir())
	l.Beats = board
	try(t, l.w.exec("PRAGMA busy_timeout = 1"))
	start(t, l)
	moves := func() {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			still := board.Still(time.Now())
			if len(still) == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("still are %v", still)
			}
		}
	}
	joined := func() (n int) { // it has, as soon as it stands in a step
		entered, leave := make(chan bool), make(chan bool)
		done := make(chan error, 1)
		go func() {
			done <- l.ask(t.Context(), func(*writer) error { entered <- true; <-leave; return nil })
		}()
		<-entered
		board.Ask(time.Now())
		n = len(board.Still(time.Now()))
		close(leave)
		try(t, <-done)
		return n
	}
	if n := joined(); n != 1 {
		t.Errorf("%d parts stand still while a step does", n)
	}
	moves()
	db, err := sql.Open("sqlite", "file:"+l.path()+"?_txlock=immediate")
	try(t, err)
	defer db.Close()
	tx, err := db.Begin()
	try(t, err)
	for range 10 {
		board.Ask(time.Now())
		if _, err := l.Claim(t.Context(), sample(1, 1)); err == nil || !strings.Contains(err.Error(), "another program holds it") {
			t.Errorf("%v", err)
		}
		moves()
	}
	try(t, tx.Rollback())
	try(t, l.Close())
	board.Ask(time.Now())
	if still := board.Still(time.Now()); still != nil {
		t.Errorf("after its end it is asked: %v", still)
	}
}
