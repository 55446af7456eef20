package kaizala

import (
	"errors"
	"net/http"
	"strconv"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
)

// destinationError turns an *Error into the *destination.Error that wraps it. It returns any other error as it is.
func destinationError(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	out := &destination.Error{
		Fault: e.destinationFault(), Answered: e.Status != 0, Spoken: e.Spoken, OfItself: e.isOfItself(), BodySent: e.BodySent,
		MayHaveActed: e.MayHaveActed, RetryAfter: e.RetryAfter, Answer: destination.Answer{Code: e.Code, Message: e.Message}, Err: e,
	}
	if e.Status != 0 {
		out.Answer.Status = strconv.Itoa(e.Status)
	}
	e.explain(out)
	return out
}

func (e *Error) destinationFault() destination.Fault {
	switch {
	case errors.Is(e, wire.ErrContent):
		return destination.OfContent
	case e.Fault == FaultFile:
		return destination.OfFile
	case e.Fault == FaultGroup:
		return destination.OfTarget
	case e.Unauthorized():
		return destination.OfAccess
	case e.Status == http.StatusTooManyRequests:
		return destination.OfTraffic
	}
	return destination.OfDestination
}

// isOfItself reports whether there is an answer that may depend on what was sent. Answers 401, 429 and 503 do not.
func (e *Error) isOfItself() bool {
	switch e.Status {
	case 0, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return false
	}
	return true
}

// adviceAccess is what to do when the token is refused.
const adviceAccess = "Look at application_id, application_secret and refresh_token (which ends after a year), or log in anew: " +
	"kaizala-drop login"

// explain sets what a person reads about a file that is given up because of e. It calls the refusal Kaizala's only if Kaizala
// itself has said so.
func (e *Error) explain(out *destination.Error) {
	switch {
	case out.Fault == destination.OfAccess:
		out.Advice = adviceAccess
	case !e.Spoken && e.Status == http.StatusRequestEntityTooLarge:
		out.Advice = "Make it smaller, send it another way, or have whoever runs the proxy in between allow larger uploads."
	case !e.Spoken || e.Fault != FaultFile: // nobody said that
	case e.Status == http.StatusRequestEntityTooLarge:
		out.Reason, out.Advice = "Kaizala refused the file: it is too large", "Make it smaller, or send it another way."
		out.Same = true
	case e.Status == http.StatusUnsupportedMediaType:
		out.Reason = "Kaizala refused the file: it is not what its extension says"
		out.Advice = "Save it again in the format of its extension, or correct the extension."
		out.Same = true
	case e.Call == callActions:
		out.Reason = "Kaizala took the file but refused the message with it"
	default:
		out.Reason = "Kaizala refused the file"
	}
}
