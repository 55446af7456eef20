package inquiry

import (
	"context"
	"slices"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/view"
)

// namesMost is how many names are shown of those that wait for one reason.
const namesMost = 5

// Status tells how everything stands, as of now or a moment ago.
func (d *Desk) Status(ctx context.Context) (control.Status, error) {
	d.kept.mu.Lock()
	defer d.kept.mu.Unlock()
	if d.Now().Before(d.kept.until) {
		return d.kept.status, nil
	}
	s, err := d.status(ctx)
	if err == nil {
		d.kept.status, d.kept.until = s, d.Now().Add(statusFor)
	}
	return s, err
}

func (d *Desk) status(ctx context.Context) (control.Status, error) {
	c := d.Config()
	asking, cancel := context.WithTimeout(ctx, partsTime)
	defer cancel()
	s := control.Status{API: control.Version, Running: d.Live != nil, Unasked: d.unasked(), Version: d.Version, At: d.Now(), StateDir: c.StateDir}
	unfinished, err := d.Ledger.Unfinished(ctx, "")
	if err != nil {
		return s, err
	}
	s.Orphans = orphans(c, unfinished)
	var doors []view.Door
	var answered bool
	if d.Live != nil {
		s.PID, s.Started = d.Live.Process()
		doors, answered = d.Live.Doors(asking)
	}
	lanes := map[string]view.Lane{}
	for _, to := range c.Destinations {
		s.Destinations = append(s.Destinations, d.destination(asking, to, unfinished, lanes))
	}
	failed := d.seeFailed(ctx, c.Folders)
	for _, f := range c.Folders {
		shown, err := d.folder(ctx, asking, f, lanes, unfinished, failed[f.Path])
		if err != nil {
			return s, err
		}
		if i := slices.IndexFunc(doors, func(door view.Door) bool { return door.Folder == f.Path }); i >= 0 {
			shown.Up = doors[i].Up
			if !doors[i].Up {
				shown.Trouble, shown.Advice, shown.Next = doors[i].Trouble, doors[i].Advice, doors[i].Next
			}
		} else if d.Live != nil {
			shown.Silent = shown.Silent || !answered
		}
		s.Folders = append(s.Folders, shown)
	}
	d.markGone(s.Folders)
	return s, nil
}

// destination tells how a destination stands, and puts the lanes of its folders into lanes.
func (d *Desk) destination(ctx context.Context, to config.Destination, unfinished []ledger.Delivery, lanes map[string]view.Lane) control.Destination {
	shown := control.Destination{Name: to.Name, Service: d.Rules.Service(to.Name)}
	if d.Live == nil {
		for _, one := range unfinished {
			if one.Destination == to.Name {
				shown.Deliveries++
			}
		}
		return shown
	}
	shown.CallsPerMinute, shown.CallsLeft = d.Live.Calls(to.Name)
	shown.Notice, shown.Advice = d.Live.Notice(to.Name)
	posting, ok := d.Live.Posting(ctx, to.Name, "", "", false)
	if !ok {
		shown.Silent = true
		return shown
	}
	shown.Pause = posting.Pause
	for _, l := range posting.Lanes {
		lanes[to.Name+"\x00"+l.Folder] = l
		shown.Deliveries += l.Deliveries
		for _, q := range l.Queue {
			if q.Busy && q.Stage == view.Claimed {
				shown.Uploading++
			}
		}
	}
	return shown
}

// folder tells how a folder stands, but for its door. The parts are asked with asking.
func (d *Desk) folder(
	ctx, asking context.Context, f config.Folder, lanes map[string]view.Lane, unfinished []ledger.Delivery, disk seen,
) (control.Folder, error) {
	shown := control.Folder{Path: f.Path, Destination: f.Destination, Target: f.Target(), Failed: disk.failed, FailedNames: disk.names}
	if disk.err != nil {
		return shown, disk.err
	}
	last, err := d.Ledger.Search(ctx, ledger.Query{Folder: f.Path, State: ledger.Filed, Limit: 1})
	if err != nil {
		return shown, err
	}
	if len(last) > 0 {
		e := entriesOf(last[0])[0]
		shown.Last = &e
	}
	if d.Live == nil {
		for _, one := range unfinished {
			if one.Folder == f.Path {
				shown.Deliveries++
			}
		}
		return shown, nil
	}
	if l, ok := lanes[f.Destination+"\x00"+f.Path]; ok {
		shown.Pause, shown.Filing, shown.Queue, shown.Deliveries = l.Group, l.Filing, l.Queue, l.Deliveries
		if l.Hangs != "" {
			shown.Trouble, shown.Advice = "its file system does not answer: "+l.Hangs, "look at the server of the share, or at the disk"
		}
	}
	w, ok := d.Live.Watched(asking, f.Path, "", false)
	if !ok {
		return shown, nil // its door says why
	}
	shown.Held = reasons(w.Held, f.WarnAfter, d.Now())
	for _, n := range w.Ignored {
		shown.Ignored += n
	}
	switch {
	case w.Hangs != "":
		shown.Trouble, shown.Advice = "its file system does not answer: "+w.Hangs, "look at the server of the share, or at the disk"
	case w.Trouble != "" && shown.Trouble == "":
		shown.Trouble, shown.Next = w.Trouble, w.ListAt
	}
	return shown, nil
}

// orphans counts the deliveries of which nobody takes care.
func orphans(c config.Config, unfinished []ledger.Delivery) (all []control.Orphans) {
	for _, one := range unfinished {
		folder := slices.ContainsFunc(c.Folders, func(f config.Folder) bool { return f.Path == one.Folder })
		to := slices.ContainsFunc(c.Destinations, func(to config.Destination) bool { return to.Name == one.Destination })
		if folder && to {
			continue
		}
		i := slices.IndexFunc(all, func(o control.Orphans) bool { return o.Folder == one.Folder && o.Destination == one.Destination })
		if i < 0 {
			all, i = append(all, control.Orphans{Destination: one.Destination, Folder: one.Folder}), len(all)
		}
		all[i].Deliveries++
	}
	return all
}
