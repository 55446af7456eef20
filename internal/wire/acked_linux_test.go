package wire

import (
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// slowReader makes a TCP connection whose other end has a small buffer for unread bytes.
func slowReader(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	small := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 16<<10)
		})
	}}
	l, err := small.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// TestAcknowledgedBytesAreProgress shows that a call whose whole body is in this kernel's buffers stalls only when the peer's
// kernel takes none of it for the limit. The connection is real, the clock is synctest's.
func TestAcknowledgedBytesAreProgress(t *testing.T) {
	const limit, size = time.Minute, 200_000
	ours, theirs := slowReader(t)
	if err := ours.SetWriteBuffer(size); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		stalled := false
		w := newWatchdog(limit, func() { stalled = true })
		defer w.stop()
		w.use(&conn{Conn: ours, over: make(chan struct{})})
		w.touch()
		if _, err := ours.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		w.touch()
		begin, steps := time.Now(), 0
		for before := ackedBytes(ours); before < size; before = ackedBytes(ours) {
			time.Sleep(limit * 7 / 10)
			synctest.Wait()
			if stalled {
				t.Fatalf("stalled after %v, with %d bytes acknowledged", time.Since(begin), before)
			}
			if _, err := io.CopyN(io.Discard, theirs, min(size, 20_000)); err != nil {
				t.Fatal(err)
			}
			for ackedBytes(ours) == before { // real time, which goes on
				runtime.Gosched()
			}
			steps++
		}
		if steps < 5 {
			t.Errorf("%d steps: nothing was tested", steps)
		}
		time.Sleep(limit * 3 / 2)
		synctest.Wait()
		if !stalled {
			t.Error("nothing is acknowledged any more, and that is no stall")
		}
	})
}
