// Package e2ee encrypts what is posted in encrypted rooms of Matrix, as one device of an account: Olm and Megolm, devices and members,
// cross-signing, attachments. It is the one place that knows the library that does the cryptography.
//
// The library compiles with the build tag goolm alone. Without it, Open says ErrNotBuilt, and Built is false.
//
// A device only sends. It keeps no key of messages, its own or those of others, so that its store decrypts nothing that was posted
// before, and it answers no request for keys.
//
// # The guard
//
// Two copies of a store that both post make posts that nobody can read. So a mark, an epoch and a random id, stands in the account's data
// at the homeserver and in the store, and is raised at each start and before anything is encrypted for a device. A store that does
// not know the homeserver's mark was copied or put back: it encrypts nothing any more (ErrCopied).
package e2ee

import (
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// Options say whose device it is, and where its store is.
type Options struct {
	Dir    string // the folder of the store, for it alone; it, and the one that it is in, are made if they are missing
	User   string // @name:server
	Device string // the id that the login gave
	// Transport carries the requests, whose addresses begin with Base, to the homeserver, and adds the token. It returns refusals as the
	// homeserver gives them. An error of it is wrapped by that of the call. It is used for one call at a time.
	Transport http.RoundTripper
	// ShareWith says which devices may read.
	ShareWith ShareWith
	// Settle is how long the guard waits at the start for another copy to show itself, and within which the homeserver must answer. All copies
	// of a store must have the same; 0: 2 seconds.
	Settle time.Duration
	// AskAgain is the pause before what another server, or an exhausted device, did not give is asked for again; 0: 10 minutes.
	AskAgain time.Duration
	Log      zerolog.Logger // the zero Logger logs nothing
}

// Base is what the addresses of the requests begin with. Nobody has this name.
const Base = "https://homeserver.invalid"

// ShareWith says which devices of a room's members are given the keys.
type ShareWith int

const (
	// Verified are those that their own account has signed (cross-signing), by the identity that it had when it was seen first.
	Verified ShareWith = iota
	// All are all but those whose keys were changed.
	All
)

// Room is what is known of a room after Prepare.
type Room struct {
	Encrypted  bool   // once true, it stays true, whatever the homeserver says later
	Membership string // of the own account: "join", "invite", "leave", "ban", or "" if there is none
	Tombstone  bool   // the room was closed
	Successor  string // the room that replaces it, or ""
	Readers    int    // how many devices have the key of what is posted next; 0: nobody can read it
	// Blind are others in the room who have devices, none of which can read what is posted.
	Blind []string
	// Excluded are the devices that are given no keys, as the last sharing found them.
	Excluded []Excluded
}

// Excluded is a device that cannot read what is posted.
type Excluded struct {
	User, Device string
	Why          Reason
}

// Reason says why a device is given no keys.
type Reason string

const (
	// Unsigned: its account has not signed it, or has no identity.
	Unsigned Reason = "unverified"
	// NewIdentity: it is signed by another identity than the one that its account had when it was seen first.
	NewIdentity Reason = "new identity"
	// NoKeysLeft: the server has no one-time key of it.
	NoKeysLeft Reason = "no one-time keys"
)

// Standing is how the device stands with others.
type Standing struct {
	Device      string
	Fingerprint string // of the device, in groups of four, as other clients show it
	HasIdentity bool   // the account has cross-signing keys
	Verified    bool   // they have signed this device
	Copied      bool   // the guard found that the store was copied or put back
}

var (
	// ErrNotBuilt says that this program was built without the tag goolm.
	ErrNotBuilt = errors.New("built without end-to-end encryption (build tag goolm)")
	// ErrInUse says that another process has the store.
	ErrInUse = errors.New("the store of the keys is in use by another process")
	// ErrCopied says that another copy of the store was used since, or that an older one was put back. It stays until there is a new login.
	ErrCopied = errors.New("the folder of the keys was put back from a copy, or is used by a copy")
	// ErrStoreLost says that the homeserver knows the device's keys, and the store does not have them.
	ErrStoreLost = errors.New("the keys of this device are lost: the homeserver knows others")
	// ErrWrongStore says that the store is of another account or device.
	ErrWrongStore = errors.New("the stored keys are those of another account or device")
	// ErrDamaged says that the store cannot be read.
	ErrDamaged = errors.New("the store of the keys is damaged")
	// ErrDeviceGone says that the homeserver does not know the device's keys any more.
	ErrDeviceGone = errors.New("the homeserver has no keys of this device any more: it was removed")
	// ErrUploadRefused says that the homeserver did not take the device's keys.
	ErrUploadRefused = errors.New("the homeserver refuses the keys of this device")
	// ErrRecoveryKey says that it is not the one of the account.
	ErrRecoveryKey = errors.New("that is not the account's recovery key")
	// ErrNoRecovery says that the account has an identity whose private keys are not at the homeserver.
	ErrNoRecovery = errors.New("the account's identity cannot be had with a recovery key: it has none")
	// ErrHasIdentity says that the account has an identity or a recovery key already, and that none was made.
	ErrHasIdentity = errors.New("the account has an identity or a recovery key already")
	// ErrNoIdentity says that the account has none to join.
	ErrNoIdentity = errors.New("the account has no identity")
	// ErrPassword says that the homeserver did not take the password.
	ErrPassword = errors.New("the homeserver does not take the password")
	// ErrNotEncrypted says that the room is not known to be encrypted.
	ErrNotEncrypted = errors.New("the room is not encrypted")
	// ErrAlgorithm says that the room is encrypted in a way that is not known here.
	ErrAlgorithm = errors.New("the room is encrypted in an unknown way")
	// ErrNotMember says that the account is not in the room.
	ErrNotMember = errors.New("the account is not in the room")
	// ErrSlow says that the homeserver answered too slowly for the guard to be sure.
	ErrSlow = errors.New("the homeserver answers too slowly to tell whether another copy of the keys is in use")
	// ErrLibrary says that the library failed in a way that it does not foresee.
	ErrLibrary = errors.New("the encryption library failed")
)
