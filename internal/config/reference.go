package config

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"kaizala-drop/internal/text"
)

// maxSecret, in bytes, is more than any header may have: a larger file is not a secret.
const maxSecret = 64 << 10

// secret is a text, or a reference to one.
func secret[T any](field func(*T) *Secret) read[T] {
	return func(at place, value any, into *T) {
		s, ok := value.(string)
		if !ok {
			at.wrongSecret()
			return
		}
		if scheme, name, ok := cutReference(s); ok {
			at.r.reads(scheme, name)
			var err error
			if own, ok := at.r.env.secret(s); ok {
				s = own
			} else if s, err = at.resolve(scheme, name); err != nil {
				at.problem("%v%s", err, at.otherwise())
				return
			}
		}
		if at.fitsOneLine(s) {
			*field(into) = NewSecret(s)
		}
	}
}

// reads notes a file that a secret is in.
func (r *reader) reads(scheme, name string) {
	if path := filepath.Clean(name); scheme == "file" && filepath.IsAbs(name) && !slices.Contains(r.files, path) {
		r.files = append(r.files, path)
	}
}

// otherwise is another way to a refresh token than the reference to it.
func (p place) otherwise() string {
	if p.name != "refresh_token" {
		return ""
	}
	return ". Or leave refresh_token out and run kaizala-drop login"
}

// cutReference takes apart env:NAME, file:/path and credential:NAME.
func cutReference(s string) (scheme, name string, ok bool) {
	scheme, name, ok = strings.Cut(s, ":")
	switch scheme {
	case "env", "file", "credential":
		return scheme, name, ok
	}
	return "", "", false
}

// resolve follows a reference. Its errors name what was looked for, and never what was found.
func (p place) resolve(scheme, name string) (string, error) {
	switch {
	case name == "":
		return "", fmt.Errorf("names nothing to look up behind %s: write a name there", scheme)
	case scheme == "env":
		value := p.r.env.get(name)
		if value == "" {
			return "", fmt.Errorf("refers to the environment variable %q, which is not set or empty: set it for the daemon, or correct the name", name)
		}
		return value, nil
	case scheme == "credential":
		return p.credential(name)
	case !filepath.IsAbs(name):
		return "", fmt.Errorf("must name an absolute path behind file:, from / on, not %q", name)
	default:
		return p.secretFile(name, "write the secret into it, or correct the path")
	}
}

// credential is a file that systemd puts there for the service alone (systemd.exec(5), LoadCredential=).
func (p place) credential(name string) (string, error) {
	if !isCredentialName(name) {
		return "", fmt.Errorf("refers to a credential %q, but the name of a credential holds no slash: correct it", name)
	}
	dir := p.r.env.get("CREDENTIALS_DIRECTORY")
	if p.r.withoutCredentials() {
		p.postpone(name)
		return "", nil
	}
	if dir == "" {
		return "", fmt.Errorf("refers to a credential, but $CREDENTIALS_DIRECTORY is not set: run as a systemd service with "+
			"LoadCredential=%s:/path, or write env:NAME or file:/path instead", text.Printable(name))
	}
	return p.secretFile(filepath.Join(dir, name), fmt.Sprintf("correct the name, or give the service LoadCredential=%s:/path, "+
		"and the secret in that file", text.Printable(name)))
}

func isCredentialName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}

// withoutCredentials reports whether references to credentials are left to whoever can look them up.
func (r *reader) withoutCredentials() bool {
	return r.env.WithoutCredentials && r.env.get("CREDENTIALS_DIRECTORY") == ""
}

// postpone leaves a credential to whoever can look it up.
func (p place) postpone(name string) {
	p.r.warn(p.line(), "%s refers to the credential %q, which was not looked up: $CREDENTIALS_DIRECTORY is not set, as systemd "+
		"sets it for services only", p.name, name)
	if !slices.Contains(p.r.unresolved, name) {
		p.r.unresolved = append(p.r.unresolved, name)
	}
}

// secretFile reads the secret from a file. missing is what to do if there is none.
func (p place) secretFile(path, missing string) (string, error) {
	text, mode, err := readSecret(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("refers to %q, which is not there: %s", path, missing)
	case errors.Is(err, fs.ErrPermission):
		return "", fmt.Errorf("refers to %q, which this user may not read: let the daemon's user read it, and run as that one", path)
	case err != nil:
		// The path is quoted here, once, and not as the error has it.
		if e, ok := errors.AsType[*fs.PathError](err); ok {
			err = fmt.Errorf("%w: correct the path, or see what lies there", e.Err)
		}
		return "", fmt.Errorf("refers to %q, which cannot be used: %w", path, err)
	}
	if mode&0o004 != 0 {
		p.r.warn(p.line(), "%s lies in %q, which everyone can read (mode %04o): run chmod o= on it", p.name, path, mode.Perm())
	}
	return text, nil
}

// readSecret gives a file's text without the newline that editors end it with, and without the byte order mark that those of
// Windows begin it with.
func readSecret(path string) (string, fs.FileMode, error) {
	info, err := os.Stat(path) // before it is opened: opening a FIFO may wait for ever
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", 0, errors.New("it is not a regular file: name one with nothing in it but the secret")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	plain, decodeErr := decodeText(data)
	text := strings.TrimRight(plain, "\r\n")
	switch {
	case err != nil:
		return "", 0, err
	case len(data) > maxSecret:
		return "", 0, fmt.Errorf("it is larger than %d KiB: name a file with nothing in it but the secret", maxSecret>>10)
	case decodeErr != nil:
		return "", 0, decodeErr
	case text == "":
		return "", 0, errors.New("it is empty: write the secret into it")
	}
	return text, info.Mode(), nil
}

// The byte order marks of the Unicode Standard, section 23.8, as editors of Windows write them.
const (
	markUTF8    = "\xef\xbb\xbf"
	markUTF16LE = "\xff\xfe"
	markUTF16BE = "\xfe\xff"
)

// decodeText reads a text as an editor saved it: in UTF-8, or in UTF-16 with its byte order mark.
func decodeText(data []byte) (string, error) {
	text := strings.TrimPrefix(string(data), markUTF8)
	var order binary.ByteOrder
	switch {
	case strings.HasPrefix(text, markUTF16LE):
		order = binary.LittleEndian
	case strings.HasPrefix(text, markUTF16BE):
		order = binary.BigEndian
	case utf8.ValidString(text) && !strings.Contains(text, "\x00"):
		return text, nil
	default:
		return "", errors.New("it is no text in UTF-8: save it as UTF-8, with nothing in it but the secret")
	}
	raw := text[len(markUTF16LE):]
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = order.Uint16([]byte(raw[2*i:]))
	}
	if len(raw)%2 != 0 {
		return "", errors.New("it begins as UTF-16 and is none: save it as UTF-8, with nothing in it but the secret")
	}
	return string(utf16.Decode(units)), nil
}

// LookUp gives the secret that a command was told of by a reference: env:NAME, file:/path or credential:NAME. Its errors show nothing of it.
func LookUp(reference string, env Environment) (Secret, error) {
	scheme, name, ok := cutReference(reference)
	if !ok {
		return Secret{}, errors.New("is no reference to a secret: write env:NAME, file:/path or credential:NAME")
	}
	found, err := place{r: &reader{env: env}}.resolve(scheme, name)
	return NewSecret(found), err
}
