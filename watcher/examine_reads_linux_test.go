package watcher

import (
	"fmt"
	"os"
	"testing"
)

// reading counts the bytes that a process has read, and the calls for it. Reading directories does not count (proc(5)).
type reading struct{ bytes, calls int64 }

// fromFiles is what this process has read so far.
func fromFiles(t *testing.T) (r reading) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("the kernel does not count what a process reads (CONFIG_TASK_IO_ACCOUNTING): %v", err)
	}
	var written int64
	_, err = fmt.Sscanf(string(text), "rchar: %d\nwchar: %d\nsyscr: %d\n", &r.bytes, &written, &r.calls)
	must(t, err)
	return r
}

// TestExamineReadsLittle shows that a closer look at a file of 5 MB reads a small part of it in few calls.
// BenchmarkExamine measures the time.
func TestExamineReadsLittle(t *testing.T) {
	const looks = 20
	dir := t.TempDir()
	for _, sp := range specimens(t) {
		look := sp.examined(t, dir)
		before := fromFiles(t)
		for range looks {
			look()
		}
		after := fromFiles(t)
		bytes, calls := (after.bytes-before.bytes)/looks, (after.calls-before.calls)/looks
		t.Logf("%-12s %7d bytes in %d calls", sp.name, bytes, calls)
		most := int64(256 << 10)
		if sp.torn { // the ending of one state is looked for once
			most *= 4
		}
		if bytes > most || calls > 32 {
			t.Errorf("%s: %d bytes were read in %d calls, want %d in 32 at most", sp.name, bytes, calls, most)
		}
	}
}
