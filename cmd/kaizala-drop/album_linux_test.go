package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kaizala-drop/internal/samples"
	"kaizala-drop/internal/sandbox"
)

// photo is a whole JPEG of its own.
func photo(i int) string {
	text := string(samples.All()[0].Bytes)
	// A comment behind the start of the image (ITU-T T.81, COM) makes each another one.
	comment := fmt.Sprintf("photo %06d", i)
	return text[:2] + "\xff\xfe\x00" + string(rune(len(comment)+2)) + comment + text[2:]
}

// TestAlbumsByEveryRoad: 40 photos in pieces, over several roads at once, are 4 albums of 10 in the order of their names.
func TestAlbumsByEveryRoad(t *testing.T) {
	if lacks := unserved([]string{"cp", "curl", "vsftpd", "smbclient", "smbd"}); lacks != "" {
		needs(t, lacks)
	}
	t.Parallel()         // it waits for most of its time
	const window = "20s" // however slow the machine makes the roads
	pause := 200 * time.Millisecond
	if thorough() {
		pause = 2 * time.Second
	}
	roads := []string{"cp", "smb", "ftp", "folder"}
	z := &zoo{world: newWorld(t, fmt.Sprintf("album = \"window\"\nalbum_window = %q", window), roads...)}
	z.reconfigure("verify_ending = false", "verify_ending = true")
	z.reconfigure(`group_id = "folder@2"`, `group_id = "folder@2"`+"\nalbum = \"subfolder\"\ncaption = \"{{.Folder}}: {{.Count}}, {{.First}} to {{.Last}}\"")
	for _, dir := range []string{filepath.Dir(z.dir), z.dir, z.folder("cp"), z.folder("smb"), z.folder("ftp"), z.folder("folder")} {
		must(t, os.Chmod(dir, 0o777))
	}
	must(t, os.Chmod(z.dir, 0o755)) // vsftpd's root must not be writable
	z.startServers()
	p := z.daemon0()
	must(t, os.Mkdir(z.folder("folder")+"/site visit", 0o777))
	source := t.TempDir()
	for i := range 40 {
		must(t, os.WriteFile(fmt.Sprintf("%s/IMG_%d.jpg", source, i+1), []byte(photo(i+1)), 0o644))
	}
	bring := map[string]func(file string) *exec.Cmd{
		"cp": func(file string) *exec.Cmd { return exec.Command("cp", file, z.folder("cp")) },
		"smb": func(file string) *exec.Cmd {
			return exec.Command("smbclient", "-N", "-s", z.servers.dir+"/smb.conf", "-p", z.servers.smbd, "//127.0.0.1/zoo",
				"-c", "put "+file+" smb\\"+filepath.Base(file))
		},
		"ftp": func(file string) *exec.Cmd {
			return exec.Command("curl", "-sS", "-T", file, "ftp://127.0.0.1:"+z.servers.vsftpd+"/ftp/")
		},
		"folder": func(file string) *exec.Cmd {
			return exec.Command("cp", file, z.folder("folder")+"/site visit")
		},
	}
	var all sync.WaitGroup
	for n, road := range roads {
		random := rand.New(rand.NewPCG(uint64(n), 7))
		all.Go(func() {
			for _, i := range random.Perm(40) {
				if out, err := bring[road](fmt.Sprintf("%s/IMG_%d.jpg", source, i+1)).CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", road, err, out)
				}
				<-time.After(time.Duration(random.Int64N(int64(pause)))) // as a camera does; nothing is waited for
			}
		})
	}
	all.Wait()
	for _, road := range roads {
		z.lieInDone(road, 40)
		z.wantAlbums(road, 40, 10)
	}
	if got := z.sandbox.Stats(); got.Uploads != 16 || got.Posts != 16 {
		t.Errorf("%d media calls and %d actions, want 16 each", got.Uploads, got.Posts)
	}
	if _, err := os.Stat(z.folder("folder") + "/site visit"); !os.IsNotExist(err) {
		t.Errorf("the emptied subfolder is still there: %v", err)
	}
	if got := files(t, z.folder("folder")+"/done/site visit"); len(got) != 40 {
		t.Errorf("%d files in done/site visit", len(got))
	}
	for _, post := range z.sandbox.Posts() {
		if post.GroupID != "folder@2" {
			continue
		}
		first, last := post.Media[0].Name, post.Media[len(post.Media)-1].Name
		if want := fmt.Sprintf("site visit: 10, %s to %s", first, last); post.Caption != want {
			t.Errorf("caption %q, want %q", post.Caption, want)
		}
	}
	p.stop()
}

// daemon0 starts the daemon of a zoo that has no visits.
func (z *zoo) daemon0() *process { return z.world.daemon() }

// wantAlbums wants all photos of a folder to have arrived once, byte for byte, in the order of their numbers, in albums of
// so many.
func (w *world) wantAlbums(folder string, photos, size int) {
	w.t.Helper()
	next := 1
	for _, post := range w.sandbox.Posts() {
		if post.GroupID != folder+"@2" {
			continue
		}
		if post.ActionType != "Album" || len(post.Media) != size {
			w.t.Errorf("%s: %s of %d images", folder, post.ActionType, len(post.Media))
		}
		for _, m := range post.Media {
			if want := fmt.Sprintf("IMG_%d.jpg", next); m.Name != want || m.SHA256 != digest(photo(next)) {
				w.t.Errorf("%s: %s stands where %s belongs, or is not the same", folder, m.Name, want)
			}
			next++
		}
	}
	if next != photos+1 {
		w.t.Errorf("%s: %d photos arrived, want %d", folder, next-1, photos)
	}
}

// TestAlbumWithTroubles: of ten images one is torn, one is refused and one vanishes; the other seven arrive as one album.
func TestAlbumWithTroubles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "album = \"window\"\nalbum_window = \"2s\"\ntruncated_after = \"1s\"", "in")
	w.reconfigure("verify_ending = false", "verify_ending = true")
	var vanish sync.Once
	w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/media" {
			return false
		}
		vanish.Do(func() { _ = os.Remove(w.folder("in") + "/IMG_7.jpg") })
		body, err := io.ReadAll(r.Body)
		if err != nil || strings.Contains(string(body), "photo 000004") {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(http.StatusUnsupportedMediaType)
			fmt.Fprint(rw, `{"message":"no picture","errorCode":"UnsupportedMediaType"}`)
			return true
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		return false
	})
	for i := 1; i <= 10; i++ {
		content := photo(i)
		if i == 2 {
			content = content[:len(content)/2]
		}
		w.drop("in", fmt.Sprintf("IMG_%d.jpg", i), content)
	}
	p := w.daemon() // to which they come together
	w.lieInDone("in", 7)
	eventually(t, func() error {
		got := files(t, w.folder("in"))
		if len(got) != 7+2*2 || got["failed/IMG_2.jpg"] == "" || got["failed/IMG_4.jpg"] == "" {
			return fmt.Errorf("there are %d files", len(got))
		}
		return nil
	})
	var names []string
	for _, post := range w.sandbox.Posts() {
		for _, m := range post.Media {
			names = append(names, m.Name)
		}
	}
	want := []string{"IMG_1.jpg", "IMG_3.jpg", "IMG_5.jpg", "IMG_6.jpg", "IMG_8.jpg", "IMG_9.jpg", "IMG_10.jpg"}
	if n := w.sandbox.Stats().Posts; n != 1 || !slices.Equal(names, want) {
		t.Errorf("%d messages with %q, want one with %q", n, names, want)
	}
	got := files(t, w.folder("in"))
	for name, word := range map[string]string{"IMG_2.jpg": "truncated", "IMG_4.jpg": "415"} {
		if note := got["failed/"+name+".reason.txt"]; !strings.Contains(note, word) {
			t.Errorf("the note of %s does not say %q:\n%s", name, word, note)
		}
	}
	p.stop()
}

// TestAlbumsSaveCalls: photos take two calls for ten, and the same number of photos by themselves two for each.
// BenchmarkAlbums says how many that makes in a minute.
func TestAlbumsSaveCalls(t *testing.T) {
	t.Parallel()
	for album, photos := range map[string]int{"window": 1000, "off": 100} {
		t.Run(album, func(t *testing.T) {
			t.Parallel()
			w, calls, _ := limitedAlbums(t, album, photos, 600*time.Millisecond)
			if calls != 200+1 { // one for the token
				t.Errorf("%d photos took %d calls, want 201", photos, calls)
			}
			if album == "window" {
				w.wantAlbums("in", photos, 10)
			}
		})
	}
}

// BenchmarkAlbums delivers photos under a limit of 100 calls in a minute, which is shortened to 6 s. docs/how-it-works.md has 490 photos
// a minute with albums and 49 without.
func BenchmarkAlbums(b *testing.B) {
	const minute = 6 * time.Second
	for album, photos := range map[string]int{"window": 1000, "off": 100} {
		b.Run(album, func(b *testing.B) {
			total, took := 0, time.Duration(0)
			for b.Loop() {
				_, _, d := limitedAlbums(b, album, photos, minute)
				total, took = total+photos, took+d
			}
			b.ReportMetric(float64(total)/float64(took)*float64(minute), "photos/minute")
		})
	}
}

// limitedAlbums delivers photos to a service of 100 calls in a minute that is as long as is said. It gives the calls that were
// taken, and the time from the first post to the last.
func limitedAlbums(t testing.TB, album string, photos int, minute time.Duration) (w *world, calls int, took time.Duration) {
	t.Helper()
	limit := &sandbox.Chaos{CallsPerMinute: 100, Window: minute}
	w = newWorldOf(t, sandbox.Options{Chaos: limit}, fmt.Sprintf("album = %q\nalbum_window = \"1s\"", album), "in")
	w.reconfigure("calls_per_minute = 0", fmt.Sprintf("calls_per_minute = %d", 100*time.Minute/minute))
	for i := range photos {
		w.drop("in", fmt.Sprintf("IMG_%d.jpg", i+1), photo(i+1))
	}
	p := w.daemon()
	w.posted(1)
	begun := time.Now()
	w.posted(100)
	took = time.Since(begun)
	w.lieInDone("in", photos)
	p.stop()
	refused := w.sandbox.Disturbed()["throttled"] // which a busy machine's bunches of calls are, now and then
	calls = w.sandbox.Stats().Calls - refused
	t.Logf("%d photos with %d calls, %d more were refused", photos, calls, refused)
	return w, calls, took
}

// lieInDone waits until n files lie in done/, which may have come as fewer messages.
func (w *world) lieInDone(folder string, n int) {
	w.t.Helper()
	eventually(w.t, func() error {
		if got := files(w.t, w.folder(folder)+"/done"); len(got) != n {
			return fmt.Errorf("%d files in done/, want %d", len(got), n)
		}
		return nil
	})
}

// TestAlbumMemory: four albums of ten large photos at once, in constant memory.
func TestAlbumMemory(t *testing.T) {
	t.Parallel()
	if raceEnabled || testing.Short() {
		t.Skip("with the race detector, memory tells nothing")
	}
	size := 2 << 20
	if os.Getenv("KAIZALA_DROP_CI") != "" {
		size = 20 << 20
	}
	folders := []string{"one", "two", "three", "four"}
	w := newWorld(t, "album = \"window\"\nalbum_window = \"2s\"", folders...)
	for f, folder := range folders {
		for i := range 10 {
			n := 10*f + i
			w.drop(folder, fmt.Sprintf("IMG_%d.jpg", i), photo(n)+strings.Repeat(string(rune('a'+n%26)), size))
		}
	}
	p := startProcess(t, exec.Command(buildProgram(t), "run", "--config", w.config))
	for _, folder := range folders {
		w.lieInDone(folder, 10)
	}
	peak := peakMemory(t, p)
	t.Logf("four albums of ten photos of %d MiB each: peak %d KiB", size>>20, peak)
	if peak > 64<<10 {
		t.Errorf("peak memory %d KiB, want under 64 MiB", peak)
	}
	if n := w.sandbox.Stats().Posts; n != 4 {
		t.Errorf("%d messages, want 4", n)
	}
	if n := w.sandbox.MaxConns(); n < 4 {
		t.Errorf("%d connections at once: the four were not side by side", n)
	}
	p.stop()
}
