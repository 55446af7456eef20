package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefaults(t *testing.T) {
	dir := tree(t)
	c := mustLoad(t, dir, token+folderA, env("TOKEN", "t0ken"))
	want := Config{
		Path: c.Path, StateDir: "/var/lib/kaizala-drop", LogLevel: "info", LogFormat: "auto",
		KeepHistory: 90 * 24 * time.Hour, ShutdownGrace: 20 * time.Second,
		Control: Control{Socket: "/run/kaizala-drop/control.sock"},
		Destinations: []Destination{{
			Name: "kaizala", Type: "kaizala", Kaizala: Kaizala{Endpoint: "https://api.kaiza.la", AccessToken: NewSecret("t0ken")},
			Limits: Limits{CallsPerMinute: 100, MaxUploads: 4, MaxAttempts: 10, StallTimeout: time.Minute, ConnectTimeout: 10 * time.Second},
		}},
		Folders: []Folder{{
			Path: dir + "/a", Destination: "kaizala", GroupID: "g@2",
			Settle: 5 * time.Second, SettleRemote: 15 * time.Second, TruncatedAfter: 2 * time.Minute, Rescan: time.Minute,
			Album: "off", AlbumWindow: 5 * time.Second, AlbumMax: 10,
			Done: dir + "/a/done", Failed: dir + "/a/failed", Ignore: []string{}, Only: []string{}, VerifyEnding: true, WhenUnknown: "repost",
			WarnAfter: 15 * time.Minute,
		}},
		Warnings: []Problem{}, Files: []string{c.Path},
	}
	if len(c.Warnings) == 0 {
		c.Warnings = []Problem{}
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestEverySettingIsRead(t *testing.T) {
	dir := tree(t)
	c := mustLoad(t, dir, `
state_dir = "/var/lib/x/"
log_level = "debug"
log_format = "json"
keep_history = "1d12h"
shutdown_grace = "0s"
control.socket = "/run/x"
[kaizala]
endpoint = "http://127.0.0.1:8080/kaizala/"
application_id = "id"
application_secret = "file:$DIR/secrets/good"
refresh_token = "credential:good"
calls_per_minute = 0
max_uploads = 64
stall_timeout = "90s"
connect_timeout = "1s"
max_attempts = 1
[[folder]]
path = "$DIR/link-to-a/"
group_id = "a group, not a GUID"
recursive = true
settle = "1m"
settle_remote = "2m"
truncated_after = "3m"
rescan = "1s"
caption = "{{.Name}}"
album = "window"
album_window = "1s"
album_max = 100
allow_hardlinks = true
done = "$DIR/x/../out"
failed = "../failed"
ignore = ["*.bak", "~*"]
only = ["*.pdf", "in/**"]
warn_after = "1h"
remove_emptied = true
verify_ending = false
when_unknown = "hold"
`, env("CREDENTIALS_DIRECTORY", dir+"/secrets"))
	f := c.Folders[0]
	shown, err := f.Caption.Render(f.Path, []string{"scan.pdf"}, time.Now())
	if err != nil || shown != "scan.pdf" {
		t.Errorf("caption %q, %v", shown, err)
	}
	f.Caption = Caption{}
	wantFolder := Folder{
		Path: dir + "/link-to-a", Destination: "kaizala", GroupID: "a group, not a GUID", Recursive: true,
		Settle: time.Minute, SettleRemote: 2 * time.Minute, TruncatedAfter: 3 * time.Minute, Rescan: time.Second,
		Album: "window", AlbumWindow: time.Second, AlbumMax: 100, AllowHardlinks: true,
		Done: dir + "/out", Failed: dir + "/failed", Ignore: []string{"*.bak", "~*"}, Only: []string{"*.pdf", "in/**"}, WhenUnknown: "hold",
		WarnAfter: time.Hour, RemoveEmptied: true,
	}
	if !reflect.DeepEqual(f, wantFolder) {
		t.Errorf("got  %+v\nwant %+v", f, wantFolder)
	}
	wantKaizala := Kaizala{
		Endpoint: "http://127.0.0.1:8080/kaizala", ApplicationID: "id",
		ApplicationSecret: NewSecret("s3cret"), RefreshToken: NewSecret("s3cret"),
	}
	wantLimits := Limits{CallsPerMinute: 0, MaxUploads: 64, MaxAttempts: 1, StallTimeout: 90 * time.Second, ConnectTimeout: time.Second}
	if c.Destinations[0].Kaizala != wantKaizala || c.Destinations[0].Limits != wantLimits {
		t.Errorf("got  %+v\nwant %+v, %+v", c.Destinations[0], wantKaizala, wantLimits)
	}
	if !slices.Equal(c.Files, []string{c.Path, dir + "/secrets/good"}) {
		t.Errorf("read are %q", c.Files)
	}
	c.Destinations, c.Folders, c.Files, c.Path = nil, nil, nil, ""
	want := Config{StateDir: "/var/lib/x", LogLevel: "debug", LogFormat: "json", KeepHistory: 36 * time.Hour, Control: Control{Socket: "/run/x"}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

// TestTableCoversConfig: a field that no row fills would keep its zero value whatever the file says.
func TestTableCoversConfig(t *testing.T) {
	fields := func(v any, besides ...string) (names []string) {
		for f := range reflect.TypeOf(v).Fields() {
			if !slices.Contains(besides, f.Name) {
				names = append(names, strings.ToLower(f.Name))
			}
		}
		return names
	}
	want := map[string][]string{
		"":                 fields(Config{}, "Path", "Control", "Destinations", "Folders", "Warnings", "Examples", "Files", "Unresolved"),
		controlSection:     fields(Control{}),
		kaizalaSection:     append(fields(Kaizala{}), fields(Limits{})...),
		destinationSection: slices.Concat(fields(Kaizala{}), fields(Matrix{}, "AccessToken"), fields(Limits{}), []string{"type"}),
		folderSection:      fields(Folder{}),
	}
	for section, want := range want {
		var got []string
		for _, name := range namesIn(section) {
			got = append(got, strings.ReplaceAll(name, "_", ""))
		}
		slices.Sort(got)
		slices.Sort(want)
		if len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("section %q: settings %v, fields %v", section, got, want)
		}
	}
}

func TestDefaultsAreMerged(t *testing.T) {
	dir := tree(t)
	c := mustLoad(t, dir, token+`
[defaults]
settle = "30s"
ignore = ["*.bak"]
done = "$DIR/all-done"
caption = "from {{.Folder}}"
[[folder]]
path = "$DIR/a"
group_id = "g"
[[folder]]
path = "$DIR/b"
group_id = "h"
settle = "7s"
ignore = ["*.old", "x*"]
done = "mine"
caption = ""
`, env("TOKEN", "t"))
	a, b := c.Folders[0], c.Folders[1]
	if a.Settle != 30*time.Second || b.Settle != 7*time.Second {
		t.Errorf("settle %v, %v", a.Settle, b.Settle)
	}
	if a.SettleRemote != 30*time.Second || b.SettleRemote != 15*time.Second {
		t.Errorf("settle_remote %v, %v: want never less than settle", a.SettleRemote, b.SettleRemote)
	}
	if !slices.Equal(a.Ignore, []string{"*.bak"}) || !slices.Equal(b.Ignore, []string{"*.old", "x*"}) {
		t.Errorf("ignore %q, %q", a.Ignore, b.Ignore)
	}
	if a.Done != dir+"/all-done" || b.Done != dir+"/b/mine" {
		t.Errorf("done %q, %q", a.Done, b.Done)
	}
	if a.Caption == (Caption{}) || b.Caption != (Caption{}) {
		t.Error("want the caption of [defaults] in the first folder, none in the second")
	}
}

// TestOtherWaysToWriteIt: TOML has several for one thing.
// TestAlbumsOfSubfoldersAreRecursive without a word about it: the subfolders are what they are made of.
func TestAlbumsOfSubfoldersAreRecursive(t *testing.T) {
	dir := tree(t)
	for text, want := range map[string]bool{
		token + folderA:                                                              false,
		token + folderA + "album = 'window'\n":                                       false,
		token + folderA + "album = 'subfolder'\n":                                    true,
		token + folderA + "album = 'subfolder'\nrecursive = false\n":                 true,
		token + "[defaults]\nalbum = 'subfolder'\n" + folderA:                        true,
		token + "[defaults]\nalbum = 'subfolder'\n" + folderA + "album = 'window'\n": false,
	} {
		f := mustLoad(t, dir, text, env("TOKEN", "t")).Folders[0]
		if f.Recursive != want || f.RemoveEmptied != want {
			t.Errorf("recursive is %v, remove_emptied %v with\n%s", f.Recursive, f.RemoveEmptied, text)
		}
	}
}

func TestOtherWaysToWriteIt(t *testing.T) {
	dir := tree(t)
	for name, text := range map[string]string{
		"Notepad":     "\xef\xbb\xbf" + token + "[defaults]\nsettle='7s'\n" + folderA,
		"dotted":      "kaizala.access_token = 'env:TOKEN'\ndefaults.settle = '7s'\n" + folderA,
		"inline":      "folder = [{path = '$DIR/a', group_id = 'g'}]\ndefaults = {settle = '7s'}\nkaizala = {access_token='env:TOKEN'}",
		"quoted":      "['kaizala']\n\"access_token\" = 'env:TOKEN'\n[\"defaults\"]\n\"s\\u0065ttle\" = '7s'\n" + folderA,
		"CRLF":        strings.ReplaceAll(token+"[defaults]\nsettle='7s'\n"+folderA, "\n", "\r\n"),
		"byte order":  "\ufeff" + token + "[defaults]\nsettle='7s'\n" + folderA,
		"out of turn": folderA + "[defaults]\nsettle='7s'\n" + token,
	} {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, dir, text, env("TOKEN", "t0ken"))
			if len(c.Folders) != 1 || c.Folders[0].Settle != 7*time.Second || c.Destinations[0].Kaizala.AccessToken.Reveal() != "t0ken" {
				t.Errorf("got %+v", c)
			}
		})
	}
}

func TestStateDirectory(t *testing.T) {
	dir := tree(t)
	for _, test := range []struct{ setting, variable, want string }{
		{"", "", "/var/lib/kaizala-drop"},
		{"", "/run/state", "/run/state"},
		{"", "/run/state/:/run/other", "/run/state"},
		{"state_dir = '/set'\n", "/run/state", "/set"},
		{"state_dir = '/set/'\n", "not/absolute", "/set"},
	} {
		c := mustLoad(t, dir, test.setting+token+folderA, env("TOKEN", "t", "STATE_DIRECTORY", test.variable))
		if c.StateDir != test.want {
			t.Errorf("%q with $STATE_DIRECTORY %q: got %q, want %q", test.setting, test.variable, c.StateDir, test.want)
		}
	}
	got := problemsOf(t, dir, token+folderA, env("TOKEN", "t", "STATE_DIRECTORY", "not/absolute"))
	if len(got) != 1 || !strings.Contains(got[0].Text, `$STATE_DIRECTORY must begin with an absolute path, not "not/absolute"`) {
		t.Errorf("got %v", got)
	}
}

func TestUnreadableFile(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]error{
		filepath.Join(dir, "missing.toml"): fs.ErrNotExist,
		dir:                                nil, // some error; which one is the system's affair
	} {
		_, err := Load(path, Environment{})
		if _, ok := errors.AsType[*fs.PathError](err); !ok || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want an *fs.PathError with the path", path, err)
		}
		if want != nil && !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", path, err, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	dir := tree(t)
	text := "[kaizala]\napplication_id = 'id'\napplication_secret = 'hunter2'\nrefresh_token = 'file:$DIR/secrets/good'\n" + folderA
	for _, test := range []struct {
		mode, secret fs.FileMode
		want         []Problem
	}{
		{0o600, 0o600, nil},
		{0o600, 0o640, nil}, // root's, and the daemon's by its group
		{0o640, 0o600, nil},
		{0o604, 0o604, []Problem{
			{3, "application_secret is written out in a file that others can read (mode 0604): run chmod o= "},
			{4, "refresh_token lies in "},
		}},
	} {
		path := write(t, dir, text)
		for path, mode := range map[string]fs.FileMode{path: test.mode, dir + "/secrets/good": test.secret} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		c, err := Load(path, Environment{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(c.Warnings, test.want, func(got, want Problem) bool {
			return got.Line == want.Line && strings.HasPrefix(got.Text, want.Text) && !strings.Contains(got.Text, "hunter2")
		}) {
			t.Errorf("modes %o and %o: got %v, want %v", test.mode, test.secret, c.Warnings, test.want)
		}
	}
}
