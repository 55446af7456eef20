package uploader

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
)

// news is something that happened, and that the log may tell.
type news int

const (
	noNews            news = iota
	newsDelivered          // it was moved to done/
	newsFailed             // it was moved to failed/
	newsNotPosted          // it was forgotten
	newsDivided            // an album was divided
	newsDisowned           // the ledger does not have it as it was left
	newsLeftAlone          // it was filed before
	newsElsewhere          // another destination gets it first
	newsSearches           // an album is refused: a search begins
	newsHeld               // it is held
	newsAway               // a posted file is looked for
	newsDoubt              // whether it is posted is not known yet
	newsWaits              // it alone waits
	newsGroupRefuses       // a group refuses, by the service's word
	newsGroupUnproven      // or without
	newsGroups             // several groups do, and no post passes
	newsUnfilable          // files cannot be moved out of the folder
	newsFilableAgain
	newsOutage // the destination fails
	newsToken  // it refuses the token
	newsOutageOver
	newsAnswers // the file system answers again
)

// What of a trouble is worth telling is decided here, before anything is written.

// outage is what was told of the destination.
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

// newsOf returns what is to be told of a trouble of d, whose stage was another before its step ended. Where d goes says more
// than what troubled it. Of a trouble that lasts only the beginning is told.
func (q *queue) newsOf(now time.Time, d *delivery, was stage, trouble news, err error) news {
	switch {
	case trouble == noNews, d.stage == toDivide, d.stage == toFail && was != toFail: // told when that is done
		return noNews
	case d.stage == toHold && was != toHold:
		return when(!d.blamed || d.heldTimes <= 1, newsHeld)
	}
	switch trouble {
	case newsAway:
		return when(d.pause.failures == 1, newsAway)
	case newsDoubt:
		return when(d.lane.pause.failures == 1, newsDoubt)
	case newsWaits:
		return when(d.pause.failures == 1 || d.pause.failures > 0 && d.pause.failures%10 == 0, newsWaits)
	case newsUnfilable:
		return when(!swap(&d.lane.sickTold, true), newsUnfilable)
	case newsOutage:
		return q.outageBegins(now, was, err)
	case newsGroups:
		return q.groupsOutageBegins()
	}
	return trouble
}

func (q *queue) outageBegins(now time.Time, at stage, err error) news {
	if q.outage.told || q.pause.failures < outageTries && q.pause.over(now.Add(outageFrom)) {
		return noNews
	}
	q.outage = outage{told: true, at: at}
	if answer, ok := errors.AsType[*destination.Error](err); ok && answer.Fault == destination.OfAccess {
		return newsToken
	}
	return newsOutage
}

func (q *queue) groupsOutageBegins() news {
	if q.outage.told || q.groups.failures < groupsTries {
		return noNews
	}
	q.outage = outage{told: true, at: toPost}
	return newsGroups
}

// troubleOver tells that a trouble of the destination or of the folder is over, if it was told. The step that ended was at the
// stage was.
func (q *queue) troubleOver(e *effects, succeeded bool, was stage) {
	known, _ := q.counts()
	if q.outage.told && (succeeded && was == q.outage.at || known == 0) {
		q.outage.told = false
		e.tell(newsOutageOver)
	}
	l := e.d.lane
	if l.sickTold && l.sick.failures == 0 && !slices.ContainsFunc(l.unfiled, (*delivery).cannotBeMoved) {
		l.sickTold = false
		e.tell(newsFilableAgain)
	}
}

// when returns n if it is to be told.
func when(is bool, n news) news {
	if is {
		return n
	}
	return noNews
}

// swap sets a flag and returns what it was.
func swap(flag *bool, to bool) (was bool) {
	was, *flag = *flag, to
	return was
}

// tell logs what followed from a step: a line for each delivery that came to its end, and one when a trouble begins or is over.
func (l *loop) tell(e effects) {
	for _, n := range e.news {
		switch n {
		case newsDelivered, newsFailed, newsNotPosted, newsDivided:
			l.tellEnd(e.d, n)
		case newsOutage, newsToken, newsGroups, newsOutageOver:
			l.tellDestination(n, e.err)
		case newsAnswers, newsFilableAgain:
			l.tellFolder(e.d.lane, n)
		default:
			l.tellTrouble(e.d, n, e.err)
		}
	}
	l.tellRecognised(e.recognised)
}

// tellTrouble tells of one delivery, or of its folder, that it does not go on.
func (l *loop) tellTrouble(d *delivery, n news, err error) {
	log := l.logOf(&d.facts)
	switch n {
	case newsDisowned:
		log.Error().Str("error", reasonOf(err)).Msg("the ledger does not have this delivery as it was left; was it edited " +
			"or put back while the daemon runs? It goes to failed/, for nobody knows whether it was posted. Restart the daemon")
	case newsLeftAlone:
		log.Warn().Str("reason", reasonOf(err)).Msg("left alone: it lies where an earlier delivery filed it. " +
			"Was done or failed changed in the configuration? Files must be moved out of the watched folder with it")
	case newsElsewhere:
		log.Warn().Str("error", reasonOf(err)).Msg("a file is on its way to another destination, as was configured when it was taken up: " +
			"it and the likes of it wait for that, the others of the folder go on")
	case newsSearches:
		log.Info().Str("error", reasonOf(err)).Msg("the album is refused: looking for the image that is to blame")
	case newsHeld:
		log.Warn().Str("reason", d.Reason).Time("until", d.heldUntil).Msg("the file is held: it cannot be uploaded, and nothing " +
			"shows why. It stays where it is. Look whether a proxy in between limits the size of uploads")
	case newsAway:
		log.Info().Str("reason", reasonOf(err)).Stringer("for", awayFor).Msg("looked for")
	case newsUnfilable:
		log.Warn().Str("error", reasonOf(err)).Msg("files cannot be filed away: this folder sends nothing more until they can, and tries by itself")
	case newsGroupUnproven:
		log.Warn().Str("error", reasonOf(err)).Msg("the group is refused, though not by " + d.lane.traits.Name + "'s own word: its folder waits, " +
			"and tries again by itself")
	case newsGroupRefuses:
		log.Warn().Str("error", reasonOf(err)).Msg("the group refuses: its folder waits, and tries again by itself")
	case newsDoubt:
		log.Info().Str("reason", reasonOf(err)).Msg("the answer to its post was lost, and nobody knows yet whether it is posted: its folder waits")
	case newsWaits:
		level := zerolog.InfoLevel // the next try may pass
		if d.pause.failures > 1 {
			level = zerolog.WarnLevel
		}
		log.WithLevel(level).Str("error", reasonOf(err)).Int("tries", d.pause.failures).Msg("the file waits, and is tried again by itself")
	}
}

// tellFolder tells that a trouble of a folder is over.
func (l *loop) tellFolder(of *lane, n news) {
	log := l.Log.With().Str("folder", text.Printable(of.folder.Path)).Logger()
	switch n {
	case newsAnswers:
		log.Info().Msg("the file system answers again")
	case newsFilableAgain:
		log.Info().Msg("files are filed away again")
	}
}

// tellRecognised tells of each file that was found again that it is not posted once more.
func (l *loop) tellRecognised(found []match) {
	for _, m := range found {
		l.logOf(&m.known.of.facts).Info().Str("was", text.Printable(m.known.file.Name)).Str("is", text.Printable(m.name)).
			Msg("known again: it is posted already, under another name or with other looks, so it is filed and not posted once more")
	}
}

// tellHung tells of a folder that its file system hangs.
func (l *loop) tellHung(h hung) {
	l.logOf(&h.d.facts).Warn().Stringer("hangs", h.call).Stringer("for", time.Since(h.call.Since).Round(time.Second)).
		Msg("the file system does not answer: this folder waits for it, the others go on. Is the server of the share gone, the disk frozen?")
}

// tellDestination tells that the destination fails, or answers again.
func (l *loop) tellDestination(n news, err error) {
	known, _ := l.queue.counts()
	switch n {
	case newsToken:
		answer, _ := errors.AsType[*destination.Error](err)
		what := "nothing is sent, and the files stay where they are. "
		if answer.Answered {
			what = "the token is refused: " + what
		}
		l.Log.Error().Str("error", reasonOf(err)).Bool("its_own_word", answer.Spoken).Int("waiting", known).
			Msg(what + answer.Advice)
	case newsOutage:
		l.Log.Warn().Str("error", reasonOf(err)).Int("waiting", known).
			Msg("the destination cannot take files now: they stay where they are, and go on by themselves")
	case newsGroups:
		l.Log.Warn().Str("error", reasonOf(err)).Int("waiting", known).
			Msg("several groups are refused alike, and no post passes: the files stay where they are, and go on by themselves")
	case newsOutageOver:
		l.Log.Info().Int("waiting", known).Msg("the destination answers again: going on")
	}
}

// tellEnd tells how a delivery ended.
func (l *loop) tellEnd(d *delivery, n news) {
	log := l.logOf(&d.facts)
	switch n {
	case newsDelivered:
		l.addPlace(log.Info(), d).Msg("delivered") //nolint:zerologlint // addPlace gives back what it was given
	case newsFailed:
		l.addPlace(log.Warn().Str("reason", d.Reason), d).Msg("failed") //nolint:zerologlint // likewise
	case newsNotPosted:
		log.Info().Str("reason", d.Reason).Msg("not posted")
	case newsDivided:
		l.tellDivision(d)
	}
}

// addPlace says where d was posted, where its files lie, and how long it took.
func (l *loop) addPlace(e *zerolog.Event, d *delivery) *zerolog.Event {
	if d.Reference != "" {
		e = e.Str("as", string(d.Kind)).Str("group", text.Printable(d.Group)).Str("reference", text.Printable(d.Reference))
	}
	if d.MaybeTwice {
		e = e.Bool("maybe_twice", true)
	}
	return l.addDests(e, d).Stringer("took", time.Since(d.begun).Round(time.Millisecond))
}

// maxListed is how many images of an album are listed in one line of the log.
const maxListed = 10

// addDests says where the files of d are to be found now: each of them, or of a long album the folder (the ledger has
// the rest).
func (l *loop) addDests(e *zerolog.Event, d *delivery) *zerolog.Event {
	dests := make([]string, len(d.Files))
	for i, f := range d.Files {
		dests[i] = text.Printable(destOf(f, d.Folder))
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
		left = append(left, text.Printable(d.Files[out.index].Name))
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
