package kaizala

import (
	"context"
	"errors"
	"net/http"
)

// Group is a group that the connector's user is a member of. Its texts come from the network: show them with care.
type Group struct {
	ID   string `json:"groupId"`
	Name string `json:"groupName"`
	Role string `json:"callerRole"`
	Type string `json:"groupType"`
}

// Groups lists all groups of the connector's user.
//
// Its errors are *Error.
func (c *Client) Groups(ctx context.Context) ([]Group, error) {
	k := call{name: callGroups, method: http.MethodGet, path: "/v1/groups", query: "?fetchAllGroups=true", limit: maxGroups}
	var answer struct {
		Groups []Group `json:"groups"`
	}
	_, err := c.result(ctx, k, &answer, func() error {
		if answer.Groups == nil {
			return errors.New("no groups in the answer")
		}
		return nil
	})
	return answer.Groups, err
}
