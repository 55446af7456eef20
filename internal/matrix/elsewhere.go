package matrix

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// elsewhere finds out whether a call about a room failed at another homeserver, which has the room's address and cannot be reached: the
// own one answers such calls with 5xx or not at all, as if it were ill itself (seen: 500). If it answers for the token meanwhile, the
// failure is the room's, and no other folder waits for it. Any other error is given back as it is.
func (c *Client) elsewhere(ctx context.Context, target string, err error) error {
	answer, ok := errors.AsType[*Error](err)
	if !ok || answer.Fault != ofDestination || answer.Status != 0 && answer.Status < http.StatusInternalServerError || ctx.Err() != nil {
		return err
	}
	_, server, named := strings.Cut(target, ":")
	if !named || server == c.ownServer() {
		return err
	}
	token, unknown := c.token(ctx, "")
	if unknown != nil {
		return err
	}
	if _, ill := c.ownerOf(ctx, token); ill != nil {
		return err
	}
	said := answer.Error()
	answer.Fault = ofTarget
	return answer.inWords("the homeserver cannot reach %s, to which %s belongs (%s): it is tried again; correct room if it is not meant", server, target, said)
}

// ownServer is the name of the homeserver, as the account has it; "": it is not known yet.
func (c *Client) ownServer() string {
	_, server, _ := strings.Cut(c.session.whose(), ":")
	return server
}
