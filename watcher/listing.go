package watcher

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"kaizala-drop/internal/text"
)

// onListing takes what a whole listing says about the folder itself: whether it is there, is the same folder as at the
// last listing, and can be watched.
func (l *loop) onListing(now time.Time, a answer) {
	first := !l.listed
	l.listed = l.listed || a.missing == nil || l.once
	l.schedule(now, a)
	switch {
	case a.missing != nil:
		l.complain("the folder cannot be listed; trying again and again", a.missing)
		return
	case a.watchErr != nil:
		l.complain("the folder is not watched; it is listed instead, and watching is tried again", a.watchErr)
	case l.trouble != "":
		l.trouble = ""
		l.log.Info().Msg("the folder is watched again")
	case !first && !l.root.SameFile(a.root.Identity):
		l.log.Info().Msg("another folder lies at this path now (mounted, unmounted or made again): watching it")
	}
	l.root = a.root
	l.setRemote(a.remote, first)
}

// tellUnlisted says which subfolders cannot be listed, in one line with a count if there are many. A subfolder is said
// again only after it could be listed.
func (l *loop) tellUnlisted(a answer) {
	before := l.unlisted
	if a.whole {
		l.unlisted = map[string]bool{}
	}
	if a.missing != nil {
		l.unlisted[text.Printable(a.missing.Error())] = true
	}
	var news []string
	for _, err := range a.partial {
		text := text.Printable(err.Error())
		if !before[text] {
			news = append(news, text)
		}
		l.unlisted[text] = true
	}
	slices.SortFunc(news, compareNames)
	if len(news) > apartMost {
		l.log.Warn().Int("subfolders", len(news)).Strs("errors", news[:namesMost]).Msg("subfolders cannot be listed: what lies in them waits")
		return
	}
	for _, text := range news {
		l.log.Warn().Str("error", text).Msg("a subfolder cannot be listed: what lies in it waits")
	}
}

// tellLease says once that the kernel does not tell who is writing. From then on files must be quiet for settle_remote
// instead.
func (l *loop) tellLease(err error) {
	if err == nil || l.leaseTold {
		return
	}
	l.leaseTold = true
	l.files.setSettle(l.folder.SettleRemote)
	advice := "this file system does not tell"
	if errors.Is(err, fs.ErrPermission) {
		advice = "run as their owner, or with the capability CAP_LEASE, which the unit grants"
	}
	l.log.Warn().Err(err).Stringer("settle", l.folder.SettleRemote).
		Msg("cannot see whether files are open for writing, so only their being quiet counts, for settle_remote: " + advice)
}

// schedule sets the time of the next listing: after rescan, or sooner while the folder cannot be listed or watched.
func (l *loop) schedule(now time.Time, a answer) {
	if a.missing == nil && a.watchErr == nil {
		l.retry = 0
		l.listAt = now.Add(l.rescan())
		return
	}
	l.retry = min(max(2*l.retry, retryFirst), rescanRemote, l.folder.Rescan)
	l.listAt = now.Add(l.retry)
}

// complain says what is wrong with the folder, once for each kind of trouble.
func (l *loop) complain(what string, err error) {
	l.because = text.Printable(err.Error())
	if l.trouble != what {
		l.trouble = what
		l.log.Warn().Str("error", l.because).Msg(what)
	}
}

func (l *loop) setRemote(remote string, first bool) {
	if !first && remote == l.remote {
		return
	}
	l.remote = remote
	if remote == "" {
		if !l.leaseTold {
			l.files.setSettle(l.folder.Settle)
		}
		l.log.Info().Stringer("settle", l.folder.Settle).Bool("events", l.events != nil).Msg("watching")
		return
	}
	l.files.setSettle(l.folder.SettleRemote)
	l.listAt = time.Now().Add(l.rescan())
	l.log.Info().Str("file_system", remote).Stringer("settle", l.folder.SettleRemote).Stringer("every", l.rescan()).
		Msg("watching by listing: changes made by other hosts bring no event on this file system")
}
