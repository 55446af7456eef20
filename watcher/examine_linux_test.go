package watcher_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
	"kaizala-drop/watcher"
)

// These tests are about what only a closer look finds. Whole programs at work are in the zoo of cmd/kaizala-drop.

// heldUntil watches a folder in which held.mp3 is held back for reason, and fails the test unless held.mp3 is handed
// over after undo and not before.
func heldUntil(t *testing.T, f watcher.Folder, reason string, undo func()) {
	t.Helper()
	r := start(t, f)
	write(t, f.Path+"/other.mp3", "x")
	r.expect("other.mp3") // and not held.mp3, which was there before
	r.waitFor(reason)
	undo()
	r.expect("held.mp3")
}

// waitFor waits until text was logged.
func (r *running) waitFor(text string) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(10 * time.Millisecond); !strings.Contains(r.log.String(), text); <-tick.C {
		if time.Now().After(deadline) {
			r.t.Fatalf("%q was not logged; log:\n%s", text, r.log)
		}
	}
}

// TestOpenWriterIsWaitedFor shows that a file is held back as long as a program has it open for writing.
func TestOpenWriterIsWaitedFor(t *testing.T) {
	f := folder(t.TempDir())
	write(t, f.Path+"/held.mp3", "content")
	writer, err := os.OpenFile(f.Path+"/held.mp3", os.O_WRONLY, 0)
	must(t, err)
	heldUntil(t, f, "open for writing", func() { must(t, writer.Close()) })
}

// TestMappedWriterIsWaitedFor shows that a file is held back as long as it is mapped for writing, even if no descriptor
// of it is open.
func TestMappedWriterIsWaitedFor(t *testing.T) {
	f := folder(t.TempDir())
	write(t, f.Path+"/held.mp3", "content")
	file, err := os.OpenFile(f.Path+"/held.mp3", os.O_RDWR, 0)
	must(t, err)
	mapped, err := unix.Mmap(int(file.Fd()), 0, 7, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	must(t, file.Close()) // the mapping outlives its descriptor
	heldUntil(t, f, "open for writing", func() { must(t, unix.Munmap(mapped)) })
}

// TestCompanionHoldsItsFileBack shows that each known companion holds its file back, and is not handed over itself.
func TestCompanionHoldsItsFileBack(t *testing.T) {
	t.Parallel()
	const open, fetching = "it is open in a program", "another program is still fetching it"
	for companion, reason := range map[string]string{
		".~lock.held.mp3#": open, "~$held.mp3": open, "~$eld.mp3": open, "~$ld.mp3": open, ".~held.mp3": open,
		"held.mp3.aria2": fetching, "held.mp3.lftp-pget-status": fetching, "held.mp3.st": fetching, "held.mp3.part": fetching,
		"held.mp3.crdownload": fetching, "held.mp3.opdownload": fetching, "held.mp3.filepart": fetching,
	} {
		t.Run(companion, func(t *testing.T) {
			f := folder(t.TempDir())
			write(t, f.Path+"/held.mp3", "content")
			write(t, f.Path+"/"+companion, "somebody") // is never handed over itself
			heldUntil(t, f, reason, func() { must(t, os.Remove(f.Path+"/"+companion)) })
		})
	}
}

// TestStateOfAxel shows that axel's state file waits as long as the file it belongs to is there, and that the name
// alone means nothing.
func TestStateOfAxel(t *testing.T) {
	f := folder(t.TempDir())
	write(t, f.Path+"/held.mp3.st", "state")
	write(t, f.Path+"/held.mp3", "content")
	write(t, f.Path+"/another.st", "no state")
	r := start(t, f)
	r.expect("another.st")
	r.waitFor("fetched of")
	must(t, os.Rename(f.Path+"/held.mp3", f.Path+"/.hidden"))
	r.expect("held.mp3.st")
}

// TestTornFileIsHandedOverAsTorn shows that a file which stays without its ending is handed over as torn, and one that
// is completed in time as whole.
func TestTornFileIsHandedOverAsTorn(t *testing.T) {
	t.Parallel()
	impatient, patient := folder(t.TempDir()), folder(t.TempDir())
	impatient.VerifyEnding, impatient.TruncatedAfter = true, time.Second
	patient.VerifyEnding, patient.TruncatedAfter = true, time.Hour // long enough for the test to complete the file
	whole := "%PDF-1.7\n" + strings.Repeat("x", 5000) + "\nstartxref\n0\n%%EOF\n"
	r := start(t, impatient, patient)
	write(t, patient.Path+"/resumed.pdf", whole[:3000])
	r.waitFor("%%EOF")
	write(t, patient.Path+"/resumed.pdf", whole)
	if s := r.next(); s.Name != "resumed.pdf" || s.Torn != "" {
		t.Fatalf("got %+v", s)
	}
	write(t, impatient.Path+"/torn.pdf", whole[:3000])
	if s := r.next(); s.Name != "torn.pdf" || !strings.Contains(s.Torn, "%%EOF") {
		t.Fatalf("got %+v", s)
	}
}

// TestSparseFileIsTorn shows that a file with holes is handed over as torn, and one that was written whole is not.
func TestSparseFileIsTorn(t *testing.T) {
	f := folder(t.TempDir())
	f.VerifyEnding, f.TruncatedAfter = true, 500*time.Millisecond
	write(t, f.Path+"/a.mp3", "x")
	must(t, os.Truncate(f.Path+"/a.mp3", 1<<20))
	r := start(t, f)
	if s := r.next(); !strings.Contains(s.Torn, "holes") {
		t.Fatalf("got %+v", s)
	}
	must(t, os.WriteFile(f.Path+"/b.mp3", bytes.Repeat([]byte("x"), 1<<20), 0o644))
	if s := r.next(); s.Name != "b.mp3" || s.Torn != "" {
		t.Fatalf("got %+v", s)
	}
}

// TestAsItIs: what a person asked to be sent all the same is handed over as whole, cut off or with holes, also if that was asked
// after it was found torn. It counts for that file in that state, and not for the next of its name.
func TestAsItIs(t *testing.T) {
	f := folder(t.TempDir())
	f.VerifyEnding, f.TruncatedAfter = true, time.Hour
	var mu sync.Mutex
	wanted := map[file.Identity]bool{}
	f.AsItIs = func(name string, id file.Identity) bool {
		mu.Lock()
		defer mu.Unlock()
		id.Ctime = 0
		return wanted[id]
	}
	ask := func(path string) {
		info, err := file.Lstat(path)
		must(t, err)
		info.Ctime = 0
		mu.Lock()
		wanted[info.Identity] = true
		mu.Unlock()
	}
	torn := filepath.Join(f.Path, "torn.pdf")
	outside := filepath.Join(t.TempDir(), "torn.pdf")
	write(t, outside, "%PDF-1.7\n"+strings.Repeat("x", 3000))
	ask(outside)
	r := start(t, f)
	must(t, os.Rename(outside, torn))
	if s := r.next(); s.Name != "torn.pdf" || s.Torn != "" {
		t.Fatalf("got %+v", s)
	}
	write(t, torn, "%PDF-1.7\n"+strings.Repeat("y", 4000))
	r.waitFor("%%EOF")
	ask(torn)
	if s := r.next(); s.Name != "torn.pdf" || s.Torn != "" {
		t.Fatalf("asked later: got %+v", s)
	}
	holes := filepath.Join(f.Path, "a.mp3")
	write(t, holes, "x")
	must(t, os.Truncate(holes, 1<<20))
	ask(holes)
	if s := r.next(); s.Name != "a.mp3" || s.Torn != "" {
		t.Fatalf("with holes: got %+v", s)
	}
	r.reload(f)
	write(t, filepath.Join(f.Path, "whole.mp3"), "x")
	r.expect("whole.mp3") // and nothing else: a reload of the same settings begins nothing anew
}

// TestHolesOfRsync shows that a file which rsync -S moved into place with holes for its zeros is whole, whether it
// comes while the folder is watched or lay there before, and that the same holes in a file written under its name are a
// crash.
func TestHolesOfRsync(t *testing.T) {
	t.Parallel()
	rsync, err := exec.LookPath("rsync")
	if err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatal("this test needs rsync: apt-get install rsync")
		}
		t.Skip("this test needs rsync: apt-get install rsync")
	}
	f := folder(t.TempDir())
	f.VerifyEnding, f.TruncatedAfter = true, time.Second
	content := append(bytes.Repeat([]byte("x"), 1<<20), make([]byte, 4<<20)...)
	content = append(content, bytes.Repeat([]byte("x"), 1<<20)...)
	source := t.TempDir() + "/whole.mp3"
	must(t, os.WriteFile(source, content, 0o644))
	bring := func(name string) {
		t.Helper()
		if out, err := exec.Command(rsync, "-tS", source, f.Path+"/"+name).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var st unix.Stat_t
		must(t, unix.Stat(f.Path+"/"+name, &st))
		if st.Blocks*512 >= st.Size {
			t.Skip("this file system makes no holes: set TMPDIR to a folder on ext4, xfs or tmpfs")
		}
	}
	bring("before.mp3")
	r := start(t, f)
	if s := r.next(); s.Name != "before.mp3" || s.Torn != "" {
		t.Fatalf("got %+v", s)
	}
	bring("after.mp3")
	if s := r.next(); s.Name != "after.mp3" || s.Torn != "" {
		t.Fatalf("got %+v", s)
	}
	file, err := os.Create(f.Path + "/written.mp3")
	must(t, err)
	must(t, file.Truncate(int64(len(content))))
	_, err = file.WriteAt(content[:1<<20], 0)
	must(t, err)
	_, err = file.WriteAt(content[:1<<20], 5<<20)
	must(t, err)
	must(t, file.Close())
	if s := r.next(); s.Name != "written.mp3" || !strings.Contains(s.Torn, "holes") {
		t.Fatalf("got %+v", s)
	}
}

// TestStrangeNamesWait shows that a file whose extension says nothing is held back for truncated_after, and goes then as a whole one,
// that one with a known name goes at once, and that a name which is nothing but such an extension is a hidden file like others.
func TestStrangeNamesWait(t *testing.T) {
	t.Parallel()
	f := folder(t.TempDir())
	f.VerifyEnding, f.TruncatedAfter = true, time.Second
	f.Accepts = func(name string) (media.Type, bool) {
		known, ok := media.ByName(name)
		if !ok {
			known = media.Type{Kind: media.Document, MIME: "application/octet-stream", Guess: true}
		}
		return known, true
	}
	write(t, f.Path+"/.bashrc", "hidden")
	write(t, f.Path+"/plan.xyz", "any content at all")
	write(t, f.Path+"/cut.xyz", "\xff\xd8\xff\xe0 a picture without its end")
	r := start(t, f)
	write(t, f.Path+"/other.mp3", "x")
	got := map[string]string{}
	for len(got) < 3 {
		s := r.next()
		got[s.Name] = s.Torn
	}
	r.waitFor("its extension is in no list of types")
	if torn, ok := got["plan.xyz"]; !ok || torn != "" || got["cut.xyz"] == "" || got["other.mp3"] != "" {
		t.Errorf("got %q", got)
	}
	if strings.Contains(r.log.String(), "nothing but an extension") {
		t.Errorf("a hidden file was taken for one without a name:\n%s", r.log)
	}
}
