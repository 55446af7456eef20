package uploader

import "context"

// find asks the destination whether the post was made, in the group to which it was sent. What was never sent, as far as the ledger
// knows, may have been sent in a life that it has forgotten: since the file was claimed.
func (w *work) find(ctx context.Context) error {
	finder := w.u.Destination.(Finder)
	group, caption, since := w.job.Group, w.job.Caption, w.job.PostingAt
	if since.IsZero() {
		group, caption, since = w.job.to.Group, w.caption(), w.job.ClaimedAt
	}
	receipt, found, err := finder.Find(ctx, w.message(group, caption), since)
	if err != nil {
		return err
	}
	if found && !w.job.ledgerPosting {
		if err := w.u.Ledger.Posting(context.WithoutCancel(ctx), w.job.ID, group, caption, false); err != nil {
			return inLedger(err)
		}
		w.got.ledgerPosting = true
	}
	if found {
		w.got.posted, w.got.reference = true, receipt.ID
	} else {
		w.got.absent, w.got.shown = true, receipt.Shown
	}
	w.tellFound(found)
	return nil
}

// tellFound tells what the destination said. Of what is as the ledger has it, there is nothing to tell.
func (w *work) tellFound(found bool) {
	switch {
	case found && w.job.unknown:
		w.log().Info().Msg("the answer to its post was lost, and it is posted")
	case found:
		w.log().Warn().Msg("it is posted already, and the ledger did not know: was state_dir put back from a copy?")
	case len(w.got.shown) > 0:
		w.log().Info().Int("shown", len(w.got.shown)).Msg("some of its images are posted: posting the others")
	case w.job.unknown:
		w.log().Info().Msg("the answer to its post was lost, and it is not posted: posting it")
	}
}
