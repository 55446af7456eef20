package tokenfile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/tokenfile"
)

const path = "refresh-token.json"

func wantLoaded(t *testing.T, f tokenfile.File, want string) {
	t.Helper()
	if got, err := f.Load(); got != want || err != nil {
		t.Errorf("loaded %q, %v, want %q", got, err, want)
	}
}

func TestKeptTokenReplacesTheConfiguredOne(t *testing.T) {
	f := tokenfile.File{Dir: t.TempDir(), Configured: "configured"}
	wantLoaded(t, f, "configured")
	for _, token := range []string{"second", "third"} {
		if err := f.Save(token); err != nil {
			t.Fatal(err)
		}
		wantLoaded(t, f, token)
	}
	wantLoaded(t, tokenfile.File{Dir: f.Dir, Configured: "another"}, "another")
	wantLoaded(t, tokenfile.File{Dir: f.Dir}, "")
	info, err := os.Stat(filepath.Join(f.Dir, path))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	text, _ := os.ReadFile(filepath.Join(f.Dir, path))
	if strings.Contains(string(text), "configured") {
		t.Errorf("the configured token is repeated: %s", text)
	}
	if left, _ := os.ReadDir(f.Dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDamaged(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut off": `{"replaces_sha256":"ab","refresh_to`, "nothing in it": "{}", "binary": "\x00\xff", "long": strings.Repeat(" ", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			f := tokenfile.File{Dir: t.TempDir(), Configured: "configured"}
			if err := os.WriteFile(filepath.Join(f.Dir, path), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			token, err := f.Load()
			if token != "configured" || err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("%q, %v", token, err)
			}
			if err := f.Save("second"); err != nil {
				t.Fatal(err)
			}
			wantLoaded(t, f, "second")
		})
	}
}

// TestCrashWhileSaving: what a crash leaves is in nobody's way and is not taken for the token.
func TestCrashWhileSaving(t *testing.T) {
	f := tokenfile.File{Dir: t.TempDir(), Configured: "configured"}
	if err := f.Save("second"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.Dir, path+".new"), []byte(`{"repl`), 0o600); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, f, "second")
	if err := f.Save("third"); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, f, "third")
}

func TestCannotSave(t *testing.T) {
	gone := tokenfile.File{Dir: filepath.Join(t.TempDir(), "gone"), Configured: "configured"}
	inTheWay := tokenfile.File{Dir: t.TempDir(), Configured: "configured"}
	if err := os.MkdirAll(filepath.Join(inTheWay.Dir, path, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []tokenfile.File{gone, inTheWay} {
		err := f.Save("very-secret")
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%v", err)
		}
	}
	if _, err := inTheWay.Load(); err == nil {
		t.Error("no error of a folder in its place")
	}
	if left, _ := os.ReadDir(inTheWay.Dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestOwner: what root saves for the daemon is the daemon's.
func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	f := tokenfile.File{Dir: t.TempDir(), Configured: "configured"}
	if err := os.Chown(f.Dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := f.Save("second"); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(f.Dir, path), &st); err != nil || st.Uid != 65534 {
		t.Errorf("uid %d, %v", st.Uid, err)
	}
}
