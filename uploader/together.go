package uploader

// Where the images of an album are shown one by one, they stay together: nothing else is posted to their group in between.

// stumblesMost is how often an album may fail in the midst of its images, while other calls succeed, before others of its group are posted
// all the same.
const stumblesMost = 8

// isInParts reports whether some images of d may be shown, and others not yet.
func (d *delivery) isInParts() bool {
	return d.lane.finds && d.isAlbum() && d.stage.isPostsTurn() && (d.unknown || d.busy && d.stage == toPost)
}

// holdsGroup reports whether nothing else is to be posted to d's group until all its images are shown. An album that cannot go on for
// its own sake, or its folder's, holds up nobody.
func (q *queue) holdsGroup(d *delivery) bool {
	l := d.lane
	return d.isInParts() && d.away.IsZero() && d.stumbles < stumblesMost && q.first != d &&
		l.hanging == 0 && !l.stuck() && l.sick.failures == 0
}

// stumble counts a failure of d that is not the destination's alone: something succeeded since the one before.
func (q *queue) stumble(d *delivery) {
	if q.succeeded != d.succeededThen {
		d.stumbles++
	}
	d.succeededThen = q.succeeded
}

// letOthers has d, of which some images may be shown, hold its group no longer: what is wrong is its own.
func (d *delivery) letOthers() {
	if d.isInParts() {
		d.stumbles = stumblesMost
	}
}

// albumIn finds the album of l that holds its group; nil: there is none.
func (q *queue) albumIn(l *lane) *delivery {
	if !l.finds {
		return nil
	}
	for _, d := range l.active {
		if q.holdsGroup(d) {
			return d
		}
	}
	return nil
}

// crowd is who posts to a group.
type crowd struct {
	album   *lane // whose album is being shown there, or is the next to be; nil: none
	posting int   // how many folders have a post under way
}

// crowds gives who posts to the groups, as far as somebody does, if that matters at all.
func (q *queue) crowds() map[string]*crowd {
	if !q.finds {
		return nil
	}
	all := map[string]*crowd{}
	for _, l := range q.turns {
		album := q.albumIn(l) != nil
		if !album && !l.posting {
			continue
		}
		c := all[l.folder.Group]
		if c == nil {
			c = &crowd{}
			all[l.folder.Group] = c
		}
		if album {
			c.album = l
		}
		if l.posting {
			c.posting++
		}
	}
	return all
}

// lets reports whether d may be posted now. An album that waits until nobody else posts to its group is the next one there.
func (c *crowd) lets(d *delivery) bool {
	switch {
	case c == nil:
		return true
	case d.isInParts():
		return c.posting == 0
	case c.album != nil && c.album != d.lane:
		return false
	case d.isAlbum() && c.posting > 0:
		c.album = d.lane
		return false
	}
	return true
}
