package uploader

import (
	"context"
	"errors"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// verdict is what the result of a step means for what comes next.
type verdict int

const (
	advance        verdict = iota // the step is done
	foundPosted                   // the destination has the post whose answer was lost
	withdraw                      // the file changed or went away: forget the delivery, and give its name back
	letGo                         // some images of an album did: the others go on without them
	refusedForGood                // by the service's word, never as it is. A file: failed/; an album: a search, or one by one
	unproven                      // refused as if it were this file's fault, and nobody's word for it
	uploadAgain                   // the post was refused, maybe for an old resource
	uncertain                     // the post may have been made although no answer says so
	cannotTell                    // the destination was asked whether it was, and cannot say
	cannotTellYet                 // the same, but it can later: its folder waits
	retryFile                     // something about this file, here: it waits, others go on
	retryEnd                      // its calls are over, and its local end failed: that is tried again until it works
	retryFolder                   // the group or the folder: it waits, others go on
	unprovenFolder                // refused as if it were the group's fault, and nobody's word for it
	retryAll                      // the destination: everything waits
	interrupted                   // the daemon is stopping
	disowned                      // the ledger does not have it as it was left: nobody knows whether it was posted
	knownAgain                    // it is a file that was posted already, and is not filed yet
	elsewhere                     // a delivery to another destination has a file of it
	filedBefore                   // a file lies where an earlier delivery filed it: it is no new one
)

// judge is the one table of results: what does r, which d has learned, mean for d at its stage? It decides whose fault a failure
// is. What happens on this side of the wire comes first, the answer to a call is judged by judgeCall.
func judge(d *delivery, r result) verdict {
	answer, onWire := errors.AsType[*destination.Error](r.err)
	switch {
	case r.err == nil && d.stage == toFind && r.posted:
		return foundPosted
	case r.err == nil:
		return advance
	case errors.Is(r.err, ledger.ErrFiled):
		return filedBefore
	case isClaimedElsewhere(r.err):
		return elsewhere
	case isForGood(r.err):
		return disowned
	case isUnsettled(r.err) && d.isOpen() && !d.unknown:
		if _, some := errors.AsType[troubles](r.err); some {
			return letGo
		}
		return withdraw
	case isKnown(r.err):
		return knownAgain
	case !d.isOpen():
		return retryEnd
	case isForAll(r.err):
		return retryFolder
	case isBlameless(r.err):
		return retryFile
	case isUnsettled(r.err), errors.Is(r.err, errUnknown):
		return uncertain
	case errors.Is(r.err, context.Canceled) && !mayHaveActed(r.err):
		return interrupted
	case !onWire || answer.Fault == destination.OfContent: // reading the file
		return retryFile
	}
	if d.stage == toFind { // a question is never the file's fault
		return judgeFind(d, answer)
	}
	return judgeCall(d.hasOldResource(), answer)
}

// judgeCall is the part of the table that is about calls. A status alone is nobody's word, whatever it claims: it may be
// that of a proxy which has nobody to ask, or of a captive portal. The service's word is its own error body
// (destination.Error.Spoken).
//
//	the call failed with                   evidence                          it is
//	an answer to a post that was lost      none is needed                    uncertain: the destination is asked, or when_unknown decides
//	a resource that is of no use any more  none is needed                    nobody's: it is uploaded again
//	a refusal of the file or the message   the service's word                the file's: failed/ at once; of a post with an
//	                                                                         old resource, it is uploaded again
//	  the same                             others of its kind pass between   the file's: failed/ after max_attempts such
//	                                       its failures                      failures; an album is divided before
//	  the same                             none: nothing else passes         the destination's: everything waits; an upload in
//	                                                                         vain is made three times, then held (hold.go)
//	a refusal of the group                 the service's word                the group's: its folder waits
//	  the same                             others' posts pass, or none       nobody knows: its folder waits
//	  the same, of several groups          none: no post passes              the destination's: their folders wait together
//	everything else                        none is needed                    the destination's: everything waits; what fails
//	                                                                         while others of its kind pass is the file's, after
//	                                                                         max_attempts failures; a large upload in vain is
//	                                                                         made three times, then held (hold.go)
//
// That others pass is counted where the verdict is applied (blame.go).
func judgeCall(oldResource bool, answer *destination.Error) verdict {
	switch {
	case answer.MayHaveActed:
		return uncertain
	case answer.Stale:
		return uploadAgain
	case answer.Fault == destination.OfFile && !answer.Proven():
		return unproven
	case answer.Fault == destination.OfFile && oldResource:
		return uploadAgain
	case answer.Fault == destination.OfFile:
		return refusedForGood
	case answer.Fault == destination.OfTarget && !answer.Proven():
		return unprovenFolder
	case answer.Fault == destination.OfTarget:
		return retryFolder
	}
	return retryAll
}

// judgeFind is the part of the table that is about the question whether something is posted.
func judgeFind(d *delivery, answer *destination.Error) verdict {
	switch ofTarget := answer.Fault == destination.OfTarget && answer.Proven(); {
	case answer.Unknowable:
		return cannotTell
	case answer.Later:
		return cannotTellYet
	case ofTarget && d.Group != "" && d.Group != d.lane.folder.Group: // nothing is posted there any more, and nobody waits for it
		return cannotTell
	case ofTarget:
		return retryFolder
	}
	return retryAll
}

// mayBePosted decides whether a delivery may be in the group although no answer says so, after a step that has learned r. A post
// that was sent leaves a doubt unless it was answered, or failed in a way that MayHaveActed rules out. Only the answer that it
// was taken ends a doubt: a later refusal speaks of the later try. Of what an earlier run left, resume decides.
func (f *facts) mayBePosted(r result) bool {
	answer, onWire := errors.AsType[*destination.Error](r.err)
	switch {
	case r.posted:
		return false
	case r.absent:
		return len(r.shown) > 0
	case onWire:
		return f.unknown || answer.MayHaveActed || len(r.shown) > 0
	}
	return f.unknown || r.sent && r.err != nil
}

// isForGood reports whether the ledger refused a step because it does not have the delivery in the state that this run
// left it in: somebody else changed it, or a commit was made that was told to have failed. Trying again cannot help.
func isForGood(err error) bool {
	return errors.Is(err, ledger.ErrState) || errors.Is(err, ledger.ErrUnknown)
}

// isClaimedElsewhere reports whether err says that a delivery has the file which is none of this uploader's.
func isClaimedElsewhere(err error) bool {
	_, ok := errors.AsType[*ledger.ClaimedError](err)
	return ok
}

// isBlameless reports whether err says nothing against the file.
func isBlameless(err error) bool {
	_, ours := errors.AsType[ledgerError](err)
	_, stays := errors.AsType[unfilable](err)
	return ours || stays || errors.Is(err, errFolderGone) || errors.Is(err, errHung) || errors.Is(err, errAway)
}

// isUnsettled reports whether err says that the file that settled is not there any more.
func isUnsettled(err error) bool {
	return errors.Is(err, errChanged) || errors.Is(err, errVanished) || errors.Is(err, errFolderGone)
}

// isTheirs reports whether an answer says of itself that no file is to blame: of the token, or of the number of calls.
func isTheirs(err error) bool {
	answer, ok := errors.AsType[*destination.Error](err)
	return ok && (answer.Fault == destination.OfAccess || answer.Fault == destination.OfTraffic)
}

// mayBeItsOwn reports whether an answer that is the destination's fault may still have to do with what was sent to it.
func mayBeItsOwn(err error) bool {
	answer, ok := errors.AsType[*destination.Error](err)
	return ok && (answer.MayHaveActed || answer.OfItself)
}

func mayHaveActed(err error) bool {
	answer, ok := errors.AsType[*destination.Error](err)
	return ok && answer.MayHaveActed
}

// isForAll reports whether err says that no file of the folder can be moved away.
func isForAll(err error) bool {
	cannot, ok := errors.AsType[unfilable](err)
	return ok && cannot.all
}

// isAway reports whether err says that the posted file is not where it was, in its place or at all.
func isAway(err error) bool {
	return errors.Is(err, filing.ErrGone) || errors.Is(err, filing.ErrReplaced)
}

func retryAfter(err error) time.Duration {
	if answer, ok := errors.AsType[*destination.Error](err); ok {
		return answer.RetryAfter
	}
	return 0
}
