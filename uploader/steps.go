package uploader

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
)

// step takes the next step of d, to which it has sole access until it returns. Every change of state is in the ledger
// before the next step on the outside.
//
// The end of ctx breaks off calls only: what has happened must be written down also when the daemon is stopping.
func (u *Uploader) step(ctx context.Context, d *delivery) error {
	lasting := context.WithoutCancel(ctx)
	switch d.stage {
	case toClaim:
		return u.claim(lasting, d)
	case toUpload:
		return u.remember(lasting, d, u.upload(ctx, d))
	case toKeep:
		return u.keep(lasting, d)
	case toPost:
		return u.remember(lasting, d, u.post(ctx, d))
	case toConfirm:
		return u.remember(lasting, d, u.confirm(lasting, d))
	case toFile:
		return u.remember(lasting, d, u.file(lasting, d))
	case toFail:
		return u.remember(lasting, d, u.fail(lasting, d))
	case toWithdraw, toDivide:
		return u.withdraw(lasting, d)
	case toHold:
		return u.hold(lasting, d)
	}
	panic("uploader: a delivery without a stage")
}

// claim enters d into the ledger, if it is not there yet.
func (u *Uploader) claim(ctx context.Context, d *delivery) error {
	if d.ID != 0 {
		return nil
	}
	id, err := u.Ledger.Claim(ctx, d.Delivery)
	if err == nil {
		d.ID = id
	}
	return inLedger(err)
}

// keep writes down what the upload gave.
func (u *Uploader) keep(ctx context.Context, d *delivery) error {
	if err := u.Ledger.Uploaded(ctx, d.ID, d.Resource, d.sums()); err != nil {
		return inLedger(err)
	}
	d.posting = false
	return nil
}

// withdraw has the ledger forget d.
func (u *Uploader) withdraw(ctx context.Context, d *delivery) error {
	err := u.takeBack(ctx, d, d.Reason)
	if err == nil {
		err = inLedger(u.Ledger.Withdraw(ctx, d.ID))
	}
	if errors.Is(err, ledger.ErrUnknown) {
		return nil // it is forgotten
	}
	return err
}

// upload sends the files and takes the mediaResource, provided that the files are still what they were. What it gives
// for a part of an album is of no use.
func (u *Uploader) upload(ctx context.Context, d *delivery) error {
	if err := cmp.Or(u.filable(d), d.isNew()); err != nil {
		return err
	}
	if resource, err := d.kept(); resource != "" || err != nil {
		d.Resource = resource
		return err
	}
	src, err := openSource(d)
	if err != nil {
		return err
	}
	defer src.close()
	resource, err := u.Destination.Upload(ctx, src.parts())
	if errors.Is(context.Cause(ctx), errHung) {
		return errHung
	}
	if err == nil && d.search == nil {
		src.noteSums()
	}
	if changed := d.unchanged(); changed != nil {
		return changed // which explains err, if there is one
	}
	if err == nil && d.isTouched() {
		return &touched{resource}
	}
	if unread := src.trouble(); err != nil && unread != nil {
		return unread // which says of which image
	}
	if err != nil || d.search != nil {
		return err
	}
	d.Resource = resource
	return nil
}

// post posts the uploaded files. The ledger knows that it is being tried before the first byte goes out.
func (u *Uploader) post(ctx context.Context, d *delivery) error {
	if err := d.unchanged(); err != nil {
		return err
	}
	if err := cmp.Or(u.filable(d), d.isNew(), u.writeRecognised(context.WithoutCancel(ctx), d)); err != nil {
		return err
	}
	if ctx.Err() != nil { // the look hung until the daemon was stopping
		return context.Cause(ctx)
	}
	lasting, again := context.WithoutCancel(ctx), d.unknown
	d.Group, d.Caption = d.to.Group, u.caption(d)
	if again && d.to.HoldUnknown {
		return errUnknown
	}
	if err := u.takeBack(lasting, d, d.Reason); err != nil {
		return err
	}
	if err := u.Ledger.Posting(lasting, d.ID, d.Group, d.Caption, again); err != nil {
		return inLedger(err)
	}
	d.posting = true
	if again {
		d.MaybeTwice = true
		u.logOf(d).Warn().Msg("posting again: the answer to the first try was lost, so the message may appear twice (when_unknown = \"repost\")")
	}
	receipt, err := u.Destination.Post(ctx, kaizala.Post{Group: d.Group, Action: d.Action, Resource: d.Resource, Caption: d.Caption})
	if err != nil {
		return err
	}
	d.Reference, d.unknown = receipt.Reference, false
	for _, r := range receipt.Refused {
		u.logOf(d).Warn().Interface("refused", r).Msg("the group did not take the message for one subscriber")
	}
	return nil
}

func (u *Uploader) caption(d *delivery) string {
	render := d.to.Caption
	if render == nil {
		return ""
	}
	text, err := render(d.Folder, d.names(), d.SettledAt)
	if err != nil {
		u.logOf(d).Warn().Err(err).Msg("the caption cannot be made for this file: posting without one")
	}
	return text
}

// remember writes why a step failed beside the delivery, so that a person can see what it waits for, and that a
// definite refusal of an action leaves no doubt. It returns err.
func (u *Uploader) remember(ctx context.Context, d *delivery, err error) error {
	if err == nil || isKnown(err) && d.ID == 0 || isBlameless(err) || isLost(err) || errors.Is(err, errUnknown) {
		return err
	}
	reason, interrupted := reasonOf(err), errors.Is(err, context.Canceled)
	if interrupted {
		reason = d.Reason
	}
	var lerr error
	if d.stage == toPost && d.posting {
		answer, onWire := errors.AsType[*kaizala.Error](err)
		d.unknown = d.unknown || !onWire || answer.MayHaveActed
		lerr = u.takeBack(ctx, d, reason)
	}
	if lerr == nil && !interrupted {
		lerr = u.Ledger.Waits(ctx, d.ID, d.Attempts, reason)
	}
	if lerr != nil {
		u.logOf(d).Warn().Err(lerr).Msg("cannot write down why the file waits")
	}
	return err
}

// takeBack tells the ledger that the post which it has under way was surely not made. Until it knows that, neither
// another try nor an end of d may begin.
func (u *Uploader) takeBack(ctx context.Context, d *delivery, reason string) error {
	if !d.posting || d.unknown {
		return nil
	}
	if err := u.Ledger.Refused(ctx, d.ID, d.Attempts, reason); err != nil {
		return inLedger(err)
	}
	d.posting = false
	return nil
}

// confirm writes down that the post was made.
func (u *Uploader) confirm(ctx context.Context, d *delivery) error {
	return u.despite(d, u.Ledger.Posted(ctx, d.ID, d.Reference))
}

// despite has d, whose end is decided, go on to it although the ledger refuses a step for good: as long as its files lie
// in the folder they could be taken for new, and be posted again. Every other err is to be tried again.
func (u *Uploader) despite(d *delivery, err error) error {
	if !isForGood(err) {
		return inLedger(err)
	}
	u.logOf(d).Error().Err(err).Msg("the ledger does not have this delivery as it was left; was it edited or put back while the " +
		"daemon runs? It is moved away all the same, so that it is not posted again. Restart the daemon, and look in the " +
		"group for messages that are missing or shown twice")
	return nil
}

// file moves the posted files to done/.
func (u *Uploader) file(ctx context.Context, d *delivery) error {
	if err := u.clearUp(d); err != nil {
		return err
	}
	if err := u.despite(d, u.writeRecognised(ctx, d)); err != nil {
		return err
	}
	if err := u.move(ctx, d, u.Filer.Move, d.to.Done); err != nil {
		return err
	}
	return u.despite(d, u.Ledger.Filed(ctx, d.ID, d.dests()))
}

// fail moves the refused files to failed/, each with the reason beside it.
func (u *Uploader) fail(ctx context.Context, d *delivery) error {
	if d.ID == 0 { // refused for its name or because it is torn, it was never taken up
		if err := d.isNew(); err != nil {
			return err
		}
		d.State = ledger.Failed
		if err := u.claim(ctx, d); err != nil {
			return err
		}
		d.decided = true
	}
	if !d.decided {
		if err := u.despite(d, u.Ledger.Failed(ctx, d.ID, d.note.Reason)); err != nil {
			return err
		}
		d.decided = true
	}
	if err := u.clearUp(d); err != nil {
		return err
	}
	if err := u.despite(d, u.writeRecognised(ctx, d)); err != nil {
		return err
	}
	d.note.When, d.note.Group, d.note.Action = time.Now(), d.to.Group, string(d.Action)
	move := func(m filing.Move) (string, error) { return u.Filer.Fail(m, d.note) }
	if err := u.move(ctx, d, move, d.to.Failed); err != nil {
		return err
	}
	return u.despite(d, u.Ledger.Buried(ctx, d.ID, d.dests()))
}

// movesAtOnce is how many images of one album are moved at the same time: they share their syncs.
const movesAtOnce = 8

// move moves each file of d that still lies in its folder, and as many of an album as can be moved.
func (u *Uploader) move(ctx context.Context, d *delivery, move func(filing.Move) (string, error), dir string) error {
	if d.landed == nil {
		d.landed = make([]bool, len(d.Files))
	}
	var all errgroup.Group
	all.SetLimit(movesAtOnce)
	for i := range d.Files {
		all.Go(func() error { return u.moveFile(ctx, d, i, move, dir) })
	}
	err := all.Wait()
	if err == nil && d.to.RemoveEmptied {
		_ = d.calls.Do("remove emptied folders in", d.Folder, func() error { return u.tidy(d) }) // what cannot be removed stays
	}
	return err
}

// tidy removes the subfolders that d has emptied.
func (u *Uploader) tidy(d *delivery) error {
	if !removeEmptied(d) {
		return nil
	}
	return u.Filer.Sync(d.Folder) // or a power cut could bring an empty folder back that nobody looks at any more
}

// copySpeed is how many bytes a second a move to another device copies at least, or it counts as hanging.
const copySpeed = 1 << 20

// moveFile moves a file. One that somebody took away or replaced meanwhile is left to them, but not before a posted one was
// looked for: its bytes may lie there with other looks, or in the folder under another name.
func (u *Uploader) moveFile(ctx context.Context, d *delivery, i int, move func(filing.Move) (string, error), dir string) error {
	f := &d.Files[i]
	if f.Dest != "" {
		return nil
	}
	dest, err := u.moveAs(d, i, move, dir)
	if errors.Is(err, filing.ErrReplaced) && d.mayBeFiled() && d.looksOther(i) {
		if err := u.writeLooks(ctx, d, i); err != nil {
			return err
		}
		dest, err = u.moveAs(d, i, move, dir)
	}
	copied, isCopied := errors.AsType[filing.Copied](err)
	switch {
	case isCopied && d.lookedFor:
		if len(f.SHA256) == 0 { // it was refused before all of it was read
			f.SHA256 = copied.SHA256
		}
		return errCopied
	case isAway(err) && d.mayBeFiled() && d.lookedFor:
		return errAway
	case isAway(err):
		u.logOf(d).Info().Str("reason", reasonOf(err)).Msg("not moved")
		return u.forget(d, *f, "")
	case err != nil: // with a dest, the next try finds it there, and repeats the sync and the clearing up that failed
		d.landed[i] = dest != "" && !errors.Is(err, filing.ErrFolderGone)
		return err
	}
	f.Dest = dest
	return nil
}

func (u *Uploader) moveAs(d *delivery, i int, move func(filing.Move) (string, error), dir string) (dest string, err error) {
	f := d.Files[i]
	m := filing.Move{Folder: d.Folder, Name: f.Name, Want: d.want(i), SHA256: f.SHA256, Dir: dir,
		Again: d.again(), Sought: d.lookedFor && !d.landed[i]}
	copying := time.Duration(f.ID.Size/copySpeed) * time.Second
	err = d.calls.DoLong("move", filepath.Join(d.Folder, f.Name), copying, func() (err error) { dest, err = move(m); return err })
	return dest, err
}
