package uploader

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/ledger"
)

// step takes the step that j asks for, and returns what it has learned. Every change of state is in the ledger before the next
// step on the outside.
//
// The end of ctx breaks off calls only. What has happened must be written down even when the daemon is stopping.
func (u *Uploader) step(ctx context.Context, j job) result {
	w := newWork(u, j)
	w.got.err = w.run(ctx)
	w.writeTrouble(context.WithoutCancel(ctx))
	return w.got
}

// run does the work of the step.
func (w *work) run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	switch w.job.stage {
	case toClaim:
		return w.claim(lasting, ledger.Claimed)
	case toUpload:
		return w.upload(ctx)
	case toKeep:
		return w.keep(lasting)
	case toPost:
		return w.post(ctx)
	case toFind:
		return w.find(ctx)
	case toConfirm:
		return w.confirm(lasting)
	case toFile:
		return w.fileAway(lasting)
	case toFail:
		return w.fail(lasting)
	case toWithdraw, toDivide:
		return w.withdraw(lasting)
	case toHold:
		return w.hold(lasting)
	}
	panic("uploader: a delivery without a stage")
}

// claim enters the delivery into the ledger, if it is not there yet.
func (w *work) claim(ctx context.Context, as ledger.State) error {
	if w.job.ID != 0 {
		return nil
	}
	if w.job.elsewhere {
		if err := w.unchanged(); err != nil {
			return err
		}
	}
	row := w.job.Delivery
	row.State, row.Destination, row.Key = as, w.u.Name, rand.Text()
	id, err := w.u.Ledger.Claim(ctx, row)
	if err == nil {
		w.got.id, w.got.key = id, row.Key
	}
	return inLedger(err)
}

// id is that of the delivery in the ledger, once it is claimed.
func (w *work) id() int64 { return cmp.Or(w.got.id, w.job.ID) }

// keep writes down what the upload gave.
func (w *work) keep(ctx context.Context) error {
	if err := w.u.Ledger.Uploaded(ctx, w.job.ID, w.job.Resource, w.job.sums()); err != nil {
		return inLedger(err)
	}
	w.got.ledgerPosting = false
	return nil
}

// withdraw has the ledger forget the delivery, whose post was surely not made.
func (w *work) withdraw(ctx context.Context) error {
	err := w.takeBack(ctx, w.job.Reason)
	if err == nil {
		err = inLedger(w.u.Ledger.Withdraw(ctx, w.job.ID))
	}
	if errors.Is(err, ledger.ErrUnknown) {
		return nil // it is forgotten
	}
	return err
}

// upload sends the files and takes the resource, provided that the files are still what they were. The resource of a
// part of an album is of no use.
func (w *work) upload(ctx context.Context) error {
	if err := cmp.Or(w.filable(), w.isNew()); err != nil {
		return err
	}
	if resource, err := w.kept(); resource != "" || err != nil {
		w.got.resource = resource
		return err
	}
	resource, err := w.send(ctx)
	if err == nil && !w.job.probe {
		w.got.resource = resource
	}
	return err
}

// send makes the call of an upload. If a look at the files shows afterwards that they changed, that explains an error of the call.
func (w *work) send(ctx context.Context) (resource string, err error) {
	src, err := openSource(w)
	if err != nil {
		return "", err
	}
	defer src.close()
	resource, err = w.u.Destination.Upload(ctx, w.job.to.Group, src.toUpload())
	if errors.Is(context.Cause(ctx), errHung) {
		return "", errHung
	}
	if err == nil && !w.job.probe {
		src.noteSums()
	}
	if changed := w.unchanged(); changed != nil {
		return "", changed
	}
	if err == nil && w.isTouched() {
		return "", &touched{resource}
	}
	if unread := src.trouble(); err != nil && unread != nil {
		return "", unread // which says of which image
	}
	return resource, err
}

// post posts the uploaded files. The ledger knows that it is being tried before the first byte goes out.
func (w *work) post(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	if err := w.unchanged(); err != nil {
		return err
	}
	if err := cmp.Or(w.filable(), w.isNew(), w.writeRecognised(lasting)); err != nil {
		return err
	}
	if ctx.Err() != nil { // the look hung until the daemon was stopping
		return context.Cause(ctx)
	}
	caption := w.caption()
	if err := w.announce(lasting, caption); err != nil {
		return err
	}
	return w.act(ctx, caption)
}

// announce tells the ledger that a post begins. After an answer that was lost, a folder that holds such posts makes no other.
func (w *work) announce(ctx context.Context, caption string) error {
	if w.job.isInDoubt() && w.job.to.HoldUnknown {
		return errUnknown
	}
	if w.job.shownAll && w.job.ledgerPosting {
		return nil
	}
	if err := w.takeBack(ctx, w.job.Reason); err != nil {
		return err
	}
	if err := w.u.Ledger.Posting(ctx, w.job.ID, w.job.to.Group, caption, w.job.isInDoubt()); err != nil {
		return inLedger(err)
	}
	w.got.ledgerPosting = true
	if w.job.isInDoubt() {
		w.got.twice = true
		w.log().Warn().Msg("posting again: the answer to the first try was lost, so the message may appear twice (when_unknown = \"repost\")")
	}
	return nil
}

// act makes the call of a post.
func (w *work) act(ctx context.Context, caption string) error {
	w.got.sent, w.got.group = true, w.job.to.Group
	receipt, err := w.u.Destination.Post(ctx, w.message(w.job.to.Group, caption))
	if err != nil {
		w.got.shown = receipt.Shown
		return err
	}
	w.got.posted, w.got.reference = true, receipt.ID
	for _, m := range receipt.Missed {
		w.log().Warn().Interface("refused", m).Msg("the group did not take the message for one subscriber")
	}
	return nil
}

func (w *work) message(group, caption string) destination.Message {
	return destination.Message{Target: group, Kind: w.job.Kind, Ref: w.job.Resource, Caption: caption, Key: w.job.Key, Shown: w.job.shown,
		Tried: w.job.unknown}
}

func (w *work) caption() string {
	render := w.job.to.Caption
	if render == nil {
		return ""
	}
	text, err := render(w.job.Folder, w.job.names(), w.job.SettledAt)
	if err != nil {
		w.log().Warn().Err(err).Msg("the caption cannot be made for this file: posting without one")
	}
	return w.u.Traits.Caption(text)
}

// confirm writes down that the post was made.
func (w *work) confirm(ctx context.Context) error {
	return w.endAnyway(w.u.Ledger.Posted(ctx, w.job.ID, w.job.Reference))
}

// takeBack tells the ledger that a post which it has as under way was surely not made. Before the ledger knows that, neither
// another try nor an end of the delivery may begin.
func (w *work) takeBack(ctx context.Context, reason string) error {
	if !w.got.ledgerPosting || w.job.mayBePosted(w.got) {
		return nil
	}
	if err := w.u.Ledger.NotPosted(ctx, w.job.ID, w.job.Attempts, reason); err != nil {
		return inLedger(err)
	}
	w.got.ledgerPosting = false
	return nil
}

// writeTrouble writes into the ledger why the step failed, so that a person can see what the delivery waits for. Before that it
// takes back a post that was definitely refused. The tries it writes are those before this one, because only the verdict says
// whether this one counts.
func (w *work) writeTrouble(ctx context.Context) {
	err := w.got.err
	if !w.isWorthWriting(err) {
		return
	}
	reason, interrupted := reasonOf(err), errors.Is(err, context.Canceled)
	if interrupted {
		reason = w.job.Reason
	}
	var lerr error
	if w.job.stage == toPost {
		lerr = w.takeBack(ctx, reason)
	}
	if lerr == nil && !interrupted {
		lerr = w.u.Ledger.Waits(ctx, w.id(), w.job.Attempts, reason)
	}
	if lerr != nil {
		w.log().Warn().Err(lerr).Msg("cannot write down why the file waits")
	}
}

// isWorthWriting reports whether err is a trouble that the delivery waits for. It is not where the delivery ends with it or is
// forgotten, nor where the ledger, the folder or the file system is what fails.
func (w *work) isWorthWriting(err error) bool {
	unclaimed := isKnown(err) && w.job.ID == 0
	return err != nil && !unclaimed && !isBlameless(err) && !isUnsettled(err) && !errors.Is(err, errUnknown)
}

// endAnyway has a delivery whose end is decided go on to it although the ledger refuses a step for good. As long as its files lie
// in the folder they could be taken for new, and be posted again. Every other error is returned, to be tried again.
func (w *work) endAnyway(err error) error {
	if !isForGood(err) {
		return inLedger(err)
	}
	w.log().Error().Err(err).Msg("the ledger does not have this delivery as it was left; was it edited or put back while the " +
		"daemon runs? It is moved away all the same, so that it is not posted again. Restart the daemon, and look in the " +
		"group for messages that are missing or shown twice")
	return nil
}

// log is the log with what identifies the delivery.
func (w *work) log() *zerolog.Logger { return w.u.logOf(&w.job.facts) }
