//go:build goolm

package e2ee

import (
	"context"
	"fmt"
	"net/http"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"
)

// start makes sure, once in a run, that the homeserver has the keys of this device and no others, and raises the guard.
func (m *Machine) start(ctx context.Context) error {
	if m.started {
		return nil
	}
	there, err := m.ownKeys(ctx)
	if err != nil {
		return err
	}
	switch account := m.olm.GetAccount(); {
	case there != "" && there != account.SigningKey():
		return fmt.Errorf("%w (%s)", ErrStoreLost, m.o.Device)
	case there == "" && account.Shared:
		return fmt.Errorf("%w (%s)", ErrDeviceGone, m.o.Device)
	}
	if err := m.raise(ctx, true); err != nil {
		return err
	}
	if !m.olm.GetAccount().Shared {
		// The library forgets the devices of an account as long as they were never asked for.
		if err := m.exec(ctx, "INSERT INTO outdated (user) VALUES (?) ON CONFLICT DO NOTHING", m.o.User); err != nil {
			return err
		}
		if err := m.publish(ctx, 0); err != nil {
			return err
		}
	}
	m.started = true
	return nil
}

// ownKeys asks for the signing key of this device; "": the homeserver has none.
func (m *Machine) ownKeys(ctx context.Context) (id.SigningKey, error) {
	device := m.client.DeviceID
	got, err := m.client.QueryKeys(ctx, &mautrix.ReqQueryKeys{DeviceKeys: mautrix.DeviceKeysRequest{m.user: {device}}})
	if err != nil {
		return "", fmt.Errorf("cannot ask for the keys of this device: %w", err)
	}
	keys, ok := got.DeviceKeys[m.user][device]
	if !ok {
		return "", nil
	}
	return keys.Keys.GetEd25519(device), nil
}

// publish uploads the keys of the device, if the homeserver lacks them, and one-time keys, of which it has left.
func (m *Machine) publish(ctx context.Context, left int) error {
	err := m.olm.ShareKeys(ctx, left)
	if status := statusOf(err); status/100 == 4 && status != http.StatusUnauthorized && status != http.StatusTooManyRequests {
		return fmt.Errorf("%w: %w", ErrUploadRefused, err)
	}
	if err != nil {
		return fmt.Errorf("cannot upload the keys of this device: %w", err)
	}
	return nil
}

// Idle does what must be done now and then, about every ten minutes, when nothing is posted: it follows the rooms and devices, and keeps
// one-time keys at the homeserver.
//
// Its errors wrap ErrCopied, ErrStoreLost, ErrDeviceGone, ErrUploadRefused, ErrSlow or ErrDamaged, or are those of the calls.
func (m *Machine) Idle(ctx context.Context) error {
	return m.use(ctx, func(ctx context.Context) error {
		left, err := m.sync(ctx)
		if err != nil {
			return err
		}
		if left < 0 { // as a Dendrite that has none left
			got, err := m.client.UploadKeys(ctx, &mautrix.ReqUploadKeys{})
			if err != nil {
				return fmt.Errorf("cannot ask for the one-time keys of this device: %w", err)
			}
			left = got.OneTimeKeyCounts.SignedCurve25519
		}
		if left >= int(m.olm.GetAccount().Internal.MaxNumberOfOneTimeKeys()/2) {
			return nil
		}
		if err := m.raise(ctx, false); err != nil {
			return err
		}
		return m.publish(ctx, left)
	})
}
