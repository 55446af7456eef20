package kaizala

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// logIn is what a login in another process does.
func logIn(t *testing.T, f tokenFile, token string) {
	t.Helper()
	must(t, newKeeper(f, zerolog.Nop()).login(token, time.Now()))
}

func opened(t *testing.T, f tokenFile, want string) *keeper {
	t.Helper()
	k := newKeeper(f, zerolog.Nop())
	if got, err := k.first(); got != want || err != nil {
		t.Fatalf("begins with %q, %v, want %q", got, err, want)
	}
	return k
}

func (k *keeper) wantNews(t *testing.T, want string, changed bool) {
	t.Helper()
	if got, is := k.news(); got != want || is != changed {
		t.Errorf("news %q, %t, want %q, %t", got, is, want, changed)
	}
}

// TestLoginCounts: for every start with the same refresh_token in the configuration, or without one, whatever was kept before;
// another one that is written there later counts more, for it is the later word.
func TestLoginCounts(t *testing.T) {
	for _, atLogin := range []string{"", "configured"} {
		f := tokenFile{dir: t.TempDir(), configured: "configured"}
		must(t, save(f, "given later"))
		f.configured = atLogin
		logIn(t, f, "of the login")
		for later, want := range map[string]string{"": "of the login", atLogin: "of the login", "written later": "written later"} {
			wantLoaded(t, tokenFile{dir: f.dir, configured: later}, want)
		}
	}
}

// TestLoginWhileRunning: it counts for a process that runs, whatever that one was configured with, and once only.
func TestLoginWhileRunning(t *testing.T) {
	for _, configured := range []string{"", "configured"} {
		for _, other := range []string{"", "configured", "another"} {
			f := tokenFile{dir: t.TempDir(), configured: configured}
			k := opened(t, f, configured)
			k.wantNews(t, "", false)
			logIn(t, tokenFile{dir: f.dir, configured: other}, "of the login")
			k.wantNews(t, "of the login", true)
			k.wantNews(t, "", false)
			logIn(t, tokenFile{dir: f.dir, configured: other}, "of another login")
			k.wantNews(t, "of another login", true)
			must(t, k.store("its successor"))
			wantLoaded(t, tokenFile{dir: f.dir, configured: other}, "its successor")
			k.wantNews(t, "", false)
		}
	}
}

// TestOldTokenDoesNotReplaceALogin: what was got for the token before a login, also what waits for a disk with room, is not kept.
func TestOldTokenDoesNotReplaceALogin(t *testing.T) {
	for name, late := range map[string]func(k *keeper, login func()){
		"got before, kept after": func(k *keeper, login func()) { login(); k.keep("late") },
		"could not be kept": func(k *keeper, login func()) {
			must(t, os.Rename(k.file.dir, k.file.dir+".away"))
			k.keep("late")
			must(t, os.Rename(k.file.dir+".away", k.file.dir))
			login()
			k.retry()
		},
		"could not be kept, and the end": func(k *keeper, login func()) {
			must(t, os.Rename(k.file.dir, k.file.dir+".away"))
			k.keep("late")
			must(t, os.Rename(k.file.dir+".away", k.file.dir))
			login()
			k.end()
		},
		"seen between": func(k *keeper, login func()) {
			must(t, os.Rename(k.file.dir, k.file.dir+".away"))
			k.keep("late")
			must(t, os.Rename(k.file.dir+".away", k.file.dir))
			login()
			k.wantNews(t, "of the login", true)
			k.retry()
			k.end()
		},
	} {
		for _, kept := range []bool{false, true} {
			f := tokenFile{dir: filepath.Join(t.TempDir(), "state"), configured: "configured"}
			must(t, os.Mkdir(f.dir, 0o700))
			want := "configured"
			if kept {
				want = "kept"
				must(t, save(f, want))
			}
			k := opened(t, f, want)
			late(k, func() { logIn(t, f, "of the login") })
			if got, err := loaded(f); got != "of the login" || err != nil {
				t.Errorf("%s: %q is used, %v", name, got, err)
			}
			if got, changed := k.news(); name != "seen between" && (got != "of the login" || !changed) {
				t.Errorf("%s: goes on with %q, %t", name, got, changed)
			}
			if err := k.store("after"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestLogout: a process that runs goes on with what is configured, and what it got for the removed token is not kept.
func TestLogout(t *testing.T) {
	f := tokenFile{dir: t.TempDir(), configured: "configured"}
	logIn(t, f, "of the login")
	k := opened(t, f, "of the login")
	if was, err := Forget(f.dir, ""); !was || err != nil {
		t.Fatalf("%t, %v", was, err)
	}
	if err := k.store("late"); !errors.Is(err, errSuperseded) {
		t.Errorf("got %v", err)
	}
	k.wantNews(t, "configured", true)
	k.wantNews(t, "", false)
	wantLoaded(t, f, "configured")
	must(t, k.store("for the configured one"))
	wantLoaded(t, f, "for the configured one")

	must(t, os.WriteFile(f.path()+".new", []byte("half a token"), 0o600))
	must(t, os.Remove(f.path()))
	if was, err := Forget(f.dir, ""); was || err != nil {
		t.Errorf("%t, %v", was, err)
	}
	if left, _ := os.ReadDir(f.dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if was, err := Forget(filepath.Join(f.dir, "gone"), ""); was || err != nil {
		t.Errorf("%t, %v", was, err)
	}
}

// TestUnsavedTokenStaysInUse: a process whose token is not on disk yet is led back by nothing but a login or a logout.
func TestUnsavedTokenStaysInUse(t *testing.T) {
	f := tokenFile{dir: filepath.Join(t.TempDir(), "state"), configured: "configured"}
	k := opened(t, f, "configured")
	k.keep("unsaved")
	k.wantNews(t, "", false)
	must(t, os.Mkdir(f.dir, 0o700))
	k.wantNews(t, "", false)
	other := tokenFile{dir: f.dir, configured: "another"}
	must(t, save(other, "not ours"))
	k.wantNews(t, "", false)
	k.retry()
	wantLoaded(t, other, "not ours")
	must(t, os.Remove(f.path()))
	k.keep("unsaved")
	wantLoaded(t, f, "unsaved")
}

// TestUnreadableWhileRunning: what is damaged, or cannot be read, changes nothing and is said once; a damaged file is replaced by
// the next token.
func TestUnreadableWhileRunning(t *testing.T) {
	root := &tokenRoot{}
	f := tokenFile{dir: t.TempDir(), configured: "configured"}
	logIn(t, f, "of the login")
	k := newKeeper(f, zerolog.New(root))
	_, _ = k.first()
	must(t, os.WriteFile(f.path(), []byte("{"), 0o600))
	k.wantNews(t, "", false)
	k.wantNews(t, "", false)
	if log := root.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "damaged") {
		t.Errorf("logged %s", log)
	}
	must(t, k.store("next"))
	wantLoaded(t, tokenFile{dir: f.dir}, "next")
	must(t, os.Remove(f.path()))
	must(t, os.Mkdir(f.path(), 0o700))
	k.wantNews(t, "", false)
	if err := k.store("later"); err == nil || strings.Contains(err.Error(), "later") {
		t.Errorf("got %v", err)
	}
}

// TestManyWriters: whoever writes at the same time, what is read is whole, and what a login stored is replaced by successors of it
// and by other logins only.
func TestManyWriters(t *testing.T) {
	f := tokenFile{dir: t.TempDir(), configured: "configured"}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var daemons sync.WaitGroup
	for n := range 3 {
		daemons.Go(func() {
			k := newKeeper(f, zerolog.Nop())
			token, _ := k.first()
			for i := 0; ctx.Err() == nil; i++ {
				if err := k.store(fmt.Sprintf("%s>%d.%d", strings.SplitN(token, ">", 2)[0], n, i)); err != nil && !errors.Is(err, errSuperseded) {
					t.Error(err)
				}
				if news, changed := k.news(); changed {
					token = news
				}
			}
		})
	}
	for i := range 50 {
		login := fmt.Sprint("login", i)
		logIn(t, f, login)
		for range 5 {
			if got, err := loaded(f); err != nil || strings.SplitN(got, ">", 2)[0] != login {
				t.Errorf("%s was replaced by %q, %v", login, got, err)
			}
		}
	}
	stop()
	daemons.Wait()
	if left, _ := os.ReadDir(f.dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestCrashWhileStoring: whatever a process left that was killed while it wrote, the next one stores its token.
func TestCrashWhileStoring(t *testing.T) {
	for name, left := range map[string]func(path string) error{
		"nothing written": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"half": func(path string) error {
			return os.WriteFile(path, []byte(`{"replaces_sha256":"ab","refresh_to`), 0o600)
		},
		"not to be read": func(path string) error { return os.WriteFile(path, []byte("{}"), 0) },
		"link":           func(path string) error { return os.Symlink("/etc/hostname", path) },
		"empty folder":   func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		f := tokenFile{dir: t.TempDir(), configured: "configured"}
		must(t, save(f, "before"))
		must(t, left(f.path()+".new"))
		wantLoaded(t, f, "before")
		must(t, f.try())
		wantLoaded(t, f, "before")
		logIn(t, f, "of the login")
		wantLoaded(t, f, "of the login")
		if entries, _ := os.ReadDir(f.dir); len(entries) != 1 {
			t.Errorf("%s: left behind: %v", name, entries)
		}
	}
}

// TestLinksAreNotFollowed: who may write to state_dir must not have root read or write elsewhere.
func TestLinksAreNotFollowed(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte(`{"replaces_sha256":"ab","refresh_token":"x"}`), 0o600))
	f := tokenFile{dir: t.TempDir()}
	must(t, os.Symlink(outside, f.path()))
	if token, err := loaded(f); token != "" || err == nil {
		t.Errorf("read %q, %v", token, err)
	}
	logIn(t, f, "of the login")
	wantLoaded(t, f, "of the login")
	if text, _ := os.ReadFile(outside); !strings.Contains(string(text), `"x"`) {
		t.Errorf("outside was written: %s", text)
	}
}

// spelled gives a header as a client spells it, which none that went over the network is any more.
func spelled(r *http.Request, name string) string {
	for header, values := range r.Header {
		if header == name {
			return values[0]
		}
	}
	return ""
}

// TestRefusedUntilLogin: a client whose token is refused goes on with that of a login at its next call, without being told.
func TestRefusedUntilLogin(t *testing.T) {
	good := ""
	dir := t.TempDir()
	k := app(t, "https://auth.example", func(o *Options) {
		o.StateDir = dir
		o.Transport = transportFunc(func(r *http.Request) (int, string) {
			switch {
			case r.URL.Path != "/v1/accessToken":
				return 200, goodAction
			case spelled(r, "refreshToken") != good:
				return 403, `{"errorCode":"InvalidToken"}`
			}
			return 200, grantText("t", "https://calls.example", in(24*time.Hour), nil)
		})
	})
	if _, err := k.Post(t.Context(), post("")); !wireError(t, err).Unauthorized() {
		t.Errorf("got %v", err)
	}
	good = "of the login"
	logIn(t, tokenFile{dir: dir}, good)
	if _, err := k.Post(t.Context(), post("")); err != nil {
		t.Error(err)
	}
}

// TestKeepFreshSeesLogins: a client whose token is good goes on with that of a login as well, and with none after a logout; what
// it got for the token before is not used any more.
func TestKeepFreshSeesLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		logins := 0
		root, dir := &tokenRoot{}, t.TempDir()
		k := app(t, "https://auth.example", func(o *Options) {
			o.OnLogin = func() { logins++ }
			o.StateDir, o.RefreshToken, o.Log = dir, "", zerolog.New(root)
			o.Transport = transportFunc(func(r *http.Request) (int, string) {
				if r.URL.Path != "/v1/accessToken" {
					asked = append(asked, "with "+spelled(r, "accessToken"))
					return 200, goodAction
				}
				refresh := spelled(r, "refreshToken")
				asked = append(asked, refresh)
				return 200, grantText("access of "+refresh, "https://calls.example", in(24*time.Hour), nil)
			})
		})
		want := func(step string, calls ...string) {
			t.Helper()
			time.Sleep(lookEvery + time.Second)
			synctest.Wait()
			if strings.Join(asked, "|") != strings.Join(calls, "|") {
				t.Errorf("%s: %q, want %q", step, asked, calls)
			}
			asked = nil
		}
		if err := k.Ready(); !errors.Is(err, ErrNoToken) || !strings.Contains(err.Error(), "kaizala-drop login kaizala") {
			t.Errorf("got %v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := start(func() error { return k.KeepFresh(ctx) })
		want("nothing is there")
		if _, err := k.Post(t.Context(), post("")); !errors.Is(err, ErrNoToken) || !wireError(t, err).Unauthorized() {
			t.Errorf("got %v", err)
		}
		logIn(t, tokenFile{dir: dir}, "first")
		want("a login", "first")
		_, _ = k.Post(t.Context(), post(""))
		want("a post", "with access of first")
		logIn(t, tokenFile{dir: dir, configured: "whatever"}, "second")
		want("another login", "second")
		_, _ = k.Post(t.Context(), post(""))
		want("a post", "with access of second")
		_, err := Forget(dir, "")
		must(t, err)
		want("a logout")
		if _, err := k.Post(t.Context(), post("")); !errors.Is(err, ErrNoToken) {
			t.Errorf("got %v", err)
		}
		want("a post")
		if log := root.logged(); strings.Contains(log, "first") || strings.Contains(log, "second") || strings.Count(log, `"level":"error"`) != 2 {
			t.Errorf("logged %s", log)
		}
		stop()
		must(t, <-ended)
		if logins != 2 {
			t.Errorf("%d logins were told, want 2: a good token each, and not the logout", logins)
		}
	})
}
