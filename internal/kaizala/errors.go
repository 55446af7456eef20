package kaizala

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
)

// Fault is whose fault a failure seems to be, and so what should wait. That of a file or of a group is only a claim unless
// Error.Proven reports true.
type Fault int

const (
	// FaultDestination means Kaizala, the way to it or the access to it. Every file would fail in the same way.
	FaultDestination Fault = iota
	// FaultFile means this file or its post, and that sending it again as it is will not help. With wire.ErrContent, the file
	// has changed or could not be read.
	FaultFile
	// FaultGroup means that the group does not exist or is not open to this connector. Other groups may work.
	FaultGroup
)

func (f Fault) String() string {
	switch f {
	case FaultFile:
		return "file"
	case FaultGroup:
		return "group"
	}
	return "destination"
}

// Error is the error of each failed call. It holds no secret, and its texts are safe to print.
type Error struct {
	// Call is the call that failed: "accessToken", "media", "actions", "groups", "generatePin" or "loginWithPinAndApplicationId".
	Call       string
	Status     int           // of the answer; 0: there was none
	Code       string        // errorCode of the answer, or ""; safe to print, at most some 300 bytes
	Message    string        // message of the answer, or the beginning of its text; safe to print, at most some 300 bytes
	Server     string        // the header Server of the answer, or ""; safe to print, at most some 300 bytes
	RetryAfter time.Duration // how long the answer asks to wait, at most 7 days; 0: it does not say
	Fault      Fault
	Spoken     bool // the service itself answered: its JSON error body, an object with a string errorCode, came whole
	BodySent   bool // bytes of the request's body left, so that the call cost something
	// MayHaveActed says that the action may have been taken although no answer says so. It is false for all other calls.
	MayHaveActed bool
	Err          error // what went wrong apart from the status, or nil
}

func (e *Error) Error() string {
	did := map[string]string{
		callToken:   "cannot get an access token",
		callMedia:   "cannot upload",
		callActions: "cannot post",
		callGroups:  "cannot list groups",
		callPIN:     "cannot have a PIN sent",
		callLogin:   "cannot log in",
	}[e.Call]
	told := wire.Failure{Did: did, Status: e.Status, Server: e.Server, Code: e.Code, Message: e.Message, Err: e.Err, RetryAfter: e.RetryAfter}
	if e.Fault != FaultDestination && !e.Proven() {
		told.Lacks = "Kaizala's"
	}
	return told.String()
}

// Proven reports whether Fault is certain: the service itself spoke, or the failure was found on this machine. A status alone
// proves nothing, because proxies, gateways and captive portals answer any request with any status.
func (e *Error) Proven() bool { return e.Spoken || e.Status == 0 }

// Unauthorized reports whether the token, or the credentials of the token call, were refused. Waiting alone does not help
// then.
func (e *Error) Unauthorized() bool {
	return e.Status == http.StatusUnauthorized || e.Code == "InvalidToken" || e.Call == callToken && e.Status == http.StatusForbidden ||
		errors.Is(e.Err, ErrNoToken)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// errorOf is the error of an answer that is no success.
func (k call) errorOf(a *answer, err error) *Error {
	status := a.Status
	if a.unauthorized() {
		status = http.StatusUnauthorized
	}
	fault, acted := faultOf(k.name, status)
	return &Error{
		Call: k.name, Status: a.Status, Code: a.code, Message: a.message, Server: a.Clean(a.Header.Get("Server")),
		RetryAfter: a.RetryAfter(), Fault: fault, Spoken: a.spoken, BodySent: a.BodySent, MayHaveActed: acted, Err: a.CleanError(err),
	}
}

// unanswered is the error of a call without an answer; err is the error of package wire.
func (k call) unanswered(err error) *Error {
	e := &Error{Call: k.name, Err: err}
	if broken, ok := errors.AsType[*wire.Error](err); ok {
		e.Err, e.BodySent = broken.Err, broken.BodySent
		e.MayHaveActed = broken.MayHaveActed && k.name == callActions
	}
	if errors.Is(err, wire.ErrContent) {
		e.Fault = FaultFile
	}
	return e
}

// faultOf is the one table of answers that are no success: whose fault the status claims to be, and whether an action may have
// been taken. A status that is not listed is the destination's fault: then nothing is moved and nothing lost. A claim against
// a file or a group needs evidence: Error.Spoken, or the caller's knowledge that others pass.
//
//	status                          every other call      media         actions
//	400 411 413 414 415 422         destination           file          file
//	403                             destination           destination   group
//	404 410                         destination           file          group
//	every other, and no answer      destination           destination   destination
//
// IIS answers 404 on media when a request is too long, and a proxy when it knows no server. Any answer with errorCode
// InvalidToken counts as 401. A 401 gets here only if a new token did not help.
//
// An action may have been taken after 2xx, because its answer could not be understood, and after 303, which says that it was
// done and where the result is. It may have been taken after 408, 500, 502, 504 and the unassigned 5xx of gateways too: a
// server may have got the request, and whoever answered did not get its answer. 501, 503, 505 and every other 3xx and 4xx are
// refusals.
func faultOf(name string, status int) (fault Fault, mayHaveActed bool) {
	actions := name == callActions
	mayHaveActed = actions && leavesDoubt(status)
	if !actions && name != callMedia {
		return FaultDestination, false
	}
	switch status {
	case http.StatusBadRequest, http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return FaultFile, mayHaveActed
	case http.StatusForbidden:
		if actions {
			return FaultGroup, mayHaveActed
		}
	case http.StatusNotFound, http.StatusGone:
		if actions {
			return FaultGroup, mayHaveActed
		}
		return FaultFile, mayHaveActed
	}
	return FaultDestination, mayHaveActed
}

func leavesDoubt(status int) bool {
	switch status {
	case http.StatusNotImplemented, http.StatusServiceUnavailable, http.StatusHTTPVersionNotSupported:
		return false
	case http.StatusSeeOther, http.StatusRequestTimeout:
		return true
	}
	return status < 300 || status >= 500
}

// missed reads the list of subscribers who did not get the post. What it cannot read it leaves out, because a post that was
// made must not fail for that.
func (a *answer) missed(raw json.RawMessage) []destination.Missed {
	var list []struct{ Subscriber, ErrorReason, ErrorCode any }
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	var missed []destination.Missed
	for _, r := range list {
		missed = append(missed, destination.Missed{
			Subscriber: a.Clean(textOf(r.Subscriber)), Reason: a.Clean(textOf(r.ErrorReason)), Code: a.Clean(textOf(r.ErrorCode)),
		})
	}
	return missed
}

// isSpoken reports whether body is the service's own error body: {"message","errorCode","errorCategoryKey"} with a string that
// is not blank as errorCode. Gateways answer {"message":"..."}, {"error":{...}}, HTML or nothing.
func isSpoken(body []byte) bool {
	var said map[string]json.RawMessage
	var code *string
	return json.Unmarshal(body, &said) == nil && json.Unmarshal(said["errorCode"], &code) == nil && code != nil &&
		strings.TrimSpace(*code) != ""
}

// textOf is a JSON value as text, if it is a string or a number, else "".
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}
