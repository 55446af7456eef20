//go:build goolm

package e2ee

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/matrix/e2ee/e2eetest"
)

// keysOf gives the public keys of an account's identity, as another account sees them.
func keysOf(t *testing.T, u, of *dendritetest.User) string {
	t.Helper()
	status, _, got := u.Do(http.MethodPost, "/_matrix/client/v3/keys/query", map[string]any{"device_keys": map[string]any{of.ID: []string{}}})
	text := string(got)
	if status != http.StatusOK {
		t.Fatal(text)
	}
	_, text, _ = strings.Cut(text, `"master_keys"`)
	return text
}

// TestJoinIdentity shows that a device joins the identity that its account has, with the recovery key, and that a wrong key, or making one, leaves
// the identity as it is.
func TestJoinIdentity(t *testing.T) {
	s := dendritetest.Start(t, dendritetest.Options{})
	p := newPoster(t, s, "poster")
	phone := *p.User
	phone.LogIn("")
	other := e2eetest.New(t, s, &phone)
	recovery := other.MakeIdentity()
	anna, reader, recoveryOfAnna := signed(t, s, "anna")
	before := keysOf(t, anna, p.User)
	ctx := t.Context()
	never := func(string) error { t.Error("a key was made"); return nil }
	if err := p.MakeIdentity(ctx, p.Password, never); !errors.Is(err, ErrHasIdentity) {
		t.Errorf("made: %v", err)
	}
	for _, wrong := range []string{"", "x", recoveryOfAnna, recovery[:len(recovery)-1], strings.ToLower(recovery), strings.Repeat("1", 10000)} {
		if err := p.JoinIdentity(ctx, wrong); !errors.Is(err, ErrRecoveryKey) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if s, err := p.Standing(ctx); err != nil || !s.HasIdentity || s.Verified {
		t.Errorf("%+v, %v", s, err)
	}
	room := anna.NewRoom(dendritetest.Room{Name: "scans", State: encryptedRoom(nil), Users: []*dendritetest.User{p.User}})
	anna.Messages(room)
	p.post(room, "0")
	reader.Sync(p.ID)
	if m := reader.Await(room, 1, nil); m[0].Trusted {
		t.Error("the device is trusted")
	}
	if keysOf(t, anna, p.User) != before {
		t.Error("the identity was changed")
	}
	try(t, p.JoinIdentity(ctx, "  "+recovery+"\n"))
	if s, err := p.Standing(ctx); err != nil || !s.HasIdentity || !s.Verified {
		t.Errorf("%+v, %v", s, err)
	}
	p.post(room, "1")
	reader.Sync(p.ID)
	if m := reader.Await(room, 2, nil); !m[1].Trusted {
		t.Error("the device is not trusted")
	}
	other.Await(room, 2, nil) // the own account's other device reads, too
	if keysOf(t, anna, p.User) != before {
		t.Error("the identity was changed")
	}
	try(t, p.JoinIdentity(ctx, recovery)) // once more changes nothing
	// The identity is made anew elsewhere, and the old recovery key is of no use.
	again := other.MakeIdentity()
	if s, err := p.Standing(ctx); err != nil || s.Verified {
		t.Errorf("%+v, %v", s, err)
	}
	if err := p.JoinIdentity(ctx, recovery); !errors.Is(err, ErrRecoveryKey) {
		t.Errorf("the old key: %v", err)
	}
	try(t, p.JoinIdentity(ctx, again))
	if s, err := p.Standing(ctx); err != nil || !s.Verified {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestMakeIdentity shows that an identity is made for an account that has none, that a wrong password and a key that cannot be shown make none, and
// that it is used by other devices of the account.
func TestMakeIdentity(t *testing.T) {
	s := dendritetest.Start(t, dendritetest.Options{})
	p := newPoster(t, s, "poster")
	ctx := t.Context()
	if err := p.JoinIdentity(ctx, "x"); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("join: %v", err)
	}
	if has, err := p.HasIdentity(ctx); has || err != nil {
		t.Errorf("%t, %v", has, err)
	}
	torn := errors.New("no terminal")
	if err := p.MakeIdentity(ctx, p.Password, func(string) error { return torn }); !errors.Is(err, torn) {
		t.Errorf("not shown: %v", err)
	}
	if has, err := p.HasIdentity(ctx); has || err != nil {
		t.Errorf("not shown: %t, %v", has, err)
	}
	if err := p.MakeIdentity(ctx, "wrong", func(string) error { return nil }); !errors.Is(err, ErrPassword) {
		t.Errorf("wrong password: %v", err)
	}
	p.reopen()
	// Each call fails once: the next try makes an identity, or joins the one that was made.
	for _, part := range []string{"secret_storage", "cross_signing.self", "device_signing", "signatures/upload"} {
		u := newPoster(t, s, strings.NewReplacer("/", "", "_", "", ".", "").Replace(part))
		u.failOnce(part)
		var keys []string
		show := func(k string) error { keys = append(keys, k); return nil }
		if err := u.MakeIdentity(ctx, u.Password, show); err == nil {
			t.Fatalf("%s: it did not fail", part)
		}
		u.failing(nil)
		u.reopen()
		err := u.MakeIdentity(ctx, u.Password, show)
		if errors.Is(err, ErrHasIdentity) && part == "signatures/upload" {
			err = u.JoinIdentity(ctx, keys[len(keys)-1])
		}
		if err != nil {
			t.Errorf("%s: %v", part, err)
		}
		if s, err := u.Standing(ctx); err != nil || !s.Verified {
			t.Errorf("%s: %+v, %v", part, s, err)
		}
	}
	var recovery string
	try(t, p.MakeIdentity(ctx, p.Password, func(k string) error { recovery = k; return nil }))
	phone := *p.User
	phone.LogIn("")
	e2eetest.New(t, s, &phone).Join(recovery)
}

// TestNoRecovery shows what is said of an account whose identity has no recovery key.
func TestNoRecovery(t *testing.T) {
	s := dendritetest.Start(t, dendritetest.Options{})
	p := newPoster(t, s, "poster")
	phone := *p.User
	phone.LogIn("")
	recovery := e2eetest.New(t, s, &phone).MakeIdentity()
	p.failing(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "secret_storage") {
			return refusal(http.StatusNotFound, "M_NOT_FOUND"), nil
		}
		return nil, nil
	})
	if err := p.JoinIdentity(t.Context(), recovery); !errors.Is(err, ErrNoRecovery) {
		t.Errorf("%v", err)
	}
}
