package matrix

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
)

// The faults that a failure can be of, in the words of the seam.
const (
	ofDestination = destination.OfDestination
	ofAccess      = destination.OfAccess
	ofTraffic     = destination.OfTraffic
	ofFile        = destination.OfFile
	ofContent     = destination.OfContent
	ofTarget      = destination.OfTarget
)

// Error is the error of each failed call. It holds no secret, and its texts are safe to print.
type Error struct {
	Call string // which: "well-known", "whoami", "limit", "alias", "join", "state", "rooms", "upload", "send", "find", "beacon", "login",
	// "refresh", "logout" or "keys"
	Status     int           // of the answer; 0: there was none
	Code       string        // errcode of the answer, or ""; safe to print, at most some 300 bytes
	Message    string        // error of the answer, or the beginning of its text; likewise
	Server     string        // the header Server of the answer, or ""; likewise
	RetryAfter time.Duration // how long the answer asks to wait, at most 7 days; 0: it does not say
	Fault      destination.Fault
	Spoken     bool // the homeserver itself answered: its JSON error body, an object with a string errcode, came whole
	BodySent   bool // bytes of the request's body left, so that the call cost something
	// MayHaveActed says that an event may have been sent although no answer says so. It is false for all other calls.
	MayHaveActed bool
	Reason       string // what a person reads of a file that is given up for this; "": the error's text says it
	Advice       string // what a person can do about it; "": nothing is known
	Same         bool   // the same file would fare the same again
	Stale        bool   // the upload is of no use any more
	Unknowable   bool   // it cannot be told, now or later, whether the post was made
	Later        bool   // it cannot be told yet

	told bool  // Err says all that a person needs
	Err  error // what went wrong apart from the status, or nil
}

func (e *Error) Error() string {
	usable := "cannot use the token"
	if e.Fault == ofDestination { // nothing is wrong with the token
		usable = "cannot ask whose the token is"
	}
	did := map[string]string{
		callWellKnown: "cannot read the server's .well-known/matrix/client", callWhoAmI: usable,
		callLimit: "cannot ask how large a file may be", callAlias: "cannot find the room", callJoin: "cannot enter the room",
		callState: "cannot look at the room", callRooms: "cannot list the rooms", callUpload: "cannot upload", callSend: "cannot post",
		callFind: "cannot look for the post", callBeacon: "cannot look for the post",
		callLogin: "cannot log in", callRefresh: "cannot renew the token", callLogout: "cannot log out",
		callKeys: "cannot encrypt",
	}[e.Call]
	if e.told {
		return did + ": " + e.Err.Error()
	}
	told := wire.Failure{Did: did, Status: e.Status, Server: e.Server, Code: e.Code, Message: e.Message, Err: e.Err, RetryAfter: e.RetryAfter}
	if e.Fault != ofDestination && e.Status != 0 && !e.Spoken {
		told.Lacks = "Matrix"
	}
	return told.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// errorOf is the error of an answer that is no success, or of no use for the reason err.
func (k call) errorOf(a *answer, err error) *Error {
	e := &Error{
		Call: k.name, Status: a.Status, Code: a.code, Message: a.message, Server: a.Clean(a.Header.Get("Server")),
		RetryAfter: a.retryAfter, Spoken: a.spoken, BodySent: a.BodySent, Err: a.CleanError(err),
	}
	e.Fault = faultOf(k.name, a)
	e.MayHaveActed = k.changes() && leavesDoubt(a.Status)
	return e
}

// unanswered is the error of a call without an answer; err is the error of package wire.
func (k call) unanswered(err error) *Error {
	e := &Error{Call: k.name, Err: err}
	if broken, ok := errors.AsType[*wire.Error](err); ok {
		e.Err, e.BodySent = broken.Err, broken.BodySent
		e.MayHaveActed = broken.MayHaveActed && k.changes()
	}
	if errors.Is(err, wire.ErrContent) {
		e.Fault = ofContent
	}
	return e
}

// faultOf is the one table of answers that are no success: whose fault they claim to be. What is not listed is the destination's:
// then nothing is moved and nothing lost. A claim against a file or a room needs evidence: Error.Spoken, or the caller's knowledge
// that others pass.
//
//	answer                                         every other call    upload        send          the others of a room
//	M_UNKNOWN_TOKEN, M_MISSING_TOKEN, other 401    access              access        access        access
//	429, M_LIMIT_EXCEEDED                          traffic             traffic       traffic       traffic
//	M_USER_SUSPENDED, M_USER_DEACTIVATED,
//	M_USER_LOCKED, M_CONSENT_NOT_GIVEN             access              access        access        access
//	403 M_FORBIDDEN, 403 of something else         destination         destination   room          room
//	404 M_NOT_FOUND, 404 of something else         destination         destination   room          room
//	M_UNSUPPORTED_ROOM_VERSION,
//	M_INCOMPATIBLE_ROOM_VERSION, M_INVALID_PARAM   destination         destination   room          room
//	413, M_TOO_LARGE, 415                          destination         file          file          destination
//
// Whatever the homeserver refuses to renew a token with is of access: a login helps.
//
// 400 M_BAD_JSON and the like say that this program is wrong, which is true of every file alike: they are the destination's, too,
// and count against a file only while others pass.
func faultOf(name string, a *answer) destination.Fault {
	switch a.code {
	case "M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_USER_SUSPENDED", "M_USER_DEACTIVATED", "M_USER_LOCKED", "M_CONSENT_NOT_GIVEN":
		return ofAccess
	}
	switch {
	case a.Status == http.StatusUnauthorized, name == callLogin && a.Status == http.StatusForbidden:
		return ofAccess
	case a.isThrottled():
		return ofTraffic
	case name == callRefresh && (a.Status == http.StatusForbidden || a.spoken && a.Status/100 == 4):
		return ofAccess
	}
	switch name {
	case callUpload, callSend:
		if isTooLarge(a) || a.Status == http.StatusUnsupportedMediaType {
			return ofFile
		}
	}
	switch name {
	case callSend, callAlias, callJoin, callState, callFind, callBeacon:
		if isOfRoom(a) {
			return ofTarget
		}
	}
	return ofDestination
}

func isTooLarge(a *answer) bool {
	return a.Status == http.StatusRequestEntityTooLarge || a.code == "M_TOO_LARGE"
}

// isOfRoom reports whether the answer is about the room, or may be.
func isOfRoom(a *answer) bool {
	switch a.code {
	case "M_FORBIDDEN", "M_NOT_FOUND", "M_UNSUPPORTED_ROOM_VERSION", "M_INCOMPATIBLE_ROOM_VERSION", "M_INVALID_PARAM":
		return a.Status/100 == 4
	case "":
		return a.Status == http.StatusForbidden || a.Status == http.StatusNotFound
	}
	return false
}

// leavesDoubt reports whether an event may have been sent all the same: the answer could not be understood, or whoever gave it did
// not get that of the homeserver.
func leavesDoubt(status int) bool {
	switch status {
	case http.StatusNotImplemented, http.StatusServiceUnavailable, http.StatusHTTPVersionNotSupported:
		return false
	case http.StatusSeeOther, http.StatusRequestTimeout:
		return true
	}
	return status < 300 || status >= 500
}

// destinationError turns an *Error into the *destination.Error that wraps it. It returns any other error as it is.
func (c *Client) destinationError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	out := &destination.Error{
		Fault: e.Fault, Answered: e.Status != 0, Spoken: e.Spoken, OfItself: e.isOfItself(), BodySent: e.BodySent,
		MayHaveActed: e.MayHaveActed, RetryAfter: e.RetryAfter, Advice: e.Advice, Reason: e.Reason, Same: e.Same,
		Stale: e.Stale, Unknowable: e.Unknowable, Later: e.Later,
		Answer: destination.Answer{Code: e.Code, Message: e.Message}, Err: e,
	}
	if e.Status != 0 {
		out.Answer.Status = strconv.Itoa(e.Status)
	}
	c.explain(e, out)
	return out
}

// isOfItself reports whether there is an answer that may depend on what was sent.
func (e *Error) isOfItself() bool {
	switch e.Status {
	case 0, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return false
	}
	return e.Fault != ofAccess && e.Fault != ofTraffic && (e.Call == callUpload || e.Call == callSend)
}

// leavesRoomInDoubt reports whether an upload was answered as by a server whose disk is full: 400 M_UNKNOWN of Dendrite, or a server error.
func leavesRoomInDoubt(e *Error) bool {
	return e.Status == http.StatusBadRequest && e.Code == "M_UNKNOWN" || e.Status >= 500
}

// explain sets what a person reads about a file that is given up because of e. It calls the refusal the homeserver's only if that
// itself has said so.
func (c *Client) explain(e *Error, out *destination.Error) {
	switch {
	case out.Advice != "":
	case e.Fault == ofAccess:
		out.Advice = "Look at access_token and user, or log in anew: " + c.login
	case e.Call == callUpload && e.Spoken && e.Fault == ofDestination && leavesRoomInDoubt(e):
		out.Advice = "If it lasts, have the homeserver's administrator look: there may be no room on its disk for what is uploaded."
	case e.Fault != ofFile || e.Status != http.StatusRequestEntityTooLarge:
	case !e.Spoken:
		out.Advice = "Make it smaller, send it another way, or have whoever runs the proxy in between allow larger uploads."
	case e.Call == callUpload:
		out.Reason, out.Same = "the homeserver refused the file: it is too large", true
		out.Advice = "Make it smaller, send it another way, or have the homeserver's administrator allow larger uploads."
	default:
		out.Reason, out.Same = "the homeserver refused the message: it is too large", true
		out.Advice = "Make the caption of the folder shorter."
	}
}
