package setup

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// TestQuestionsFollow: what is known is not asked, what is not known is asked in an order in which each answer is there when it is needed,
// and each answer leads on.
func TestQuestionsFollow(t *testing.T) {
	answers := map[Question]func(*Known){
		AskDestination: func(k *Known) { k.Destination, k.Type, k.Configured = "chat", Matrix, true },
		AskType:        func(k *Known) { k.Type = Matrix },
		AskHomeserver:  func(k *Known) { k.Homeserver = "b.org" },
		AskEndpoint:    func(k *Known) { k.Endpoint = "https://b.org" },
		AskApplication: func(k *Known) { k.ApplicationID = "1" },
		AskSecret:      func(k *Known) { k.Secret = true },
		LogIn:          func(k *Known) { k.LoggedIn = true },
		AskTarget:      func(k *Known) { k.Target = "#a:b.org" },
		AskFolder:      func(k *Known) { k.Folder = "/srv/drop/a" },
		AskPeople:      func(k *Known) { k.People = "scans" },
		AskMend:        func(k *Known) { k.Mended = true },
		AskPresent:     func(k *Known) { k.Agreed = true },
		AskPlan:        func(k *Known) { k.Planned = true },
	}
	for name, c := range map[string]struct {
		known Known
		want  []Question
	}{
		"nothing":              {Known{}, []Question{AskType, AskHomeserver, LogIn, AskTarget, AskFolder, AskMend, AskPlan}},
		"Kaizala":              {Known{Type: Kaizala}, []Question{AskEndpoint, AskApplication, AskSecret, LogIn, AskTarget, AskFolder, AskMend, AskPlan}},
		"a second folder":      {Known{Destination: "chat", Destinations: 1, Type: Matrix, Configured: true, LoggedIn: true}, []Question{AskTarget, AskFolder, AskMend, AskPlan}},
		"several destinations": {Known{Destinations: 2, LoggedIn: true}, []Question{AskDestination, AskTarget, AskFolder, AskMend, AskPlan}},
		"a folder to make":     {Known{Type: Matrix, Configured: true, LoggedIn: true, Target: "!a", Folder: "/a", Makes: true}, []Question{AskPeople, AskPlan}},
		"a full folder":        {Known{Type: Matrix, Configured: true, LoggedIn: true, Target: "!a", Folder: "/a", Holds: Holds{Files: 3}}, []Question{AskMend, AskPresent, AskPlan}},
	} {
		var asked []Question
		for k, q := c.known, Next(c.known); q != Done && len(asked) < 20; q = Next(k) {
			asked = append(asked, q)
			answers[q](&k)
		}
		if !slices.Equal(asked, c.want) {
			t.Errorf("%s: asked %v, want %v", name, asked, c.want)
		}
	}
}

// TestMissingFlags: a script is told all flags that it lacks at once, and of none that has a default.
func TestMissingFlags(t *testing.T) {
	for want, k := range map[string]Known{
		"--homeserver for Matrix, or --application-id for Kaizala; --room or --group; --folder":            {},
		"--user with --password-stdin, or --token-stdin; --room; --folder":                                 {Type: Matrix, Homeserver: "b"},
		"--homeserver; --user with --password-stdin, or --token-stdin; --folder":                           {Type: Matrix, Target: "!a"},
		"--application-id; --application-secret-file; --phone, or --refresh-token-file; --group; --folder": {Type: Kaizala, Endpoint: "b"},
		"--destination (there are several); --room or --group; --folder":                                   {Destinations: 2},
		"": {Type: Matrix, Configured: true, LoggedIn: true, Target: "a", Folder: "/a", Makes: true},
	} {
		if got := strings.Join(Missing(k), "; "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestFolderName: a room's name becomes one that is easily typed, in any script.
func TestFolderName(t *testing.T) {
	for called, want := range map[string]string{
		"#reception:example.org": "reception", "Lab, 2nd floor": "lab-2nd-floor", "  Größe/../x ": "größe-x", "写真": "写真", "..": "", "🦄": "",
		"हिन्दी": "हिन्दी", strings.Repeat("long ", 30): "long-long-long-long-long-long-long-long-long-long",
	} {
		if got := FolderName(called); got != want {
			t.Errorf("%q: got %q, want %q", called, got, want)
		}
	}
}

// TestLacks: for each way in which a folder may be of no use, there is a word and a command, and one that is right lacks nothing.
func TestLacks(t *testing.T) {
	right := Folder{Path: "/srv/My scans", There: true, IsFolder: true, Mode: fs.ModeDir | fs.ModeSetgid | 0o770, Group: "drop", InGroup: true, Usable: true}
	for command, change := range map[string]func(*Folder){
		"":                         func(*Folder) {},
		"usermod -aG scans daemon": func(f *Folder) { f.Group, f.InGroup, f.Usable = "scans", false, false },
		"chgrp drop '/srv/My scans' && chmod g+rwxs '/srv/My scans'": func(f *Folder) { f.Group, f.Private, f.InGroup, f.Usable = "anna", true, false, false },
		"chmod g+rwxs '/srv/My scans'":                               func(f *Folder) { f.Mode, f.Usable = fs.ModeDir|0o750, false },
		"chmod g+s '/srv/My scans'":                                  func(f *Folder) { f.Mode = fs.ModeDir | 0o770 },
		"chmod o+x /srv":                                             func(f *Folder) { f.Blocked, f.Usable = "/srv", false },
	} {
		f := right
		change(&f)
		got := Lacks(f, "daemon", "drop")
		if command == "" && len(got) != 0 || command != "" && (len(got) != 1 || got[0].Command != command || got[0].What == "") {
			t.Errorf("%q: %+v", command, got)
		}
	}
	for name, f := range map[string]Folder{"open to all": {There: true, IsFolder: true, Mode: fs.ModeDir | 0o777, Usable: true}, "not there": {}} {
		if got := Lacks(f, "daemon", "drop"); len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := Lacks(Folder{Path: "/x", There: true}, "d", "d"); len(got) != 1 || got[0].Mends {
		t.Errorf("a file: %+v", got)
	}
}

// TestCleanPath: what people type is taken as they mean it, or refused with what to write.
func TestCleanPath(t *testing.T) {
	for typed, want := range map[string]string{
		" /srv/a/ ": "/srv/a", `"/srv/a b"`: "/srv/a b", "'/srv/a'": "/srv/a", "/srv/a'b": "/srv/a'b", "/srv//x/../ü": "/srv/ü",
	} {
		if got, trouble := CleanPath(typed, "/here"); got != want || trouble != "" {
			t.Errorf("%q: %q, %s", typed, got, trouble)
		}
	}
	for typed, want := range map[string]string{
		"": "from / on", "scans": "is /here/scans meant?", "~/scans": "without ~", "/": "all of /", "/srv/..": "all of /", "/a\xff": "UTF-8", "/a\x00": "NUL", `""`: "from / on",
	} {
		if got, trouble := CleanPath(typed, "/here"); got != "" || !strings.Contains(trouble, want) {
			t.Errorf("%q: %q, %s", typed, got, trouble)
		}
	}
}

// TestUnitLines: a folder that the unit has is left alone, any other one gets its line, also one whose name must be quoted.
func TestUnitLines(t *testing.T) {
	u := Unit{Paths: []string{"-/srv/drop"}, Binds: []string{"/home/anna/Scans:/home/anna/Scans"}, Groups: []string{"kaizala-drop"}, Credentials: []string{"application-secret"}}
	for name, c := range map[string]struct {
		needs Needs
		want  []string
	}{
		"below /srv/drop":  {Needs{Paths: []string{"/srv/drop/a", "/srv/drop/a"}, Group: "kaizala-drop", Credentials: []string{"application-secret"}}, nil},
		"beside it":        {Needs{Paths: []string{"/srv/dropped"}, Group: "scans"}, []string{"ReadWritePaths=-/srv/dropped", "SupplementaryGroups=scans"}},
		"at home":          {Needs{Paths: []string{"/home/anna/Scans/x", "/home/berta/My scans"}}, []string{`BindPaths="-/home/berta/My scans"`}},
		"odd":              {Needs{Paths: []string{`/data/100% "x"`}}, []string{`ReadWritePaths="-/data/100%% \"x\""`}},
		"another secret":   {Needs{Credentials: []string{"b-secret"}}, []string{"LoadCredential=b-secret:kaizala-drop.b-secret"}},
		"a link elsewhere": {Needs{Paths: []string{"/srv/drop/a", "/data/a"}}, []string{"ReadWritePaths=-/data/a"}},
	} {
		if got, err := u.Lines(c.needs); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	u.Closed = true
	for path, want := range map[string][]string{
		"/home/berta/a": {"ProtectHome=tmpfs", "BindPaths=-/home/berta/a"}, "/home/anna/Scans/x": {"ProtectHome=tmpfs"}, "/srv/drop/a": nil,
	} {
		if got, err := u.Lines(Needs{Paths: []string{path}}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s with closed homes: %q, %v", path, got, err)
		}
	}
	for _, path := range []string{"/tmp/a", "/var/tmp", "/dev/shm/a", "/home/a:b", "/data/a\nb"} {
		if got, err := u.Lines(Needs{Paths: []string{path}}); err == nil {
			t.Errorf("%q: %q", path, got)
		}
	}
}

// TestDropIn: lines are added to what is there, once.
func TestDropIn(t *testing.T) {
	one := DropIn("", []string{"ReadWritePaths=/a"})
	two := DropIn(one, []string{"ReadWritePaths=/a", "BindPaths=/home/b"})
	if !strings.HasSuffix(one, "\n\n[Service]\nReadWritePaths=/a\n") || two != one+"BindPaths=/home/b\n" {
		t.Errorf("%q, %q", one, two)
	}
	if got := DropIn("[Service]\nA=b\n[Unit]\nC=d", []string{"E=f"}); got != "[Service]\nA=b\n[Unit]\nC=d\n\n[Service]\nE=f\n" {
		t.Errorf("%q", got)
	}
}

// TestParseUnit: what drop-ins add is there, what they take back is not, and what was written by Lines is understood.
func TestParseUnit(t *testing.T) {
	odd := []string{`/data/100% "x"\y`, "/data/it's", "/data/plain"}
	lines, err := Unit{}.Lines(Needs{Paths: odd})
	if err != nil {
		t.Fatal(err)
	}
	u := ParseUnit("# ReadWritePaths=/no\n[Unit]\nUser=no\n[Service]\nUser=drop\nGroup=drop\nReadWritePaths=/old\nReadWritePaths=\nReadWritePaths=-/srv/drop '/a b'\n" +
		"ProtectHome=tmpfs\nProtectHome=yes\nLoadCredential=x:y.x\nSupplementaryGroups=a b\n" + DropIn("", lines) + "BindPaths=\"/home/a b\":/c\n")
	for i := range odd {
		odd[i] = "-" + odd[i]
	}
	slices.Sort(odd)
	if !slices.Equal(u.Paths, append([]string{"-/srv/drop", "/a b"}, odd...)) || u.User != "drop" || !u.Closed || ParseUnit("[Service]\nProtectHome=yes\nProtectHome=tmpfs\n").Closed || !slices.Equal(u.Groups, []string{"drop", "a", "b"}) ||
		!slices.Equal(u.Credentials, []string{"x"}) || !slices.Equal(u.Binds, []string{"/home/a b:/c"}) {
		t.Errorf("%+v", u)
	}
}

// TestNever: what is the system's with all in it, what is everybody's, and their neighbours that may be.
func TestNever(t *testing.T) {
	for path, want := range map[string]string{
		"/": "all of /", "/etc": "the system", "/etc/drop": "the system", "/usr/share/x": "the system", "/boot/efi": "the system", "/dev/shm": "the system",
		"/root": "home directory of root", "/home": "everybody's", "/tmp": "everybody's", "/var/lib": "everybody's", "/run/user": "everybody's",
		"/srv/drop": "", "/srv": "", "/home/scan": "", "/home/scan/drop": "", "/root/drop": "", "/etcetera": "", "/usrs/a": "", "/var/lib/scans": "",
		"/tmp/drop": "", "/run/media/ann/STICK": "", "/media/stick": "", "/mnt": "", "/data": "",
	} {
		if why := Never(path); (want == "") != (why == "") || !strings.Contains(why, want) {
			t.Errorf("%s: %q", path, why)
		}
	}
	for _, path := range append(System(), Shared()...) {
		if Never(path) == "" {
			t.Errorf("%s may be", path)
		}
	}
	for path, home := range map[string]bool{"/srv": false, "/mnt": false, "/opt": false, "/home/ann": true} {
		if Doubt(path, home) == "" || Doubt(path+"/in", false) != "" {
			t.Errorf("%s: %q, %q", path, Doubt(path, home), Doubt(path+"/in", false))
		}
	}
}

// TestFolderInWords: what a folder is and holds is said as people say it, and the bits as chmod takes them.
func TestFolderInWords(t *testing.T) {
	for h, want := range map[Holds]string{
		{Files: 1}: "1 file is in", {Files: 2}: "2 files are in", {Files: 1, Below: 1}: "1 file is in subfolders of",
		{Files: 3, Below: 2}: "3 files (2 of them in subfolders) are in", {Files: 9, Below: 9, More: true}: "more than 9 files are in subfolders of",
	} {
		if got := h.Text(); got != want {
			t.Errorf("%+v: %q", h, got)
		}
	}
	for mode, want := range map[fs.FileMode]string{
		0o755: "0755", 0o770 | fs.ModeSetgid | fs.ModeDir: "2770", 0o777 | fs.ModeSticky: "1777", fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky: "7000",
	} {
		if got := (Folder{Owner: "ann", Group: "scans", Mode: mode}).Now(); got != "ann:scans with the mode "+want {
			t.Errorf("%v: %q", mode, got)
		}
	}
	sticky := Folder{Path: "/a", There: true, IsFolder: true, Mode: fs.ModeDir | fs.ModeSticky | 0o777, Usable: true}
	if lacks := Lacks(sticky, "d", "d"); len(lacks) != 1 || !lacks[0].Sticky || lacks[0].Command != "chmod -t /a" {
		t.Errorf("got %+v", lacks)
	}
	if sticky.Owned = true; len(Lacks(sticky, "d", "d")) > 0 {
		t.Error("the owner of a folder may move all out of it")
	}
}
