package destination

import "time"

// Fault says whose fault a failed call seems to be, and so what should wait.
type Fault int

const (
	// OfDestination: the destination, or the way to it. Every file would fare the same.
	OfDestination Fault = iota
	// OfAccess: the account or its token is refused. No waiting alone cures that.
	OfAccess
	// OfTraffic: these were too many calls.
	OfTraffic
	// OfFile: this file or its message. Sending it again as it is will not help.
	OfFile
	// OfContent: the file could not be read to its end, or did not have its size. It is never the network's fault.
	OfContent
	// OfTarget: the group or room is not there, or not open to this account. Others may be.
	OfTarget
)

func (f Fault) String() string {
	switch f {
	case OfAccess:
		return "access"
	case OfTraffic:
		return "traffic"
	case OfFile:
		return "file"
	case OfContent:
		return "content"
	case OfTarget:
		return "target"
	}
	return "destination"
}

// Error is what every failed call of a destination comes back as. It holds no secret, and its texts are safe to print.
type Error struct {
	Fault    Fault
	Answered bool // somebody answered the call
	Spoken   bool // it was the destination itself, by its own form of errors; else it may be something in between
	// OfItself says that the failure may be this file's doing, although Fault does not say so.
	OfItself bool
	BodySent bool // bytes of a file had left, so that the call cost something
	// MayHaveActed says that the post may have been made although no answer says so.
	MayHaveActed bool
	// Stale says that what Upload gave is of no use any more, and that nothing was done: it is to be uploaded again.
	Stale bool
	// Unknowable says, to whether a post was made, that the destination cannot tell, now or later.
	Unknowable bool
	// Later says, to whether a post was made, that the destination can tell after RetryAfter, or sooner, and not yet.
	Later      bool
	RetryAfter time.Duration // how long the answer asks to wait; 0: it does not say

	Advice string // what a person can do about it; "": nothing is known

	// What a person reads of a file that is given up for this.
	Reason string // in plain words, as the destination's own; "": the error's text says it
	Same   bool   // the same file would fare the same again
	Answer Answer

	Err error // what went wrong, with the whole text
}

// Answer is what the other side said, in its own words. A text is "" if there was none.
type Answer struct {
	Status, Code, Message string
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives Err.
func (e *Error) Unwrap() error { return e.Err }

// Proven reports whether Fault is certain: the destination itself spoke, or it was found out on this side. Whoever stands in
// between (a proxy, a gateway, a captive portal) may answer with anything to any call.
func (e *Error) Proven() bool { return e.Spoken || !e.Answered }
