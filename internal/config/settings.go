package config

import "time"

// setting is one row of the table: a key of the section that fills a T.
type setting[T any] struct {
	name     string
	fallback any    // the default as the TOML library would decode it; nil where every table must say it itself
	doc      string // what it is: for messages
	read     func(at place, value any, into *T)
}

const defaultStateDir = "/var/lib/kaizala-drop"

// topSettings are the keys above the first table.
func topSettings() []setting[Config] {
	return []setting[Config]{
		{"state_dir", defaultStateDir, "the directory of the daemon's memory",
			absolute(func(c *Config) *string { return &c.StateDir })},
		{"log_level", "info", "the least important kind of message that is logged",
			choice(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error")},
		{"log_format", "auto", "how messages are written; auto is console on a terminal, entries with fields of their own in the journal, and JSON otherwise",
			choice(func(c *Config) *string { return &c.LogFormat }, "auto", "console", "json")},
		{"keep_history", "90d", "how long delivered files are remembered",
			duration(func(c *Config) *time.Duration { return &c.KeepHistory }, time.Nanosecond)},
		{"shutdown_grace", "20s", "how long calls under way may take when the daemon is told to stop",
			duration(func(c *Config) *time.Duration { return &c.ShutdownGrace }, 0)},
	}
}

// DefaultSocket is where the daemon answers unless [control] says otherwise.
const DefaultSocket = "/run/kaizala-drop/control.sock"

// controlSettings are the keys of [control].
func controlSettings() []setting[Control] {
	return []setting[Control]{
		{"socket", DefaultSocket, "where the running daemon answers status, explain, history and retry; empty: nowhere",
			socket(func(c *Control) *string { return &c.Socket })},
	}
}

// destinationSettings are the keys of [destination.NAME], beside those of its type.
func destinationSettings() []setting[Destination] {
	return []setting[Destination]{
		{"type", "", "what kind of service it is",
			choice(func(d *Destination) *string { return &d.Type }, KaizalaType, MatrixType)},
	}
}

// kaizalaSettings are the keys of [kaizala], and of a [destination.NAME] of that type.
func kaizalaSettings() []setting[Destination] {
	return append([]setting[Destination]{
		{"endpoint", "https://api.kaiza.la", "where Kaizala is",
			endpoint(func(d *Destination) *string { return &d.Kaizala.Endpoint })},
		{"application_id", "", "the connector's id",
			plain(func(d *Destination) *string { return &d.Kaizala.ApplicationID })},
		{"application_secret", "", "the connector's secret",
			secret(func(d *Destination) *Secret { return &d.Kaizala.ApplicationSecret })},
		{"refresh_token", "", "what access tokens are got with",
			secret(func(d *Destination) *Secret { return &d.Kaizala.RefreshToken })},
		{"access_token", "", "a fixed token, instead of the three above",
			secret(func(d *Destination) *Secret { return &d.Kaizala.AccessToken })},
	}, limitSettings(100)...)
}

// matrixSettings are the keys of a [destination.NAME] of that type.
func matrixSettings() []setting[Destination] {
	return append([]setting[Destination]{
		{"homeserver", "", "the server of the account: its name, or its address",
			homeserver(func(d *Destination) *string { return &d.Matrix.Homeserver })},
		{"user", "", "the account that posts",
			user(func(d *Destination) *string { return &d.Matrix.User })},
		{"access_token", "", "the account's token, instead of a login",
			secret(func(d *Destination) *Secret { return &d.Matrix.AccessToken })},
		{"join", true, "whether rooms of the folders are entered that the account is invited to, or that are open to all",
			boolean(func(d *Destination) *bool { return &d.Matrix.Join })},
		{"encryption", "room", "which rooms are posted to: as they are, only encrypted ones, or only those that are not",
			choice(func(d *Destination) *string { return &d.Matrix.Encryption }, "room", "require", "never")},
		{"share_with", "verified", "whose devices may read what is encrypted",
			choice(func(d *Destination) *string { return &d.Matrix.ShareWith }, "verified", "all")},
		{"thumbnails", true, "whether large pictures are posted with a small one that stands for them",
			boolean(func(d *Destination) *bool { return &d.Matrix.Thumbnails })},
		{"shown_within", "6m", "how long a homeserver that was killed may take to show what it had taken",
			duration(func(d *Destination) *time.Duration { return &d.Matrix.ShownWithin }, 0)},
	}, limitSettings(0)...)
}

// limitSettings are the keys that every type of destination has.
func limitSettings(callsPerMinute int64) []setting[Destination] {
	return []setting[Destination]{
		{"calls_per_minute", callsPerMinute, "the most calls in a minute; 0 is no limit",
			integer(func(d *Destination) *int { return &d.Limits.CallsPerMinute }, 0, anyInt)},
		{"max_uploads", int64(4), "how many files are uploaded at once",
			integer(func(d *Destination) *int { return &d.Limits.MaxUploads }, 1, 64)},
		{"stall_timeout", "1m", "how long a call may make no progress",
			duration(func(d *Destination) *time.Duration { return &d.Limits.StallTimeout }, time.Nanosecond)},
		{"connect_timeout", "10s", "how long connecting may take",
			duration(func(d *Destination) *time.Duration { return &d.Limits.ConnectTimeout }, time.Nanosecond)},
		{"max_attempts", int64(10), "how often one file is tried while others pass",
			integer(func(d *Destination) *int { return &d.Limits.MaxAttempts }, 1, anyInt)},
	}
}

// folderSettings are the keys of [[folder]], and, but for those without a default, of [defaults].
func folderSettings() []setting[Folder] {
	return []setting[Folder]{
		{"path", nil, "the directory to watch",
			absolute(func(f *Folder) *string { return &f.Path })},
		{"group_id", nil, "the Kaizala group to post to",
			groupID(func(f *Folder) *string { return &f.GroupID })},
		{"room", nil, "the Matrix room to post to",
			room(func(f *Folder) *string { return &f.Room })},
		{"destination", "", "the name of the destination to post to; left out, it is the only one that has such groups or rooms, or that of [kaizala]",
			plain(func(f *Folder) *string { return &f.Destination })},
		{"recursive", false, "whether directories inside count too",
			boolean(func(f *Folder) *bool { return &f.Recursive })},
		{"settle", "5s", "how long a file must be quiet before it is taken",
			duration(func(f *Folder) *time.Duration { return &f.Settle }, time.Nanosecond)},
		{"settle_remote", "15s", "the same where it cannot be seen who is writing, as on network drives",
			duration(func(f *Folder) *time.Duration { return &f.SettleRemote }, time.Nanosecond)},
		{"truncated_after", "2m", "after which time a file that does not end as its format must has failed",
			duration(func(f *Folder) *time.Duration { return &f.TruncatedAfter }, time.Nanosecond)},
		{"rescan", "1m", "how often the directory is listed",
			duration(func(f *Folder) *time.Duration { return &f.Rescan }, time.Second)},
		{"caption", "", "the text posted with a file",
			caption(func(f *Folder) *Caption { return &f.Caption })},
		{"album", "off", "whether images are posted together",
			choice(func(f *Folder) *string { return &f.Album }, "off", "window", "subfolder")},
		{"album_window", "5s", "how close together the images of an album settle",
			duration(func(f *Folder) *time.Duration { return &f.AlbumWindow }, time.Nanosecond)},
		{"album_max", int64(10), "how many images an album has at most",
			integer(func(f *Folder) *int { return &f.AlbumMax }, 1, 100)},
		{"allow_hardlinks", false, "whether files with several names are posted",
			boolean(func(f *Folder) *bool { return &f.AllowHardlinks })},
		{"done", "done", "where posted files go",
			nonEmpty(func(f *Folder) *string { return &f.Done })},
		{"failed", "failed", "where files go that cannot be posted",
			nonEmpty(func(f *Folder) *string { return &f.Failed })},
		{"ignore", []any{}, "the list of names to leave alone",
			patterns(func(f *Folder) *[]string { return &f.Ignore })},
		{"only", []any{}, "the list of names to take; empty: all that the destination takes",
			filePatterns(func(f *Folder) *[]string { return &f.Only })},
		{"warn_after", "15m", "after which time a file that is held back or waits is warned of",
			duration(func(f *Folder) *time.Duration { return &f.WarnAfter }, time.Nanosecond)},
		{"remove_emptied", false, "whether directories inside are removed that the daemon has emptied",
			boolean(func(f *Folder) *bool { return &f.RemoveEmptied })},
		{"verify_ending", true, "whether a file must end as its format says",
			boolean(func(f *Folder) *bool { return &f.VerifyEnding })},
		{"when_unknown", "repost", "what is done when no answer tells whether a file was posted",
			choice(func(f *Folder) *string { return &f.WhenUnknown }, "repost", "hold")},
	}
}

// defaultable are the settings that [defaults] takes.
func defaultable(rows []setting[Folder]) (some []setting[Folder]) {
	for _, row := range rows {
		if row.fallback != nil {
			some = append(some, row)
		}
	}
	return some
}
