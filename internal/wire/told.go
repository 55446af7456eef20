package wire

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Failure is what there is to tell of a call that failed. Its texts are safe to print.
type Failure struct {
	Did           string        // what did not work: "cannot upload"
	Status        int           // of the answer; 0: there was none
	Lacks         string        // whose error code the answer should have, and has not, so that something in between may have given it; "": nobody's
	Server        string        // the header Server of the answer, or ""
	Code, Message string        // of the answer, or ""
	Err           error         // what went wrong apart from the status, or nil
	RetryAfter    time.Duration // how long the answer asks to wait; 0: it does not say
}

// String gives the sentence that logs and commands show.
func (f Failure) String() string {
	var b strings.Builder
	b.WriteString(f.Did)
	if f.Status != 0 {
		b.WriteString(": answered " + strings.TrimSpace(strconv.Itoa(f.Status)+" "+http.StatusText(f.Status)))
	}
	if f.Lacks != "" {
		b.WriteString(" without an error code of " + f.Lacks + ", as something in between would")
		if f.Server != "" {
			b.WriteString(" (it calls itself " + f.Server + ")")
		}
	}
	for _, text := range []string{f.Code, f.Message} {
		if text != "" {
			b.WriteString(": " + text)
		}
	}
	if f.Err != nil {
		b.WriteString(": " + f.Err.Error())
	}
	if f.RetryAfter != 0 {
		b.WriteString(", try again in " + f.RetryAfter.String())
	}
	return b.String()
}
