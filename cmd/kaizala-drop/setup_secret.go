package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/durable"
	"kaizala-drop/internal/text"
)

// secretFile is where a secret is kept.
type secretFile struct {
	path, content string
	uid, gid      int
	beside        string // what is there already under the usual name, and stays; "": nothing
}

// keptAt is how the configuration refers to a secret of the destination, and where that is kept.
func (s *settingUp) keptAt(name string) (reference, path string) {
	if s.known.Destination != "kaizala" {
		name = s.known.Destination + "-" + name
	}
	if other := s.renamed[name]; other != "" {
		name = other
	}
	return s.placeOf(name)
}

func (s *settingUp) placeOf(name string) (reference, path string) {
	if s.host.unit {
		return "credential:" + name, credentialFile(name)
	}
	path = filepath.Join(filepath.Dir(s.file.real), name)
	return "file:" + path, path
}

// keep remembers a secret until all is written. Where there is another one under its name already, it gets another name: that one may be
// in use, and nobody else has it.
func (s *settingUp) keep(name, secret string) {
	s.secrets[name] = secret
	if s.known.Destination != "kaizala" {
		name = s.known.Destination + "-" + name
	}
	file := secretFile{content: secret + "\n", uid: s.host.uid, gid: s.host.gid}
	if s.host.unit {
		file.uid, file.gid = 0, 0
	}
	reference, path := s.placeOf(name)
	usual, there := path, false
	for n := 2; ; n++ {
		var taken bool
		if taken, there = s.isTaken(reference, path, secret); !taken {
			break
		}
		s.renamed[name] = fmt.Sprintf("%s-%d", name, n)
		reference, path = s.placeOf(s.renamed[name])
		file.beside = usual
	}
	s.references[reference] = secret
	if file.path = path; !there {
		s.secretFiles = append(s.secretFiles, file)
	}
}

// keepAnew keeps the secrets that were given for a destination whose name has changed. One that was not given is asked for.
func (s *settingUp) keepAnew() {
	s.secretFiles = nil
	clear(s.references)
	for name, secret := range s.secrets {
		s.keep(name, secret)
	}
	s.known.Secret = s.secrets["application-secret"] != ""
}

// isTaken reports whether something else is kept under a name, and otherwise whether the secret is there already.
func (s *settingUp) isTaken(reference, path, secret string) (taken, there bool) {
	name, isCredential := strings.CutPrefix(reference, "credential:")
	if isCredential && slices.Contains(s.host.has.Encrypted, name) || s.refersTo(reference) {
		return true, false
	}
	if _, err := os.Lstat("/etc/credstore.encrypted/kaizala-drop." + name); isCredential && err == nil {
		return true, false
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return false, false
	}
	content, err := os.ReadFile(path)
	if err != nil || strings.TrimSpace(string(content)) != secret {
		return true, false
	}
	ours := s.ours(path)
	return !ours, ours
}

// ours reports whether a file is what setup would make of it.
func (s *settingUp) ours(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return false
	}
	uid, _ := ownerOf(info)
	return s.host.unit || !s.host.root || uid == s.host.uid
}

// refersTo reports whether the configuration has a secret by that reference, whoever it belongs to.
func (s *settingUp) refersTo(reference string) bool {
	refers := func(table any) bool {
		values, _ := table.(map[string]any)
		for _, value := range values {
			if value == reference {
				return true
			}
		}
		return false
	}
	more, _ := s.base.root["destination"].(map[string]any)
	for _, table := range more {
		if refers(table) {
			return true
		}
	}
	return refers(s.base.root["kaizala"]) && !s.base.openKaizala
}

// askSecret takes the connector's secret. One that lies where it is to be kept is proposed, unless somebody else has it.
func (s *settingUp) askSecret() error {
	reference, path := s.keptAt("application-secret")
	if s.flags.secretFile == "" && !s.refersTo(reference) && s.kept(reference, path) {
		yes, err := s.agree("There is a secret in "+text.Printable(path)+" already. Take that one", true)
		if err != nil {
			return err
		}
		if yes {
			s.known.Secret = true
			return s.takeRefresh()
		}
	}
	secret, err := "", error(nil)
	if s.flags.secretFile != "" {
		secret, err = secretIn(s.flags.secretFile)
	} else {
		secret, err = s.dialogue.askHidden(s.ctx, "Application secret (it is not shown, and is kept in a file that only root or the daemon reads)")
	}
	if secret = strings.TrimSpace(secret); err == nil && secret == "" {
		err = errors.New("no application secret was given")
	}
	if err != nil {
		return failed(err)
	}
	s.keep("application-secret", secret)
	s.known.Secret = true
	return s.takeRefresh()
}

// kept reports whether a secret is where it is to be kept.
func (s *settingUp) kept(reference, path string) bool {
	if secret, ok := s.environment().Secret(reference); ok && secret != "" {
		return true
	}
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0 && s.ours(path)
}

func (s *settingUp) takeRefresh() error {
	if s.flags.refreshFile == "" {
		return nil
	}
	secret, err := secretIn(s.flags.refreshFile)
	if err != nil {
		return failed(err)
	}
	s.keep("refresh-token", secret)
	return nil
}

// secretIn reads a file that holds a secret and nothing else; a pipe, too.
func secretIn(path string) (string, error) {
	const most = 64 << 10
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, most))
	secret := strings.TrimSpace(string(content))
	if err == nil && (secret == "" || len(content) == most || strings.ContainsAny(secret, "\r\n")) {
		err = fmt.Errorf("%s holds no secret: it is to hold one line", text.Printable(path))
	}
	return secret, err
}

// writeSecrets makes the files of secrets, and replaces none.
func (s *settingUp) writeSecrets(back *undo) error {
	for _, f := range s.secretFiles {
		if err := s.makeFolders(filepath.Dir(f.path), 0o700, back); err != nil {
			return err
		}
		temp, err := s.writeTemp(f.path, f.content, 0o600, f.uid, f.gid)
		if err != nil {
			return fmt.Errorf("cannot keep a secret: %w", err)
		}
		placed, err := placeNew(temp, f.path)
		if placed {
			*back = append(*back, func() error { return os.Remove(f.path) })
		}
		if err != nil {
			return fmt.Errorf("cannot keep a secret: %w", err)
		}
	}
	return nil
}

// placeNew gives a file its name, if nothing has that yet. placed: it has it, also if there is an error.
func placeNew(temp, path string) (placed bool, err error) {
	err = os.Link(temp, path)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOTSUP) { // no hard links here
		if _, err = os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return true, durable.Rename(temp, path)
		}
		err = cmp.Or(err, fs.ErrExist)
	}
	if placed = err == nil; placed {
		err = durable.SyncFolder(filepath.Dir(path))
	}
	return placed, errors.Join(err, os.Remove(temp))
}

func (s *settingUp) writeDropIn(content string, back *undo) error {
	if content == "" {
		return nil
	}
	if err := s.makeFolders(filepath.Dir(unitDropIn), 0o755, back); err != nil {
		return err
	}
	return s.putFile(unitDropIn, content, back)
}

// putFile puts a file of root in the place of whatever is there, which comes back if it must.
func (s *settingUp) putFile(path, content string, back *undo) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		*back = append(*back, func() error { return os.Remove(path) })
		return s.replaceFile(path, content, 0o644, 0, 0)
	}
	if err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	uid, gid := ownerOf(info)
	*back = append(*back, func() error { return s.replaceFile(path, string(old), info.Mode().Perm(), uid, gid) })
	return s.replaceFile(path, content, info.Mode().Perm(), uid, gid)
}

func (s *settingUp) replaceFile(path, content string, mode fs.FileMode, uid, gid int) error {
	temp, err := s.writeTemp(path, content, mode, uid, gid)
	if err != nil {
		return err
	}
	if err := durable.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

// writeTemp writes a file beside path, whose name that is to have.
func (s *settingUp) writeTemp(path, content string, mode fs.FileMode, uid, gid int) (temp string, err error) {
	out, err := os.CreateTemp(filepath.Dir(path), ".kaizala-drop-setup-*")
	if err != nil {
		return "", err
	}
	_, err = out.WriteString(content)
	if err == nil && s.host.root {
		err = out.Chown(uid, gid)
	}
	if err = errors.Join(err, out.Chmod(mode), out.Sync(), out.Close()); err != nil {
		err = errors.Join(err, os.Remove(out.Name()))
	}
	return out.Name(), err
}
