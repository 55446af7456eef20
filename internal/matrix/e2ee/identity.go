//go:build goolm

package e2ee

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/crypto/signatures"
	"maunium.net/go/mautrix/crypto/ssss"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// publicIdentity are the public keys by which an account is known.
type publicIdentity struct {
	master  id.Ed25519 // "": the account has none
	signing id.Ed25519 // signs devices, and is signed by master; "": it is not
}

// identity gives that of the own account, as it was asked for last.
func (m *Machine) identity(ctx context.Context) (p publicIdentity, err error) {
	keys, err := m.store.GetCrossSigningKeys(ctx, m.user)
	if err != nil {
		return p, err
	}
	p.master, p.signing = keys[id.XSUsageMaster].Key, keys[id.XSUsageSelfSigning].Key
	signed, err := m.store.IsKeySignedBy(ctx, m.user, p.signing, m.user, p.master)
	if !signed {
		p.signing = ""
	}
	return p, err
}

// HasIdentity asks the homeserver whether the account has cross-signing keys.
func (m *Machine) HasIdentity(ctx context.Context) (has bool, err error) {
	err = m.do(ctx, func(ctx context.Context) error {
		has, err = m.hasIdentity(ctx)
		return err
	})
	return has, err
}

func (m *Machine) hasIdentity(ctx context.Context) (bool, error) {
	if err := m.query(ctx, []string{m.o.User}); err != nil {
		return false, err
	}
	p, err := m.identity(ctx)
	return p.master != "", err
}

// MakeIdentity makes cross-signing keys and a recovery key for an account that has none, and signs this device. It replaces nothing. The
// private keys are at the homeserver, encrypted with the recovery key, and nowhere else. show is called with the recovery key before the
// account has the identity; if it fails, none is made. If MakeIdentity fails later, JoinIdentity may finish it, with that key.
//
// Its errors wrap ErrHasIdentity, ErrPassword, and those of Prepare.
func (m *Machine) MakeIdentity(ctx context.Context, password string, show func(recoveryKey string) error) error {
	return m.use(ctx, func(ctx context.Context) error {
		if err := m.checkNone(ctx); err != nil {
			return err
		}
		key, keys, err := m.prepareIdentity(ctx)
		if err != nil {
			return err
		}
		if err := show(key.RecoveryKey()); err != nil {
			return err
		}
		if err := m.publishIdentity(ctx, keys, password); err != nil {
			return err
		}
		return m.join(ctx, keys.SelfSigningKey)
	})
}

// checkNone fails if the account has an identity, or a recovery key other than one of which this device was about to make an identity.
func (m *Machine) checkNone(ctx context.Context) error {
	if has, err := m.hasIdentity(ctx); has || err != nil {
		return errors.Join(err, ifTrue(has, ErrHasIdentity))
	}
	there, err := m.olm.SSSS.GetDefaultKeyID(ctx)
	if errors.Is(err, ssss.ErrNoDefaultKeyID) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot ask for the account's recovery key: %w", err)
	}
	var making string
	_, err = m.row(ctx, "SELECT making FROM own", nil, &making)
	return errors.Join(err, ifTrue(there != making, ErrHasIdentity))
}

func ifTrue(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// prepareIdentity makes keys, and stores the private ones at the homeserver, encrypted.
func (m *Machine) prepareIdentity(ctx context.Context) (*ssss.Key, *crypto.CrossSigningKeysCache, error) {
	key, err := ssss.NewKey("")
	if err != nil {
		return nil, nil, err
	}
	keys, err := m.olm.GenerateCrossSigningKeys()
	if err != nil {
		return nil, nil, err
	}
	if err := m.exec(ctx, "UPDATE own SET making = ?", key.ID); err != nil {
		return nil, nil, err
	}
	secrets := m.olm.SSSS
	for _, step := range []func() error{
		func() error { return secrets.SetKeyData(ctx, key.ID, key.Metadata) },
		func() error {
			return secrets.SetEncryptedAccountData(ctx, event.AccountDataCrossSigningMaster, keys.MasterKey.Seed(), key)
		},
		func() error {
			return secrets.SetEncryptedAccountData(ctx, event.AccountDataCrossSigningSelf, keys.SelfSigningKey.Seed(), key)
		},
		func() error {
			return secrets.SetEncryptedAccountData(ctx, event.AccountDataCrossSigningUser, keys.UserSigningKey.Seed(), key)
		},
		func() error { return secrets.SetDefaultKeyID(ctx, key.ID) },
	} {
		if err := step(); err != nil {
			return nil, nil, fmt.Errorf("cannot store the keys of the identity: %w", err)
		}
	}
	return key, keys, nil
}

// publishIdentity gives the account the identity, unless it has got another one meanwhile. The homeserver asks for the password, and
// some do so only where there is an identity already: that is looked for once more before the password is given.
func (m *Machine) publishIdentity(ctx context.Context, keys *crypto.CrossSigningKeysCache, password string) error {
	var refused error
	err := m.olm.PublishCrossSigningKeys(ctx, keys, func(asked *mautrix.RespUserInteractive) any {
		got, err := m.client.QueryKeys(ctx, &mautrix.ReqQueryKeys{DeviceKeys: mautrix.DeviceKeysRequest{m.user: {}}})
		if err != nil {
			refused = err
			return nil
		}
		if _, has := got.MasterKeys[m.user]; has {
			refused = ErrHasIdentity
			return nil
		}
		if !asked.HasSingleStageFlow(mautrix.AuthTypePassword) {
			refused = fmt.Errorf("%w: it asks for another proof", ErrPassword)
			return nil
		}
		return map[string]any{
			"type": mautrix.AuthTypePassword, "session": asked.Session, "password": password,
			"identifier": map[string]string{"type": "m.id.user", "user": m.o.User}, "user": m.o.User,
		}
	})
	switch status := statusOf(err); {
	case refused != nil:
		return refused
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrPassword, err)
	case err != nil:
		return fmt.Errorf("cannot publish the identity: %w", err)
	}
	return nil
}

// JoinIdentity signs this device with the identity of the account, which recoveryKey, or the phrase that it was made of, decrypts. Only
// the key that signs devices is decrypted, and nothing of it is kept.
//
// Its errors wrap ErrRecoveryKey, ErrNoIdentity, ErrNoRecovery, and those of Prepare.
func (m *Machine) JoinIdentity(ctx context.Context, recoveryKey string) error {
	return m.use(ctx, func(ctx context.Context) error {
		if has, err := m.hasIdentity(ctx); !has || err != nil {
			return errors.Join(err, ifTrue(!has && err == nil, ErrNoIdentity))
		}
		key, err := m.recoveryKey(ctx, strings.TrimSpace(recoveryKey))
		if err != nil {
			return err
		}
		seed, err := m.olm.SSSS.GetDecryptedAccountData(ctx, event.AccountDataCrossSigningSelf, key)
		switch {
		case hasCode(err, mautrix.MNotFound.ErrCode), errors.Is(err, ssss.ErrNotEncryptedForKey):
			return ErrNoRecovery
		case errors.Is(err, ssss.ErrKeyDataMACMismatch):
			return ErrRecoveryKey
		case err != nil:
			return fmt.Errorf("cannot read the account's keys: %w", err)
		}
		signing, err := olm.NewPKSigningFromSeed(seed)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoRecovery, err)
		}
		return m.join(ctx, signing)
	})
}

// recoveryKey asks for what a recovery key is checked with, and checks it.
func (m *Machine) recoveryKey(ctx context.Context, text string) (*ssss.Key, error) {
	name, data, err := m.olm.SSSS.GetDefaultKeyData(ctx)
	switch {
	case errors.Is(err, ssss.ErrNoDefaultKeyID), hasCode(err, mautrix.MNotFound.ErrCode):
		return nil, ErrNoRecovery
	case err != nil:
		return nil, fmt.Errorf("cannot ask for the account's recovery key: %w", err)
	}
	key, err := data.VerifyRecoveryKey(name, text)
	if key == nil && data.Passphrase != nil {
		key, err = data.VerifyPassphrase(name, text)
	}
	if key == nil { // one that cannot be checked is tried
		return nil, fmt.Errorf("%w: %w", ErrRecoveryKey, err)
	}
	return key, nil
}

// join signs this device with the key of the account's identity that signs devices.
func (m *Machine) join(ctx context.Context, signing olm.PKSigning) error {
	if err := m.query(ctx, []string{m.o.User}); err != nil {
		return err
	}
	p, err := m.identity(ctx)
	if err != nil {
		return err
	}
	if p.signing != signing.PublicKey() {
		return fmt.Errorf("%w: it is that of another identity than the account has now", ErrRecoveryKey)
	}
	if err := m.sign(ctx, signing); err != nil {
		return fmt.Errorf("cannot sign this device: %w", err)
	}
	// Whoever has the recovery key says that this identity is the account's, whatever was seen first.
	if err := m.store.ResetMasterKeyTOFU(ctx, m.user, p.master); err != nil {
		return err
	}
	if err := m.query(ctx, []string{m.o.User}); err != nil {
		return err
	}
	signed, err := m.store.IsKeySignedBy(ctx, m.user, m.olm.GetAccount().SigningKey(), m.user, p.signing)
	if err == nil && !signed {
		err = errors.New("cannot sign this device: the homeserver does not show the signature")
	}
	return errors.Join(err, m.exec(ctx, "UPDATE own SET making = ''"))
}

func (m *Machine) sign(ctx context.Context, signing olm.PKSigning) error {
	device := m.client.DeviceID
	got, err := m.client.QueryKeys(ctx, &mautrix.ReqQueryKeys{DeviceKeys: mautrix.DeviceKeysRequest{m.user: {device}}})
	if err != nil {
		return err
	}
	keys := got.DeviceKeys[m.user][device]
	if keys.Keys.GetEd25519(device) != m.olm.GetAccount().SigningKey() || keys.Keys.GetCurve25519(device) != m.olm.GetAccount().IdentityKey() {
		return ErrStoreLost
	}
	signed := mautrix.ReqKeysSignatures{UserID: m.user, DeviceID: device, Algorithms: keys.Algorithms, Keys: map[id.KeyID]string{}}
	for name, key := range keys.Keys {
		signed.Keys[id.KeyID(name)] = key
	}
	signature, err := signing.SignJSON(signed)
	if err != nil {
		return err
	}
	signed.Signatures = signatures.NewSingleSignature(m.user, id.KeyAlgorithmEd25519, signing.PublicKey().String(), signature)
	answer, err := m.client.UploadSignatures(ctx, &mautrix.ReqUploadSignatures{m.user: {device.String(): signed}})
	if err == nil && len(answer.Failures) > 0 {
		err = fmt.Errorf("the homeserver refuses the signature: %v", answer.Failures)
	}
	return err
}
