package sandbox

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"kaizala-drop/internal/media"
)

// maxAction is the limit of an action's body, in bytes. The reference names none.
const maxAction = 1 << 20

// listGroups is GET /v1/groups. It lists all groups, with or without fetchAllGroups.
func (s *Server) listGroups(w http.ResponseWriter, _ *http.Request) error {
	type entry struct {
		GroupID    string `json:"groupId"`
		GroupName  string `json:"groupName"`
		CallerRole string `json:"callerRole"`
		GroupType  string `json:"groupType"`
	}
	groups := make([]entry, len(s.groups))
	for i, g := range s.groups {
		groups[i] = entry{g.ID, g.Name, "Admin", "Group"}
	}
	answer(w, http.StatusOK, map[string][]entry{"groups": groups})
	return nil
}

// takeAction is POST /v1/groups/{groupId}/actions. A resource may be posted any number of times, each time as a new post,
// because Kaizala has no key that would show a repetition.
func (s *Server) takeAction(w http.ResponseWriter, r *http.Request) error {
	g := s.byID[r.PathValue("group")]
	if g == nil {
		return refuse(http.StatusNotFound, "there is no group %q here", r.PathValue("group"))
	}
	kind := r.Header.Get("Content-Type")
	if parsed, _, _ := mime.ParseMediaType(kind); parsed != "application/json" {
		return refuse(http.StatusUnsupportedMediaType, "the Content-Type is %q, not application/json", kind)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAction))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuse(http.StatusRequestEntityTooLarge, "the action is longer than %d bytes", maxAction)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "the action broke off: %v", err)
	}
	p, err := s.parseAction(body)
	if err != nil {
		return err
	}
	p.group, p.ref = g, newUUID()
	s.publish(p)
	answer(w, http.StatusOK, struct {
		ReferenceID string `json:"referenceId"`
	}{p.ref})
	return nil
}

// parseAction reads {"actionType", "actionBody": {"mediaResource", "caption"}}. It ignores other members.
func (s *Server) parseAction(body []byte) (*post, error) {
	if !utf8.Valid(body) {
		return nil, refuse(http.StatusBadRequest, "the action is not UTF-8, as JSON has to be")
	}
	var action, inner object
	if err := json.Unmarshal(body, &action); err != nil {
		return nil, refuse(http.StatusBadRequest, "the action is not a JSON object: %v", err)
	}
	kind, err := action.text("actionType")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(action["actionBody"], &inner); err != nil {
		return nil, refuse(http.StatusBadRequest, "actionBody is missing or not a JSON object")
	}
	resource, err := inner.text("mediaResource")
	if err != nil {
		return nil, err
	}
	caption, err := inner.text("caption")
	if err != nil {
		return nil, err
	}
	number, ok := s.mint.number(resource)
	u, known := s.upload(number)
	if !ok || !known {
		return nil, refuse(http.StatusBadRequest, "the mediaResource is missing or did not come from this server")
	}
	p := &post{upload: u, action: media.Kind(kind), caption: caption}
	return p, p.checkAction()
}

// checkAction refuses an action that does not fit the uploaded files.
func (p *post) checkAction() error {
	first, several := p.upload.media[0], len(p.upload.media) > 1
	typ, _ := media.ByName(first.Name)
	switch p.action {
	case media.Album:
		if typ.Kind == media.Image { // takeParts accepts several files only if all are images
			return nil
		}
	case media.Image, media.Audio, media.Document, media.Video:
		if typ.Kind == p.action && !several {
			return nil
		}
	default:
		return refuse(http.StatusBadRequest, "the actionType %q is none of Image, Album, Audio, Document, Video", p.action)
	}
	return refuse(http.StatusBadRequest, "the actionType %q does not fit %d file(s) of type %s",
		p.action, len(p.upload.media), first.MIME)
}

// object is a JSON object whose member names must match in case, as those of a struct in encoding/json need not.
type object map[string]json.RawMessage

// text returns a member that is a string. A missing member and null are "".
func (o object) text(name string) (string, error) {
	raw, ok := o[name]
	if !ok {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", refuse(http.StatusBadRequest, "%s is not a string", name)
	}
	return s, nil
}

// newUUID makes a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it crashes the program instead, as documented
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
