//go:build !goolm

package e2ee

import (
	"context"
	"encoding/json"
)

// Built reports whether this program can encrypt.
const Built = false

// Machine is one device. Without the tag goolm there is none.
type Machine struct{}

// Open says ErrNotBuilt.
func Open(Options) (*Machine, error) { return nil, ErrNotBuilt }

// Close does nothing.
func (*Machine) Close() error { return nil }

// Prepare says ErrNotBuilt.
func (*Machine) Prepare(context.Context, string) (Room, error) { return Room{}, ErrNotBuilt }

// Encrypt says ErrNotBuilt.
func (*Machine) Encrypt(context.Context, string, string, json.RawMessage) (json.RawMessage, error) {
	return nil, ErrNotBuilt
}

// Idle says ErrNotBuilt.
func (*Machine) Idle(context.Context) error { return ErrNotBuilt }

// IsEncrypted says ErrNotBuilt.
func (*Machine) IsEncrypted(context.Context, string) (bool, error) { return false, ErrNotBuilt }

// Standing says ErrNotBuilt.
func (*Machine) Standing(context.Context) (Standing, error) { return Standing{}, ErrNotBuilt }

// HasIdentity says ErrNotBuilt.
func (*Machine) HasIdentity(context.Context) (bool, error) { return false, ErrNotBuilt }

// MakeIdentity says ErrNotBuilt.
func (*Machine) MakeIdentity(context.Context, string, func(string) error) error { return ErrNotBuilt }

// JoinIdentity says ErrNotBuilt.
func (*Machine) JoinIdentity(context.Context, string) error { return ErrNotBuilt }
