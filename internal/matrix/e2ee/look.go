//go:build goolm

package e2ee

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/signatures"
	"maunium.net/go/mautrix/id"
)

// Look asks the homeserver how a device stands with others, without its store, which another process may have. Copied is not told. A device
// without keys has no fingerprint.
//
// Its errors are those of the call.
func Look(ctx context.Context, o Options) (Standing, error) {
	s, user, device := Standing{Device: o.Device}, id.UserID(o.User), id.DeviceID(o.Device)
	client, err := newClient(o)
	if err != nil {
		return s, err
	}
	got, err := client.QueryKeys(ctx, &mautrix.ReqQueryKeys{DeviceKeys: mautrix.DeviceKeysRequest{user: {}}})
	if err != nil {
		return s, fmt.Errorf("cannot ask for the keys of this device: %w", err)
	}
	master, signing := got.MasterKeys[user], got.SelfSigningKeys[user]
	s.HasIdentity = master.FirstKey() != ""
	keys, there := got.DeviceKeys[user][device]
	if !there {
		return s, nil
	}
	own := keys.Keys.GetEd25519(device)
	s.Fingerprint = own.Fingerprint()
	// What cannot be verified is not signed.
	real, _ := signatures.VerifySignatureJSON(keys, user, device.String(), own)
	bound, _ := signatures.VerifySignatureJSON(signing, user, master.FirstKey().String(), master.FirstKey())
	signed, _ := signatures.VerifySignatureJSON(keys, user, signing.FirstKey().String(), signing.FirstKey())
	s.Verified = s.HasIdentity && real && bound && signed
	return s, nil
}

// newClient makes the library's client, which makes each call once.
func newClient(o Options) (*mautrix.Client, error) {
	base, err := url.Parse(Base)
	return &mautrix.Client{
		HomeserverURL: base, UserID: id.UserID(o.User), DeviceID: id.DeviceID(o.Device), IgnoreRateLimit: true, ResponseSizeLimit: 32 << 20,
		Client: &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, err
}
