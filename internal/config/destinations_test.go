package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	office = "[destination.office]\ntype = 'kaizala'\naccess_token = 'env:TOKEN'\n"
	branch = "[destination.branch]\ntype = 'kaizala'\naccess_token = 'env:TOKEN'\ncalls_per_minute = 7\n"
)

// TestDestinations: which there are, and to which one each folder posts. A file of before works as it did when another destination
// is added to it.
func TestDestinations(t *testing.T) {
	for name, c := range map[string]struct {
		text    string
		want    []string // names
		folders []string // where each posts to
	}{
		"as ever":               {token + folderA + folderB, []string{"kaizala"}, []string{"kaizala", "kaizala"}},
		"one more":              {token + office + folderA + folderB, []string{"kaizala", "office"}, []string{"kaizala", "kaizala"}},
		"one more, said before": {office + token + folderA + folderB, []string{"kaizala", "office"}, []string{"kaizala", "kaizala"}},
		"the only one":          {office + folderA, []string{"office"}, []string{"office"}},
		"each its own": {office + branch + folderA + "destination = 'office'\n" + folderB + "destination = 'branch'\n",
			[]string{"branch", "office"}, []string{"office", "branch"}},
		"by default": {office + branch + "[defaults]\ndestination = 'office'\n" + folderA + folderB + "destination = 'branch'\n",
			[]string{"branch", "office"}, []string{"office", "branch"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustLoad(t, tree(t), c.text, env("TOKEN", "t0ken"))
			var names, folders []string
			for _, d := range got.Destinations {
				names = append(names, d.Name)
				limit := 100
				if d.Name == "branch" {
					limit = 7
				}
				if d.Type != "kaizala" || d.Kaizala.AccessToken.Reveal() != "t0ken" || d.Limits.CallsPerMinute != limit || d.Limits.StallTimeout != time.Minute {
					t.Errorf("%+v", d)
				}
			}
			for _, f := range got.Folders {
				folders = append(folders, f.Destination)
			}
			if fmt.Sprint(names, folders) != fmt.Sprint(c.want, c.folders) || !reflect.DeepEqual(names, c.want) {
				t.Errorf("destinations %q, folders post to %q", names, folders)
			}
		})
	}
}

const (
	server = "[destination.chat]\ntype = 'matrix'\nhomeserver = 'example.org'\n"
	inRoom = "[[folder]]\npath = '$DIR/c'\nroom = '#scans:example.org'\n"
)

// TestMatrix: what is left out has its default, what is written is read, and a folder with a room goes to the Matrix server, whatever
// else there is.
func TestMatrix(t *testing.T) {
	limits := Limits{0, 4, 10, time.Minute, 10 * time.Second}
	for name, c := range map[string]struct {
		text string
		want Destination
	}{
		"defaults": {server, Destination{Name: "chat", Type: "matrix", Limits: limits, Matrix: Matrix{Homeserver: "example.org", Join: true, Encryption: "room", ShareWith: "verified", Thumbnails: true, ShownWithin: 6 * time.Minute}}},
		"all": {server + "user = '@scanner:example.org'\naccess_token = 'env:TOKEN'\njoin = false\nencryption = 'require'\nshare_with = 'all'\nthumbnails = false\nshown_within = '90s'\ncalls_per_minute = 7\nmax_uploads = 1\nmax_attempts = 2\nstall_timeout = '3s'\nconnect_timeout = '4s'\n",
			Destination{Name: "chat", Type: "matrix", Limits: Limits{7, 1, 2, 3 * time.Second, 4 * time.Second},
				Matrix: Matrix{"example.org", "@scanner:example.org", NewSecret("t0ken"), false, "require", "all", false, 90 * time.Second}}},
		"beside others": {token + office + server, Destination{Name: "chat", Type: "matrix", Limits: limits, Matrix: Matrix{Homeserver: "example.org", Join: true, Encryption: "room", ShareWith: "verified", Thumbnails: true, ShownWithin: 6 * time.Minute}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := mustLoad(t, tree(t), c.text+inRoom, env("TOKEN", "t0ken"))
			if f := got.Folders[0]; f.Destination != "chat" || f.Room != "#scans:example.org" || f.GroupID != "" || f.Target() != f.Room {
				t.Errorf("got %+v", f)
			}
			for _, d := range got.Destinations {
				if d.Name == "chat" && d != c.want {
					t.Errorf("got %+v, want %+v", d, c.want)
				}
			}
		})
	}
	both := mustLoad(t, tree(t), token+server+folderA+inRoom, env("TOKEN", "t0ken"))
	if both.Folders[0].Destination != "kaizala" || both.Folders[1].Destination != "chat" || both.Folders[0].Target() != "g@2" {
		t.Errorf("got %+v", both.Folders)
	}
}

// TestMatrixProblems: each mistake with a second kind of destination is told, on its line, with what to do.
func TestMatrixProblems(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
		want string
	}{
		"no homeserver":         {"[destination.chat]\ntype = 'matrix'\n" + inRoom, 1, `this [destination.chat] has no homeserver: write its name, such as "example.org", or its address`},
		"empty homeserver":      {"[destination.chat]\ntype = 'matrix'\nhomeserver = ''\n" + inRoom, 1, "has no homeserver"},
		"homeserver no text":    {"[destination.chat]\ntype = 'matrix'\nhomeserver = 7\n" + inRoom, 3, "homeserver must be a text in quotes, not the number 7"},
		"impossible homeserver": {"[destination.chat]\ntype = 'matrix'\nhomeserver = 'http://example.org'\n" + inRoom, 3, "homeserver is not usable: the address must begin with https://"},
		"a user as homeserver":  {"[destination.chat]\ntype = 'matrix'\nhomeserver = '@scanner:example.org'\n" + inRoom, 3, "homeserver is not usable: it is a server, not a person"},
		"impossible user":       {server + "user = 'scanner'\n" + inRoom, 4, "user is not usable: it is not the id of an account: write @name:server"},
		"no room":               {server + "[[folder]]\npath = '$DIR/c'\n", 4, "this [[folder]] has no room: add it (the Matrix room to post to)"},
		"neither":               {token + server + "[[folder]]\npath = '$DIR/c'\n", 6, "has neither group_id nor room"},
		"neither, said where":   {token + server + "[[folder]]\npath = '$DIR/c'\ndestination = 'chat'\n", 6, "has no room"},
		"a group by itself":     {server + folderA, 6, "group_id is for Kaizala, and there is no such destination: add [kaizala], or write room"},
		"a room by itself":      {token + inRoom, 5, "room is for Matrix, and there is no such destination: add one, [destination.NAME] with type = \"matrix\""},
		"a group in Matrix":     {token + server + folderA + "destination = 'chat'\n", 8, `group_id is for Kaizala, and the destination "chat" is a Matrix server: write room instead`},
		"a room in Kaizala":     {token + server + inRoom + "destination = 'kaizala'\n", 8, `room is for Matrix, and the destination "kaizala" is Kaizala: write group_id instead`},
		"both":                  {token + server + inRoom + "group_id = 'g'\n", 8, "group_id and room stand in one folder"},
		"no name of a room":     {server + "[[folder]]\npath = '$DIR/c'\nroom = 'scans'\n", 6, "room is not usable: it is neither #alias:server nor !id"},
		"a person":              {server + "[[folder]]\npath = '$DIR/c'\nroom = '@anna:example.org'\n", 6, "room is not usable: that is a person"},
		"empty room":            {server + "[[folder]]\npath = '$DIR/c'\nroom = ''\n", 6, "room is not usable: no room is named"},
		"room for all":          {server + "[defaults]\nroom = '#a:b'\n" + inRoom, 5, "it belongs to [[folder]]"},
		"two servers":           {server + "[destination.other]\ntype = 'matrix'\nhomeserver = 'example.net'\n" + inRoom, 9, `there are several destinations: say to which one with destination = "chat" or destination = "other"`},
		"two of one name":       {server + server + inRoom, 4, "is here a second time"},
		"a key of Kaizala":      {server + "application_id = 'x'\n" + inRoom, 4, `application_id belongs to a destination of type = "kaizala", and this one has type = "matrix": remove it`},
		"a key of Matrix":       {office + "homeserver = 'example.org'\n" + folderA, 4, `homeserver belongs to a destination of type = "matrix"`},
		"in [kaizala]":          {token + "homeserver = 'example.org'\n" + folderA, 3, "it belongs to [destination.NAME]"},
		"no such type":          {"[destination.chat]\ntype = 'irc'\n" + inRoom, 2, `type must be one of "kaizala", "matrix", not "irc"`},
	} {
		t.Run(name, func(t *testing.T) {
			problems := problemsOf(t, tree(t), c.text, env("TOKEN", "t0ken"))
			if len(problems) != 1 || problems[0].Line != c.line || !strings.Contains(problems[0].Text, c.want) {
				t.Errorf("got %+v, want on line %d %q", problems, c.line, c.want)
			}
		})
	}
}
