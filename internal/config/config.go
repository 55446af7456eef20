// Package config turns a TOML file into settings, or into a list of every problem in it, each with its line and what to
// do.
//
// Load is all of it. Nothing is guessed: an unknown key, a wrong type or two folders on one path is a problem, and only a
// file that is not TOML at all stops the search for more of them. Only the text is judged: the directories that it names
// are not looked at, for what is missing there, or does not answer, is no mistake in here and may be right in a minute. The table of settings (settings.go) is the one
// place that names a key, its default and its meaning.
package config

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

// Config is what one file says, complete: what the file leaves out has its default. All durations are positive unless
// said otherwise.
type Config struct {
	Path          string        // of the file it was read from, as it was given to Load
	StateDir      string        // absolute, clean; may not exist yet
	LogLevel      string        // "debug", "info", "warn", "error"
	LogFormat     string        // "auto", "console", "json"
	KeepHistory   time.Duration // for which filed deliveries stay in the ledger
	ShutdownGrace time.Duration // for calls under way when the daemon is told to stop; may be zero
	Control       Control
	Destinations  []Destination // at least one: that of [kaizala] first, the others by name
	Folders       []Folder      // at least one, in the order of the file
	Warnings      []Problem     // what is not wrong but should be known, by line
	Examples      []Problem     // values of config.example.toml and the README that still stand where one's own belong, by line
	Files         []string      // that were read: this one, and those of secrets; absolute and clean, also those of secrets that were not looked up
	Unresolved    []string      // names of credentials that were not looked up: only with Environment.WithoutCredentials
}

// Control is how the running daemon can be asked.
type Control struct {
	Socket string // absolute, at most as long as a socket's path may be; "": it cannot be
}

// Destination is where files can be posted.
type Destination struct {
	Name       string // its own; that of [kaizala] is "kaizala"
	Type       string // "kaizala", "matrix"
	Limits     Limits
	Unresolved bool    // a credential of it is among Config.Unresolved
	Kaizala    Kaizala // of that type alone
	Matrix     Matrix  // of that type alone
}

// Limits say how hard a destination may be used.
type Limits struct {
	CallsPerMinute int           // 0 means no limit
	MaxUploads     int           // at once, 1 to 64
	MaxAttempts    int           // of one file, at least 1
	StallTimeout   time.Duration // of a call that makes no progress
	ConnectTimeout time.Duration
}

// Kaizala is the connector: where it is reached, and as whom. Either AccessToken is set, or ApplicationID and ApplicationSecret are,
// but for those that are unresolved. Without RefreshToken, one comes from a login.
type Kaizala struct {
	Endpoint          string // the root that /v1/... is appended to: no trailing slash, no query; https, or http to loopback
	ApplicationID     string
	ApplicationSecret Secret
	RefreshToken      Secret
	AccessToken       Secret
}

// Matrix is an account on a homeserver. Without AccessToken, one comes from a login.
type Matrix struct {
	Homeserver  string // its name, whose .well-known is asked, or its address: https, or http to loopback
	User        string // @name:server; "": whoever the token belongs to
	AccessToken Secret
	Join        bool   // enter the rooms of the folders
	Encryption  string // "room": as the room is; "require": only rooms that are encrypted; "never": only rooms that are not
	ShareWith   string // whose devices may read what is encrypted: "verified", signed by their own account, or "all"
	Thumbnails  bool   // make small pictures for large ones
	// ShownWithin is how long after a post the homeserver may begin to show it, also if it was killed meanwhile.
	ShownWithin time.Duration
}

// Folder is one watched directory and the group or room it stands for. Paths are absolute and clean. By their names no two folders
// are the same directory, and none takes what another one takes or files away; symbolic links and mounts may make it so.
type Folder struct {
	Path           string        // may not exist, now or ever
	Destination    string        // the name of one
	GroupID        string        // of Kaizala; opaque: not a GUID, though it may begin with one. "": Room
	Room           string        // of Matrix: #alias:server or !id. "": GroupID
	Recursive      bool          // also where Album is "subfolder", whatever the file says
	Settle         time.Duration // a file must be quiet
	SettleRemote   time.Duration // the same where open writers cannot be seen; never less than Settle
	TruncatedAfter time.Duration // without the end its format has, a file has failed
	Rescan         time.Duration // between listings; at least a second
	Caption        Caption
	Album          string        // "off", "window", "subfolder"
	AlbumWindow    time.Duration // between images of one album, where Album is "window"
	AlbumMax       int           // images, 1 to 100
	AllowHardlinks bool
	Done, Failed   string        // where files go; may not exist yet
	Ignore         []string      // patterns for ignore.Compile, all well-formed, beside those that are built in
	Only           []string      // patterns for ignore.Compile, all well-formed and about files; empty: all that the destination takes
	WarnAfter      time.Duration // a file that is held back or waits for so long is worth a warning
	RemoveEmptied  bool          // directories inside that the daemon emptied; also where Album is "subfolder", whatever the file says
	VerifyEnding   bool
	WhenUnknown    string // "repost", "hold"
}

// Target is the group or the room that it posts to.
func (f Folder) Target() string { return cmp.Or(f.Room, f.GroupID) }

// Environment is what Load asks of the process it runs in. Its zero value knows of nothing.
type Environment struct {
	// Getenv is os.Getenv or a stand-in. Asked for are $STATE_DIRECTORY and $CREDENTIALS_DIRECTORY (systemd.exec(5)), and
	// whatever an env: reference names.
	Getenv func(string) string
	// Secret answers for references to secrets ("credential:NAME") in place of what they refer to, where it says ok. May be nil.
	Secret func(reference string) (secret string, ok bool)
	// WithoutFolders takes a file also while its folders are not right, or not there yet: who asks for a destination's groups
	// needs them for the folders. Config.Folders then holds those that have a path, a group or room, and a destination.
	WithoutFolders bool
	// WithoutCredentials takes a file also where nobody gives out credentials, which systemd does for the service alone:
	// while $CREDENTIALS_DIRECTORY is not set, a reference to one is a warning, and its secret is empty.
	WithoutCredentials bool
}

func (e Environment) get(name string) string {
	if e.Getenv == nil {
		return ""
	}
	return e.Getenv(name)
}

func (e Environment) secret(reference string) (secret string, ok bool) {
	if e.Secret == nil {
		return "", false
	}
	return e.Secret(reference)
}

// maxFileSize, in bytes, is far more than any real file of settings has.
const maxFileSize = 1 << 20

// Load reads the file at path and everything its secrets refer to. It changes nothing.
//
// A file that cannot be read is an error that wraps an *fs.PathError; a file with problems is a *Problems. Neither ever
// holds a secret.
func Load(path string, env Environment) (Config, error) {
	text, mode, err := readFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("cannot read the settings: %w", err)
	}
	return Parse(path, text, mode, env)
}

// Parse is Load for a text that is to be in the file at path, with that mode.
func Parse(path, text string, mode fs.FileMode, env Environment) (Config, error) {
	r := &reader{file: path, mode: mode, env: env}
	if path, err := filepath.Abs(path); err == nil {
		r.files = append(r.files, path)
	}
	c := r.config(text)
	if len(r.problems) > 0 {
		return Config{}, &Problems{File: path, List: byLine(r.problems)}
	}
	c.Path = path
	c.Warnings = byLine(r.warnings)
	c.Examples = examples(text)
	c.Unresolved = r.unresolved
	c.Files = r.files
	return c, nil
}

// readFile reads one byte more than is allowed, so that a file that is too large shows. The mode is that of what was
// read, not of what the path leads to a moment later.
func readFile(path string) (text string, mode fs.FileMode, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", 0, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	return string(data), info.Mode(), err
}

// firstInvalid is the line of the first byte that is not UTF-8. There must be one.
func firstInvalid(text string) int {
	valid := 0
	for {
		r, n := utf8.DecodeRuneInString(text[valid:])
		if r == utf8.RuneError && n <= 1 {
			return 1 + strings.Count(text[:valid], "\n")
		}
		valid += n
	}
}
