package kaizala

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// loaded is what a process uses that starts now.
func loaded(f tokenFile) (string, error) { return newKeeper(f, zerolog.Nop()).first() }

// save is what a process does that starts now and gets a new token.
func save(f tokenFile, token string) error {
	k := newKeeper(f, zerolog.Nop())
	_, _ = k.first()
	return k.store(token)
}

func wantLoaded(t *testing.T, f tokenFile, want string) {
	t.Helper()
	if got, err := loaded(f); got != want || err != nil {
		t.Errorf("loaded %q, %v, want %q", got, err, want)
	}
}

// TestKeptTokenReplacesTheConfiguredOne shows that a kept token is used while the token that it replaces is configured, and
// that its file is readable for the owner only.
func TestKeptTokenReplacesTheConfiguredOne(t *testing.T) {
	f := tokenFile{dir: t.TempDir(), configured: "configured"}
	wantLoaded(t, f, "configured")
	for _, token := range []string{"second", "third"} {
		if err := save(f, token); err != nil {
			t.Fatal(err)
		}
		wantLoaded(t, f, token)
	}
	wantLoaded(t, tokenFile{dir: f.dir, configured: "another"}, "another")
	wantLoaded(t, tokenFile{dir: f.dir}, "third") // who removes the configured one means nothing by it
	info, err := os.Stat(filepath.Join(f.dir, "refresh-token.json"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	text, _ := os.ReadFile(filepath.Join(f.dir, "refresh-token.json"))
	if strings.Contains(string(text), "configured") {
		t.Errorf("the configured token is repeated: %s", text)
	}
	if left, _ := os.ReadDir(f.dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestDamagedTokenFile shows that the configured token is used if the file is damaged, that the error says why, and that the
// next token is kept all the same.
func TestDamagedTokenFile(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut off": `{"replaces_sha256":"ab","refresh_to`, "nothing in it": "{}", "binary": "\x00\xff", "long": strings.Repeat(" ", 1<<20),
		"no header": `{"replaces_sha256":"ab","refresh_token":"a\nb"}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := tokenFile{dir: t.TempDir(), configured: "configured"}
			if err := os.WriteFile(filepath.Join(f.dir, "refresh-token.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			token, err := loaded(f)
			if token != "configured" || err == nil || !strings.Contains(err.Error(), "refresh-token.json") || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("%q, %v", token, err)
			}
			if err := save(f, "second"); err != nil {
				t.Fatal(err)
			}
			wantLoaded(t, f, "second")
		})
	}
}

// TestCrashWhileSavingToken shows that the file which a crash leaves is not taken for the token, and does not prevent the next
// save.
func TestCrashWhileSavingToken(t *testing.T) {
	f := tokenFile{dir: t.TempDir(), configured: "configured"}
	if err := save(f, "second"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "refresh-token.json"+".new"), []byte(`{"repl`), 0o600); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, f, "second")
	if err := save(f, "third"); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, f, "third")
}

// TestCannotSaveToken shows that the error names the file and shows no token.
func TestCannotSaveToken(t *testing.T) {
	gone := tokenFile{dir: filepath.Join(t.TempDir(), "gone"), configured: "configured"}
	inTheWay := tokenFile{dir: t.TempDir(), configured: "configured"}
	if err := os.MkdirAll(filepath.Join(inTheWay.dir, "refresh-token.json", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range []tokenFile{gone, inTheWay} {
		err := save(f, "very-secret")
		if err == nil || !strings.Contains(err.Error(), "refresh-token.json") || strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%v", err)
		}
	}
	if _, err := loaded(inTheWay); err == nil {
		t.Error("no error of a folder in its place")
	}
	if left, _ := os.ReadDir(inTheWay.dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestOwnerOfTokenFile shows that a file which root saves belongs to the owner of the folder.
func TestOwnerOfTokenFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	f := tokenFile{dir: t.TempDir(), configured: "configured"}
	if err := os.Chown(f.dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := save(f, "second"); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(f.dir, "refresh-token.json"), &st); err != nil || st.Uid != 65534 {
		t.Errorf("uid %d, %v", st.Uid, err)
	}
}

// TestTokensApart shows that destinations keep their tokens apart, and that the destination of [kaizala] keeps its file name.
func TestTokensApart(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"kaizala", "office", "branch"} {
		must(t, save(tokenFile{dir, name, "configured"}, "new of "+name))
	}
	for _, name := range []string{"kaizala", "office", "branch"} {
		wantLoaded(t, tokenFile{dir, name, "configured"}, "new of "+name)
	}
	wantLoaded(t, tokenFile{dir: dir, configured: "configured"}, "new of kaizala")
}
