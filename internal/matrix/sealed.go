package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/matrix/e2ee"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/wire"
)

// Encryption says what is done about rooms that are encrypted.
type Encryption int

const (
	// AsRoom sends as the room is.
	AsRoom Encryption = iota
	// Require refuses rooms that are not encrypted.
	Require
	// Never refuses rooms that are.
	Never
)

// ShareWith says whose devices may read what is encrypted.
type ShareWith = e2ee.ShareWith

const (
	// Verified are devices that their own account has signed.
	Verified = e2ee.Verified
	// All are all but those whose keys were changed.
	All = e2ee.All
)

// CanEncrypt reports whether this program was built with encryption.
const CanEncrypt = e2ee.Built

// MayEncrypt reports whether this program can, and the destination may.
func (c *Client) MayEncrypt() bool { return CanEncrypt && c.encryption != Never }

// mayBe says why nothing is sent to a room that is encrypted, or that is not; nil: it is.
func (c *Client) mayBe(target string, encrypted bool) error {
	e := &Error{Call: callSend, Fault: ofTarget}
	switch {
	case encrypted && c.encryption == Never:
		return e.inWords("%s is encrypted, and encryption = \"never\": nothing is sent there. Name a room without encryption, or set encryption = \"room\" and restart the daemon", target)
	case encrypted && !e2ee.Built:
		return e.inWords("%s is encrypted, and this program was built without encryption (go build -tags goolm): nothing is sent there in the clear", target)
	case !encrypted && c.encryption == Require:
		return e.inWords("%s is not encrypted, and encryption = \"require\": nothing is sent there. Have encryption turned on in the room's settings, or set encryption = \"room\" and restart the daemon", target)
	}
	return nil
}

// howToSend tells how something is sent to a room that is said to be encrypted or not. What was encrypted once is encrypted for ever, whatever
// the homeserver says.
func (c *Client) howToSend(ctx context.Context, target, id string, encrypted bool) (sealed bool, err error) {
	if !encrypted {
		if encrypted, err = c.wasEncrypted(ctx, id); err != nil {
			return false, err
		}
	}
	if err := c.mayBe(target, encrypted); err != nil {
		return false, err
	}
	if encrypted {
		c.keys.note(id)
	}
	return encrypted, nil
}

// wasEncrypted reports whether the store of the keys knows a room as encrypted.
func (c *Client) wasEncrypted(ctx context.Context, id string) (bool, error) {
	if !e2ee.Built {
		return false, nil
	}
	if _, err := c.WhoAmI(ctx); err != nil {
		return false, err
	}
	if _, device := c.session.isDevice(); !c.keys.isThere(device) {
		return false, nil
	}
	m, err := c.machine(ctx)
	if err != nil {
		return false, err
	}
	was, err := m.IsEncrypted(ctx, id)
	return was, c.keysError(err)
}

// seal encrypts the content of an event for a room, once all who may read it have the keys. Its own key stays in the clear beside it, so
// that Find needs no keys.
func (c *Client) seal(ctx context.Context, target, room string, content any, key string) (kind string, sealed any, err error) {
	m, err := c.machine(ctx)
	if err != nil {
		return "", nil, err
	}
	if err := c.prepare(ctx, m, target, room); err != nil {
		return "", nil, err
	}
	plain, err := json.Marshal(content)
	if err != nil { // no such struct fails
		return "", nil, &Error{Call: callKeys, Fault: ofFile, Err: err}
	}
	cipher, err := m.Encrypt(ctx, room, plainKind, plain)
	if err != nil {
		return "", nil, c.keysError(err)
	}
	var all map[string]any
	if err := json.Unmarshal(cipher, &all); err != nil {
		return "", nil, c.keysError(err)
	}
	all["kaizala-drop.key"] = key
	return sealedKind, all, nil
}

// prepare gives the keys for what is posted next in a room to all who may read it. This account enters it if it may.
func (c *Client) prepare(ctx context.Context, m *e2ee.Machine, target, id string) error {
	r, err := m.Prepare(ctx, id)
	if err != nil {
		return c.keysError(err)
	}
	if r.Membership != "join" {
		entered, err := c.enter(ctx, target, id)
		if err != nil {
			return err
		}
		if r, err = m.Prepare(ctx, id); err != nil {
			return c.keysError(err)
		}
		if r.Membership != "join" {
			return &Error{Call: callKeys, Err: fmt.Errorf("the homeserver does not show yet that this account is in the room (entered now: %t)", entered)}
		}
	}
	c.noteExcluded(target, id, r)
	if r.Tombstone {
		c.rooms.doubt(target) // the address may lead to the new room by now
		return c.replaced(target, r.Successor)
	}
	return nil
}

// noteExcluded logs which devices of others cannot read what is posted in a room, when that changes. That somebody reads nothing at all is
// for status, too.
func (c *Client) noteExcluded(target, id string, r e2ee.Room) {
	user, _ := c.session.isDevice()
	var all []string
	for _, d := range r.Excluded {
		if d.User != user {
			all = append(all, text.Printable(fmt.Sprintf("%s %s (%s)", d.User, d.Device, d.Why)))
		}
	}
	if !c.keys.excludes(id, target, strings.Join(all, "\n"), r.Blind) {
		return
	}
	const most = 5
	level := zerolog.InfoLevel
	if len(r.Blind) > 0 {
		level = zerolog.WarnLevel
	}
	c.log.WithLevel(level).Str("room", target).Int("devices", len(all)).Strs("first", all[:min(most, len(all))]).Int("blind", len(r.Blind)).Str("advice", c.blindAdvice()).
		Msg("these devices cannot read what is posted in the room")
}

func (c *Client) blindAdvice() string {
	return "have them verify a device of theirs (Element: Settings, Sessions), or set share_with = \"all\" and restart the daemon; whose identity was made anew reads again after " + c.login
}

// keysError puts what package e2ee says into the words of this one. An *Error in it, of a call, is told as it is.
func (c *Client) keysError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Call: callKeys, Err: err}
	again := "Log in anew, which makes a new device, and give the account's recovery key: " + c.login
	switch {
	case errors.Is(err, e2ee.ErrCopied):
		e.Fault, e.Advice = ofAccess, "If a copy of state_dir is in use elsewhere, stop it there. "+again
	case isLasting(err):
		e.Fault, e.Advice = ofAccess, again
	case errors.Is(err, e2ee.ErrAlgorithm), errors.Is(err, e2ee.ErrNotMember), errors.Is(err, e2ee.ErrNotEncrypted):
		e.Fault = ofTarget
	}
	return e
}

// isLasting reports whether an error stays until there is another device.
func isLasting(err error) bool {
	all := []error{e2ee.ErrCopied, e2ee.ErrStoreLost, e2ee.ErrWrongStore, e2ee.ErrDamaged, e2ee.ErrDeviceGone, e2ee.ErrUploadRefused}
	return slices.ContainsFunc(all, func(one error) bool { return errors.Is(err, one) })
}

// sealing encrypts the content of an upload, anew for each sending.
type sealing struct {
	plain wire.File
	last  *e2ee.Attachment
	err   error
}

// open gives an encrypting reader of the content from its start.
func (s *sealing) open() io.Reader {
	content := s.plain.Open()
	s.last, s.err = e2ee.NewAttachment(content, s.plain.Size)
	if s.err != nil {
		return failing{s.err}
	}
	return &sealedReader{sealed: s.last, plain: content}
}

// file is what decrypts what was sent last, which the homeserver keeps at url.
func (s *sealing) file(url string) (*e2ee.File, error) {
	if s.err != nil || s.last == nil {
		return nil, errors.Join(s.err, errors.New("nothing was encrypted"))
	}
	f, err := s.last.File(url)
	return &f, err
}

// sealedReader ends only where the content ends: of a file that has grown, a byte more is given, which breaks the upload off.
type sealedReader struct {
	sealed io.Reader
	plain  io.Reader
}

func (r *sealedReader) Read(p []byte) (int, error) {
	n, err := r.sealed.Read(p)
	if n > 0 || !errors.Is(err, io.EOF) || len(p) == 0 {
		if errors.Is(err, io.EOF) {
			err = nil // the end is told once it is known to be one
		}
		return n, err
	}
	return r.plain.Read(p[:1])
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
