package watcher

import (
	"path/filepath"
	"slices"
	"strings"

	"kaizala-drop/internal/ignore"
)

// builtinIgnore lists the names that are never candidates, of files and folders alike: what desktops, NAS boxes,
// browsers, editors and transfer programs leave beside the files that people mean. They are globs in lower case with at
// most one *, at the start or the end, and match without regard to case. docs/states.md shows the list.
func builtinIgnore() []string {
	return slices.Concat([]string{
		".*", // hidden on Unix: rsync's and vsftpd's temporary names, .DS_Store, ._* (AppleDouble), .nfs*, .fuse_hidden*,
		// .~lock.*# (LibreOffice), .syncthing.*.tmp, .Trash-1000 (freedesktop.org Trash specification), .Trashes,
		// .Spotlight-V100, .fseventsd, .TemporaryItems (macOS), .@__thumb (QNAP), .stversions and .stfolder (Syncthing)
	}, ignoredFolders(), ignoredFiles(), temporaryNames())
}

// ignoredFolders are folders that systems keep on a volume or a share for themselves. Some of them hold deleted files.
func ignoredFolders() []string {
	return []string{
		"$recycle.bin", "recycler", "recycled", // Windows: NTFS since Vista, NTFS before it, FAT
		"system volume information", "$windows.~bt", "$extend", // Windows
		"found.000", "found.001", "found.002", "found.003", // chkdsk
		"lost+found",                                                                                           // fsck of ext
		"#recycle", "#snapshot", "@eadir", "@tmp", "@synoresource", "@synoeastream", "@sharesnap", "@sharebin", // Synology DSM
		"@recycle", "@recently-snapshot", "@__thumb", // QNAP QTS
		"~snapshot", ".snapshot", // NetApp ONTAP: for SMB, for NFS
		"~syncthing~*",                     // Syncthing's temporary names on Windows
		"__macosx", "network trash folder", // macOS: Archive Utility, AFP and Samba's vfs_fruit
		"temporary items", "thevolumesettingsfolder", // the same
		"@gmt-*",    // Samba's vfs_shadow_copy2
		"$recycle*", // vfs_recycle as it is set up in many guides
	}
}

// ignoredFiles are files that systems and programs leave beside other files.
func ignoredFiles() []string {
	return []string{
		"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", // Windows Explorer, Media Center
		"icon\r",    // macOS: a folder's own picture
		"~$*", "*~", // Microsoft Office's lock files; copies of Emacs, vim and gedit
		"*.swp", "*.swx", "*.swo", // vim
		"desktop.db", "desktop.df", // classic Mac OS
	}
}

// temporaryNames are names under which programs write until a file is whole.
func temporaryNames() []string {
	return []string{
		"*.tmp", "*.temp", // many, Microsoft Office and Nextcloud among them
		"*.part",                  // Firefox, KDE, wget scripts, ownCloud
		"*.partial",               // Internet Explorer and the first Edge
		"*.crdownload",            // Chrome and its kin
		"*.download",              // Safari
		"*.opdownload",            // Opera
		"*.filepart",              // WinSCP
		"*.aria2",                 // aria2's state
		"*.lftp-pget-status",      // lftp's state
		"*.ffs_tmp", "*.ffs_lock", // FreeFileSync
		"*.!sync", "*.bts", // Resilio Sync (BitTorrent Sync)
		"*.!qb",          // qBittorrent
		"*.!ut",          // uTorrent and BitTorrent
		"*.!bt",          // BitComet
		"*.bc!",          // BitComet's older name
		"*.jc!", "*.fb!", // FlashGet
		"*.dtapart",                                  // DownThemAll
		"*.ut!",                                      // uTorrent for Mac
		"*.uploading",                                // web and FTP upload tools
		"*.upload",                                   // managed file transfer gateways
		"*.writing", "*.inprogress", "*.in_progress", // managed file transfer gateways, Apache Flink and Camel
		"*.incomplete",   // IDM, Transmission
		"*.unfinished",   // the same
		"*.ytdl",         // yt-dlp's state
		"*.td", "*.xltd", // Thunder
		"*.drivedownload", "*.driveupload", // Google Drive
		"*.owncloudsync.log", // ownCloud
		"*.kate-swp",         // Kate
	}
}

// filter tells which names below a folder are left alone.
type filter struct {
	root     string
	exact    map[string]bool // the built-in list, taken apart because every name that is seen is compared with it
	prefixes []string
	suffixes []string
	own      ignore.Patterns
	exclude  map[string]bool // absolute paths
}

func newFilter(folder Folder) filter {
	f := filter{root: folder.Path, exact: map[string]bool{}, exclude: map[string]bool{}}
	good := slices.DeleteFunc(slices.Clone(folder.Ignore), func(text string) bool { // the configuration refuses those that do not compile
		_, _, err := ignore.Compile([]string{text}, "")
		return err != nil
	})
	f.own, _, _ = ignore.Compile(good, "")
	for _, glob := range builtinIgnore() {
		switch before, after, isGlob := strings.Cut(glob, "*"); {
		case !isGlob:
			f.exact[glob] = true
		case before == "":
			f.suffixes = append(f.suffixes, after)
		default:
			f.prefixes = append(f.prefixes, before)
		}
	}
	for _, path := range folder.Exclude {
		f.exclude[path] = true
	}
	return f
}

// skips reports whether name, relative to the folder, is left alone whatever lies there.
func (f filter) skips(name string) bool {
	rule, own := f.rule(name, false)
	return own || rule != ""
}

// rule gives the rule by which name is left alone, or "". done/ and failed/ have no rule: filed is true for them.
func (f filter) rule(name string, isDir bool) (rule string, filed bool) {
	if rule := f.builtin(strings.ToLower(filepath.Base(name))); rule != "" {
		return rule, false
	}
	if rule := f.own.Match(name, isDir); rule != "" {
		return rule, false
	}
	return "", len(f.exclude) > 0 && f.exclude[filepath.Join(f.root, name)]
}

func (f filter) builtin(lower string) (rule string) {
	if f.exact[lower] {
		return lower
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(lower, p) {
			return p + "*"
		}
	}
	for _, s := range f.suffixes {
		if strings.HasSuffix(lower, s) {
			return "*" + s
		}
	}
	return ""
}

// isNameless reports whether name is nothing but an extension of a type that would be sent.
func (f Folder) isNameless(name string) bool {
	base := filepath.Base(name)
	t, known := f.typeOf(base)
	return known && !t.Guess && strings.LastIndexByte(base, '.') == 0
}

// LeftAlone tells the rule for which a name below a watched folder is left alone, or "": one of the built-in list, or with own a pattern
// of patterns (Folder.Ignore). A name is also left alone for the sake of a folder that it lies in. It looks at no file.
func LeftAlone(patterns []string, name string, isDir bool) (rule string, own bool) {
	f := newFilter(Folder{Path: "/", Ignore: patterns})
	parts := strings.Split(filepath.Clean(name), "/")
	for i := range parts {
		part := filepath.Join(parts[:i+1]...)
		if rule := f.builtin(strings.ToLower(filepath.Base(part))); rule != "" {
			return rule, false
		}
		if rule := f.own.Match(part, isDir || i < len(parts)-1); rule != "" {
			return rule, true
		}
	}
	return "", false
}
