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

// Fault says whose fault a failure is by what it looks like, and so what should wait for what. That of a file or of a
// group is no more than a claim unless Error.Proven reports true.
type Fault int

const (
	// FaultDestination: Kaizala, the way to it or the access to it. Every file would fare the same; none is to blame.
	FaultDestination Fault = iota
	// FaultFile: this file or its post; sending it again as it is will not help. With wire.ErrContent it changed or could
	// not be read.
	FaultFile
	// FaultGroup: the group is not there or not open to this connector. Other groups may do.
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

// Error is what every failed call comes back as. It holds no secret, and its texts are safe to print.
type Error struct {
	// Call is "accessToken", "media", "actions", "groups", "generatePin" or "loginWithPinAndApplicationId": the one that failed, not
	// the one asked for.
	Call       string
	Status     int           // of the answer; 0: there was none
	Code       string        // errorCode of the answer, "" if it had none; safe to print, at most 300 bytes or so
	Message    string        // message of the answer, or how its text begins, likewise
	Server     string        // who answered, as the answer's own header Server has it, likewise
	RetryAfter time.Duration // how long the answer asks to wait, at most 7 days; 0: it does not say
	Fault      Fault
	Spoken     bool // the service itself gave the answer: its JSON error body, an object with a string errorCode, came whole
	BodySent   bool // bytes of the request's body had left, so that the call cost something
	// MayHaveActed: the action may have been taken although no answer says so. Only ever true of actions.
	MayHaveActed bool
	Err          error // what went wrong besides the status, if anything
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(map[string]string{
		callToken:   "cannot get an access token",
		callMedia:   "cannot upload",
		callActions: "cannot post",
		callGroups:  "cannot list groups",
		callPIN:     "cannot have a PIN sent",
		callLogin:   "cannot log in",
	}[e.Call])
	if e.Status != 0 {
		b.WriteString(": answered " + strings.TrimSpace(strconv.Itoa(e.Status)+" "+http.StatusText(e.Status)))
	}
	if e.Fault != FaultDestination && !e.Proven() {
		b.WriteString(" without an error code of Kaizala's, as something in between would" + e.by())
	}
	for _, text := range []string{e.Code, e.Message} {
		if text != "" {
			b.WriteString(": " + text)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.RetryAfter != 0 {
		b.WriteString(", try again in " + e.RetryAfter.String())
	}
	return b.String()
}

// by says who seems to have answered.
func (e *Error) by() string {
	if e.Server == "" {
		return ""
	}
	return " (it calls itself " + e.Server + ")"
}

// Proven reports whether Fault is certain: the service itself spoke, or it was found out on this side of the wire. A
// status alone is nobody's word: proxies, gateways and captive portals answer with any of them, for any request.
func (e *Error) Proven() bool { return e.Spoken || e.Status == 0 }

// Unauthorized reports whether the token, or what one is asked for with, was refused: no waiting alone cures that.
func (e *Error) Unauthorized() bool {
	return e.Status == http.StatusUnauthorized || e.Code == "InvalidToken" || e.Call == callToken && e.Status == http.StatusForbidden ||
		errors.Is(e.Err, ErrNoToken)
}

// Unwrap gives Err.
func (e *Error) Unwrap() error { return e.Err }

// errorOf is the error of an answer that is not the one hoped for.
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

// unanswered is the error of a call that has no answer, from the wire's.
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

// faultOf is the one table of answers that are not the one hoped for: whose fault does the status claim it to be, and may
// an action have been taken? What is not listed is the destination's fault: then nothing moves, and nothing is lost. The
// claims against a file or a group need evidence (Error.Spoken; that others pass is for the caller to know).
//
//	status                          every other call      media         actions
//	400 411 413 414 415 422         destination           file          file
//	403                             destination           destination   group
//	404 410                         destination           file          group
//	every other, and no answer      destination           destination   destination
//
// 404 on media is how IIS says that a request is too long, and how a proxy says that it has nobody to ask. 401 is also what any answer with errorCode InvalidToken counts
// as; it gets here only when a new token did not cure it.
//
// An action may have been taken after 2xx (its answer could not be understood), 303 (HTTP's "done, see there"), and where
// whoever answered may have spoken for a server that had the request and did not answer in time or at all: 408, 500, 502,
// 504 and the unassigned 5xx of gateways. 501, 503, 505 and every other 3xx and 4xx are refusals.
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

// missed takes what it can read: a post that was taken must not fail over what is said beside it.
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

// isSpoken reports whether body is the service's own error body: {"message","errorCode","errorCategoryKey"}, of which the
// errorCode is a string that says something. Gateways answer {"message":"..."}, {"error":{...}}, HTML or nothing.
func isSpoken(body []byte) bool {
	var said map[string]json.RawMessage
	var code *string
	return json.Unmarshal(body, &said) == nil && json.Unmarshal(said["errorCode"], &code) == nil && code != nil &&
		strings.TrimSpace(*code) != ""
}

// textOf turns a JSON value from the network into text: a string, a number, or nothing.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}
