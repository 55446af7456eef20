package e2ee

// device names one of those in a room.
type device struct{ user, id string }

// reader is a device of a member, as it is known now.
type reader struct {
	identity string // its Curve25519 key
	why      Reason // why it may not read; "": it may
}

// given is what a device was given of a session.
type given struct {
	identity string // the key of the device that it was given to
	how      how
}

// how says what a device was given.
type how int

const (
	givenKey      how = iota // the key of the session
	givenWithheld            // the word that it is not given it
	givenNothing             // nothing, for want of a one-time key
)

// sharing is what is to be done before a session may be used.
type sharing struct {
	rotate   bool     // somebody has its key who may not read any more: a new one is needed, for all
	give     []device // who are to be given its key, from where it stands
	withhold []device // who are to be told that they are not given it
}

// plan compares who may read now with who was given a session's key. It is a decision, without I/O.
func plan(now map[device]reader, before map[device]given) (s sharing) {
	for d, g := range before {
		r, there := now[d]
		if g.how == givenKey && (!there || r.why != "" || r.identity != g.identity) {
			return planAnew(now)
		}
	}
	for d, r := range now {
		g, known := before[d]
		switch same := known && g.identity == r.identity; {
		case r.why == "" && !(same && g.how == givenKey):
			s.give = append(s.give, d)
		case r.why != "" && !(same && g.how == givenWithheld):
			s.withhold = append(s.withhold, d)
		}
	}
	return s
}

// planAnew is what is to be done for a new session.
func planAnew(now map[device]reader) sharing {
	s := plan(now, nil)
	s.rotate = true
	return s
}
