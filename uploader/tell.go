package uploader

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
)

// tell counts and logs what an outcome led to: one line for each delivery that came to its end, and one when trouble
// begins and ends.
func (l *loop) tell(d *delivery, was stage, v verdict, err error) {
	switch {
	case v == advance && was == toFile:
		l.sum.Delivered++
		l.tellEnd(d, "delivered")
	case v == advance && was == toFail:
		l.sum.Failed++
		l.tellEnd(d, "failed")
	case v == advance && was == toWithdraw:
		l.logOf(&d.facts).Info().Str("reason", d.Reason).Msg("not posted")
	case v == advance && was == toDivide && d.division.known: // told as tellRecognised does
	case v == advance && was == toDivide:
		l.tellDivision(d)
	case v == disowned:
		l.logOf(&d.facts).Error().Str("error", reasonOf(err)).Msg("the ledger does not have this delivery as it was left; was it edited " +
			"or put back while the daemon runs? It goes to failed/, for nobody knows whether it was posted. Restart the daemon")
	case v == filedBefore:
		l.logOf(&d.facts).Warn().Str("reason", reasonOf(err)).Msg("left alone: it lies where an earlier delivery filed it. " +
			"Was done or failed changed in the configuration? Files must be moved out of the watched folder with it")
	case v == refused && d.search != nil && d.search.isNew(len(d.Files)):
		l.logOf(&d.facts).Warn().Str("error", reasonOf(err)).Msg("the album is refused: looking for the image that is to blame")
	case v == advance || v == interruptedBy || v == withdraw || d.stage == toDivide:
	case v == knownAgain && was == toFail: // told as tellRecognised does
	case d.stage == toFail && was != toFail: // told when it has been moved
	case d.stage == toHold && was != toHold && d.blamed && d.heldTimes > 1: // told already
	case d.stage == toHold && was != toHold:
		l.logOf(&d.facts).Warn().Str("reason", d.Reason).Time("until", d.heldUntil).Msg("the file is held: it cannot be uploaded, and nothing " +
			"shows why. It stays where it is. Look whether a proxy in between limits the size of uploads")
	case errors.Is(err, errAway), v == uncertain && isLost(err):
		l.tellAway(d, err)
	case v == retryAll || v == uncertain || v == unproven:
		l.tellOutage(was, err)
	case isForAll(err) || was == toFile || was == toFail:
		l.tellUnfilable(d, err)
	case v == unprovenFolder && l.queue.groups.failures > 0:
		l.tellGroups(err)
	case v == unprovenFolder && d.lane.pause.failures == 1:
		l.logOf(&d.facts).Warn().Str("error", reasonOf(err)).Msg("the group is refused, though not by Kaizala's own word: its folder waits, " +
			"and tries again by itself")
	case v == retryFolder && d.lane.pause.failures == 1:
		l.logOf(&d.facts).Warn().Str("error", reasonOf(err)).Msg("the group refuses: its folder waits, and tries again by itself")
	case d.pause.failures == 1 || d.pause.failures > 0 && d.pause.failures%10 == 0:
		l.logOf(&d.facts).Warn().Str("error", reasonOf(err)).Int("tries", d.pause.failures).Msg("the file waits, and is tried again by itself")
	}
	if l.outage.told && (v == advance && was == l.outage.at || l.waiting() == 0) {
		l.outage.told = false
		l.Log.Info().Int("waiting", l.waiting()).Msg("the destination answers again: going on")
	}
}

// tellUnfilable says once of a folder that files cannot be moved out of it.
func (l *loop) tellUnfilable(d *delivery, err error) {
	if !d.lane.told {
		d.lane.told = true
		l.logOf(&d.facts).Warn().Str("error", reasonOf(err)).Msg("files cannot be filed away: this folder sends nothing more until they can, and tries by itself")
	}
}

// tellFilable says that it is over.
func (l *loop) tellFilable(of *lane) {
	if of.told && of.sick.failures == 0 && !slices.ContainsFunc(of.unfiled, (*delivery).cannotBeMoved) {
		of.told = false
		l.Log.Info().Str("folder", file.Printable(of.folder.Path)).Msg("files are filed away again")
	}
}

// tellAway says once of a delivery that its file is looked for.
func (l *loop) tellAway(d *delivery, err error) {
	if d.pause.failures == 1 {
		l.logOf(&d.facts).Info().Str("reason", reasonOf(err)).Stringer("for", awayFor).Msg("looked for")
	}
}

// tellRecognised says of each file that was found again that it is not posted once more.
func (l *loop) tellRecognised() {
	for _, m := range l.queue.recognised {
		l.logOf(&m.known.of.facts).Info().Str("was", file.Printable(m.known.file.Name)).Str("is", file.Printable(m.name)).
			Msg("known again: it is posted already, under another name or with other looks, so it is filed and not posted once more")
	}
	l.queue.recognised = nil
}

// tellHung says once of a folder that its file system hangs.
func (l *loop) tellHung(d *delivery) {
	call, ok := d.calls.First()
	if !ok || d.lane.hangTold { // it has just returned, or was said
		return
	}
	d.lane.hangTold = true
	l.logOf(&d.facts).Warn().Stringer("hangs", call).Stringer("for", time.Since(call.Since).Round(time.Second)).
		Msg("the file system does not answer: this folder waits for it, the others go on. Is the server of the share gone, the disk frozen?")
}

// tellAnswers says that the file system of a lane answers again.
func (l *loop) tellAnswers(of *lane) {
	if of.hangTold && of.hanging == 0 {
		of.hangTold = false
		l.Log.Info().Str("folder", file.Printable(of.folder.Path)).Msg("the file system answers again")
	}
}

// outage is what was said of the destination.
type outage struct {
	told bool  // that it fails, and not yet that it answers again
	at   stage // what failed: only a call of that kind shows that it is over
}

const (
	// outageTries is how many failures in a row are worth a line, after some three seconds: fewer may be chance, or one file's.
	outageTries = 6
	// groupsTries is how many of several groups' together are.
	groupsTries = 3
	// outageFrom is for how long everything must wait to be worth one, however few there were.
	outageFrom = 10 * time.Second
)

// tellOutage says once that the destination fails.
func (l *loop) tellOutage(at stage, err error) {
	pause := &l.queue.pause
	if l.outage.told || pause.failures < outageTries && pause.over(time.Now().Add(outageFrom)) {
		return
	}
	l.outage = outage{told: true, at: at}
	if answer, ok := errors.AsType[*kaizala.Error](err); ok && answer.Unauthorized() {
		l.Log.Error().Str("error", reasonOf(err)).Bool("kaizalas_own_word", answer.Spoken).Int("waiting", l.waiting()).
			Msg("the token is refused: nothing is sent, and the files stay where they are. " +
				"Look at application_id, application_secret and refresh_token (which ends after a year)")
		return
	}
	l.Log.Warn().Str("error", reasonOf(err)).Int("waiting", l.waiting()).
		Msg("the destination cannot take files now: they stay where they are, and go on by themselves")
}

// tellGroups says once that the groups are refused alike.
func (l *loop) tellGroups(err error) {
	if l.outage.told || l.queue.groups.failures < groupsTries {
		return
	}
	l.outage = outage{told: true, at: toPost}
	l.Log.Warn().Str("error", reasonOf(err)).Int("waiting", l.waiting()).
		Msg("several groups are refused alike, and no post passes: the files stay where they are, and go on by themselves")
}

func (l *loop) waiting() int {
	known, _ := l.queue.counts()
	return known
}

func (l *loop) tellEnd(d *delivery, what string) {
	e := l.logOf(&d.facts).Info()
	if what == "failed" {
		e = l.logOf(&d.facts).Warn().Str("reason", d.Reason)
	}
	if d.Reference != "" {
		e = e.Str("as", string(d.Action)).Str("group", file.Printable(d.Group)).Str("reference", file.Printable(d.Reference))
	}
	if d.MaybeTwice {
		e = e.Bool("maybe_twice", true)
	}
	l.addDests(e, d).Stringer("took", time.Since(d.begun).Round(time.Millisecond)).Msg(what)
}

// maxListed is how many images of an album are listed in one line of the log.
const maxListed = 10

// addDests says where the files of d are to be found now: each of them, or of a long album the folder (the ledger has
// the rest).
func (l *loop) addDests(e *zerolog.Event, d *delivery) *zerolog.Event {
	dests := make([]string, len(d.Files))
	for i, f := range d.Files {
		dests[i] = file.Printable(destOf(f, d.Folder))
	}
	switch {
	case !d.isAlbum():
		return e.Str("to", dests[0])
	case len(dests) <= maxListed:
		return e.Strs("to", dests)
	}
	return e.Str("to", filepath.Dir(dests[0])+"/")
}

// tellDivision says why an album is not posted as it was.
func (l *loop) tellDivision(d *delivery) {
	var left []string
	for _, out := range d.division.left {
		left = append(left, file.Printable(d.Files[out.index].Name))
	}
	e := l.logOf(&d.facts).Info().Str("reason", d.Reason).Int("posts", len(d.division.posts)).Int("refused", len(d.division.culprits))
	if left != nil {
		e = e.Strs("without", left)
	}
	e.Msg("the album cannot be posted as it is, and is made anew")
}

// destOf says where f was moved to, as short as a log line can say it.
func destOf(f ledger.File, folder string) string {
	if rel, err := filepath.Rel(folder, f.Dest); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return f.Dest
}
