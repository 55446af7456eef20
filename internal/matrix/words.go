package matrix

import (
	"context"
	"errors"
	"fmt"

	"kaizala-drop/internal/text"
)

// What a refusal of a room is about: Matrix has one code for all of it, so the room's state is asked.

// inWords gives e with words in the place of what the server said. The words are printable.
func (e *Error) inWords(format string, args ...any) *Error {
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			args[i] = text.Shorten(text.Printable(s), 300)
		}
	}
	e.told, e.Err = true, fmt.Errorf(format, args...)
	return e
}

// absent says why an account is not in a room.
func (c *Client) absent(target, me string, s state) error {
	e := &Error{Call: callSend, Fault: ofTarget}
	because := ""
	if s.Reason != "" {
		because = fmt.Sprintf(" (the reason given: %q)", text.Line(s.Reason, 200))
	}
	switch s.Membership {
	case "join":
		return nil
	case "invite":
		if c.join {
			return e.inWords("%s was invited into %s and cannot enter: have it invited again", me, target)
		}
		return e.inWords("%s is invited into %s and has not entered, as join = false: enter with another client, or set join = true", me, target)
	case "leave":
		return e.inWords("%s is not in %s any more: it was removed, or left%s. Have it invited again", me, target, because)
	case "ban":
		return e.inWords("%s is banned from %s%s: have the ban lifted, and have it invited again", me, target, because)
	case "knock":
		return e.inWords("%s has asked to be let into %s, and nobody has answered yet", me, target)
	}
	return e.inWords("%s is not in %s, and was not invited: have it invited", me, target)
}

// refused says why a room did not take an event, if its state tells. err is the refusal.
func (c *Client) refused(ctx context.Context, target, id string, err error) error {
	refusal, ok := errors.AsType[*Error](err)
	if !ok || refusal.Fault != ofTarget || !refusal.Spoken {
		return err
	}
	c.rooms.doubt(target)
	c.sightings.forget(id)
	kind := plainKind
	if c.keys.knows(id) {
		kind = sealedKind
	}
	why := c.why(ctx, target, id, kind)
	answer, ok := errors.AsType[*Error](why)
	if !ok || answer.Fault != ofTarget {
		return err
	}
	answer.Call, answer.Status, answer.Code, answer.Message, answer.Spoken = refusal.Call, refusal.Status, refusal.Code, refusal.Message, true
	return answer
}

// why gives what the state of a room has against an event of this kind by this account; nil: nothing, or it cannot be asked.
func (c *Client) why(ctx context.Context, target, id, kind string) error {
	s, me, err := c.membership(ctx, id)
	if err != nil {
		return err
	}
	if s.Membership != "join" {
		return c.absent(target, me, s)
	}
	if s, replaced, err := c.ask(ctx, id, "m.room.tombstone", ""); err == nil && replaced {
		return c.replaced(target, s.Replacement)
	}
	levels, set, err := c.ask(ctx, id, "m.room.power_levels", "")
	if err != nil || !set {
		return err
	}
	if have, need := levels.of(me), levels.needed(kind); have < need {
		return (&Error{Call: callSend, Fault: ofTarget}).inWords(
			"%s may not post in %s: that needs the power level %d, and it has %d. Have it raised, or that of messages lowered", me, target, need, have)
	}
	return nil
}

// of is the power level of an account (specification, m.room.power_levels).
func (s state) of(user string) int64 {
	if level, ok := s.Users[user]; ok {
		return levelOf(level)
	}
	return levelOf(s.UsersWhich)
}

// needed is the power level that an event of a kind needs.
func (s state) needed(kind string) int64 {
	if level, ok := s.Events[kind]; ok {
		return levelOf(level)
	}
	return levelOf(s.Default)
}

// levelOf reads a level, which old rooms may have as a text.
func levelOf(v any) int64 {
	switch v := v.(type) {
	case float64:
		return int64(v)
	case string:
		var n int64
		if _, err := fmt.Sscan(v, &n); err == nil {
			return n
		}
	}
	return 0
}
