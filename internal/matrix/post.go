package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
)

// Post shows uploaded files in a room: an event for each, one after the other, the caption with the first. Of a message that is there
// in part (Message.Shown), only the rest is sent. Each event is sent with its own key as the transaction, so that a server that
// remembers it makes no second one; they forget it with a restart, so that after a lost answer Find decides.
//
// Its errors are *destination.Error, each of which wraps an *Error. With an error, Receipt.Shown has the ids of the events that are
// there.
func (c *Client) Post(ctx context.Context, m destination.Message) (destination.Receipt, error) {
	ids, err := c.post(ctx, m)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.MayHaveActed {
			c.doubts.add(m.Key)
		}
		return destination.Receipt{Shown: ids}, c.destinationError(err)
	}
	return destination.Receipt{ID: strings.Join(ids, " ")}, nil
}

// post gives the ids of all events that are there.
func (c *Client) post(ctx context.Context, m destination.Message) (ids []string, err error) {
	ids = slices.Clone(m.Shown)
	up, err := readRef(m.Ref)
	if err != nil {
		return ids, err
	}
	room, err := c.resolve(ctx, m.Target)
	if err != nil {
		return ids, err
	}
	if room != up.Room { // the address leads elsewhere by now, or another room is configured
		return ids, &Error{Call: callSend, Fault: ofFile, Stale: true, Err: errors.New("what was uploaded is for another room: uploading it again")}
	}
	for i := len(ids); i < len(up.Files); i++ {
		id, err := c.postFile(ctx, m, room, up.Files[i], i)
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// postFile sends the event that shows file number i of a message.
func (c *Client) postFile(ctx context.Context, m destination.Message, room string, f uploaded, i int) (id string, err error) {
	sealed, err := c.look(ctx, m.Target, room, time.Now())
	if err != nil {
		return "", err
	}
	switch {
	case sealed && f.File == nil:
		return "", &Error{Call: callSend, Fault: ofFile, Stale: true, Err: errors.New("the room is encrypted by now: uploading it again, encrypted")}
	case !sealed && f.File != nil:
		return "", (&Error{Call: callSend, Fault: ofTarget}).inWords("%s was encrypted, and the homeserver says that it is not any more: nothing is sent there", m.Target)
	}
	caption := ""
	if i == 0 {
		caption = m.Caption
	}
	key, kind, v := partKey(m.Key, i), plainKind, any(newContent(m.Kind, f, caption, partKey(m.Key, i)))
	if sealed {
		if kind, v, err = c.seal(ctx, m.Target, room, v, key); err != nil {
			return "", err
		}
	}
	if id, err = c.send(ctx, room, kind, key, v); err != nil {
		err = c.refused(ctx, m.Target, room, err)
	}
	return id, err
}

func readRef(text string) (up ref, err error) {
	if json.Unmarshal([]byte(text), &up) != nil || up.Room == "" || len(up.Files) == 0 {
		return up, &Error{Call: callSend, Fault: ofFile, Stale: true, Err: errors.New("what is known of the upload is not usable: uploading it again")}
	}
	return up, nil
}

// partKey is the key of a delivery's file, or "".
func partKey(key string, file int) string {
	if key == "" {
		return ""
	}
	return key + "/" + strconv.Itoa(file)
}

// The kinds of events by which a file is shown.
const (
	plainKind  = "m.room.message"
	sealedKind = "m.room.encrypted"
)

func (c *Client) send(ctx context.Context, room, kind, key string, v any) (id string, err error) {
	body, err := wire.JSON(v)
	if err != nil {
		return "", &Error{Call: callSend, Fault: ofFile, Err: err}
	}
	if key == "" {
		return "", &Error{Call: callSend, Fault: ofFile, Err: errors.New("the delivery has no key")}
	}
	k := call{name: callSend, method: http.MethodPut, path: roomPath(room) + "/send/" + kind + "/" + url.PathEscape(transactionOf(key)), body: body}
	var said struct {
		EventID string `json:"event_id"`
	}
	_, err = c.result(ctx, k, &said, func() error {
		if strings.TrimSpace(said.EventID) == "" {
			return errors.New("no event_id in the answer")
		}
		return nil
	})
	return said.EventID, err
}

// transactionOf is the transaction of a file's event. Slashes in a path do not survive every proxy.
func transactionOf(key string) string { return strings.ReplaceAll(key, "/", ".") }

// keyOf is the key of the file whose event has that transaction.
func keyOf(transaction string) string { return strings.ReplaceAll(transaction, ".", "/") }
