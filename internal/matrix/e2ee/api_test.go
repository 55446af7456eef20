package e2ee

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
)

// A program that is built without has the same methods.
var _ interface {
	Close() error
	Prepare(ctx context.Context, room string) (Room, error)
	Encrypt(ctx context.Context, room, kind string, content json.RawMessage) (json.RawMessage, error)
	Idle(ctx context.Context) error
	IsEncrypted(ctx context.Context, room string) (bool, error)
	Standing(ctx context.Context) (Standing, error)
	HasIdentity(ctx context.Context) (bool, error)
	MakeIdentity(ctx context.Context, password string, show func(recoveryKey string) error) error
	JoinIdentity(ctx context.Context, recoveryKey string) error
} = (*Machine)(nil)

// TestBuilt shows that a program that is built without says so, and makes nothing.
func TestBuilt(t *testing.T) {
	m, err := Open(Options{Dir: t.TempDir() + "/keys"})
	if Built != (err == nil) || !Built && !errors.Is(err, ErrNotBuilt) {
		t.Errorf("built: %t, %v", Built, err)
	}
	if Built {
		err = m.Close()
		if err != nil {
			t.Error(err)
		}
		return
	}
	ctx := t.Context()
	_, prepared := m.Prepare(ctx, "!r")
	_, encrypted := m.Encrypt(ctx, "!r", "m.room.message", nil)
	_, known := m.IsEncrypted(ctx, "!r")
	_, standing := m.Standing(ctx)
	_, has := m.HasIdentity(ctx)
	for _, err := range []error{prepared, encrypted, known, standing, has, m.Idle(ctx), m.MakeIdentity(ctx, "", nil), m.JoinIdentity(ctx, "")} {
		if !errors.Is(err, ErrNotBuilt) {
			t.Errorf("%v", err)
		}
	}
}
