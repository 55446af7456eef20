package kaizala

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
)

// TestDestinationError shows each kind of failure as a *destination.Error.
func TestDestinationError(t *testing.T) {
	const dest, file, group = FaultDestination, FaultFile, FaultGroup
	for _, c := range []struct {
		e        Error
		fault    destination.Fault
		ofItself bool
	}{
		{Error{Call: callMedia, Status: 401, Fault: dest}, destination.OfAccess, false},
		{Error{Call: callMedia, Status: 400, Code: "InvalidToken", Fault: dest}, destination.OfAccess, true},
		{Error{Call: callToken, Status: 403, Fault: dest}, destination.OfAccess, true},
		{Error{Call: callMedia, Status: 429, Fault: dest}, destination.OfTraffic, false},
		{Error{Call: callMedia, Status: 503, Fault: dest}, destination.OfDestination, false},
		{Error{Call: callMedia, Status: 504, Fault: dest}, destination.OfDestination, true},
		{Error{Call: callMedia, Fault: dest, Err: errors.New("reset")}, destination.OfDestination, false},
		{Error{Call: callMedia, Status: 413, Fault: file}, destination.OfFile, true},
		{Error{Call: callMedia, Fault: file, Err: fmt.Errorf("%w: EIO", wire.ErrContent)}, destination.OfContent, false},
		{Error{Call: callActions, Status: 404, Fault: group}, destination.OfTarget, true},
	} {
		out, ok := errors.AsType[*destination.Error](destinationError(&c.e))
		if !ok || out.Fault != c.fault || out.OfItself != c.ofItself || out.Answered != (c.e.Status != 0) || out.Proven() != c.e.Proven() ||
			out.Error() != c.e.Error() || !errors.Is(out, &c.e) {
			t.Errorf("%+v became %+v", c.e, out)
		}
		if (c.fault == destination.OfAccess) != strings.Contains(out.Advice, "refresh_token") {
			t.Errorf("%+v: advice %q", c.e, out.Advice)
		}
	}
}

// TestReasonsAreKaizalasOwn shows that the note says that Kaizala refused a file only if it did, and what helps then.
func TestReasonsAreKaizalasOwn(t *testing.T) {
	for _, c := range []struct {
		e       Error
		reason  string
		advises bool
		same    bool
	}{
		{Error{Call: callMedia, Status: 413, Spoken: true, Fault: FaultFile}, "Kaizala refused the file: it is too large", true, true},
		{Error{Call: callMedia, Status: 415, Spoken: true, Fault: FaultFile}, "Kaizala refused the file: it is not what its extension says", true, true},
		{Error{Call: callMedia, Status: 400, Spoken: true, Fault: FaultFile}, "Kaizala refused the file", false, false},
		{Error{Call: callActions, Status: 400, Spoken: true, Fault: FaultFile}, "Kaizala took the file but refused the message with it", false, false},
		{Error{Call: callMedia, Status: 413, Fault: FaultFile, Server: "nginx"}, "", true, false},
		{Error{Call: callMedia, Status: 400, Fault: FaultFile}, "", false, false},
		{Error{Call: callMedia, Status: 502, Spoken: true}, "", false, false},
	} {
		out, _ := errors.AsType[*destination.Error](destinationError(&c.e))
		if out.Reason != c.reason || (out.Advice != "") != c.advises || out.Same != c.same {
			t.Errorf("%+v: %q, advice %q, the same: %t", c.e, out.Reason, out.Advice, out.Same)
		}
		if unspoken := c.e.Fault == FaultFile && !c.e.Spoken; unspoken != strings.Contains(out.Error(), "without an error code of Kaizala's") ||
			!strings.Contains(out.Error(), "answered "+out.Answer.Status) || !strings.Contains(out.Error(), c.e.Server) {
			t.Errorf("%+v: %v", c.e, out)
		}
	}
}
