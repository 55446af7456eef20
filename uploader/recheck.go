package uploader

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// each checks every one of files, which are all or some of d's. Of an album it returns troubles, for each image that
// something is wrong with; that the folder is gone is not said of any.
func (d *delivery) each(files []ledger.File, check func(i int) error) error {
	if !d.isAlbum() {
		return check(0)
	}
	var wrong troubles
	for i, f := range files {
		switch err := check(i); {
		case errors.Is(err, errFolderGone):
			return err
		case err != nil:
			wrong = append(wrong, trouble{f.Name, err})
		}
	}
	if wrong == nil {
		return nil
	}
	return wrong
}

// unchanged looks once more at the files: a change since they settled, or another file in the place of one, means that
// they must not be posted. Its errors are those of look, of an album as each gives them.
func (d *delivery) unchanged() error {
	return d.each(d.Files, func(i int) error { return d.look(i) })
}

// look says whether the file at index i still is what it was when it settled: nil, errChanged, errVanished, errFolderGone
// or another error. Where only its looks differ the bytes decide, if it is known what was sent.
func (d *delivery) look(i int) error {
	f := d.Files[i]
	now, err := d.lstat(f)
	switch {
	case err != nil:
		return err
	case d.isThe(d.want(i), now):
		return nil
	case len(f.SHA256) == 0 && looksSame(d.want(i), now):
		return nil
	}
	same, err := d.holdsStill(i, now)
	if err == nil && !same {
		err = errChanged
	}
	return err
}

// lstat looks at f. Its errors are those of look.
func (d *delivery) lstat(f ledger.File) (file.Identity, error) {
	var info file.Info
	path := filepath.Join(d.Folder, f.Name)
	err := d.calls.Do("look at", path, func() (err error) { info, err = file.Lstat(path); return err })
	if err != nil {
		return file.Identity{}, d.missing(f, err)
	}
	return info.Identity, nil
}

// isTheInode is isThe, whatever was written to the file.
func (d *delivery) isTheInode(want, id file.Identity) bool {
	return id.Ino == want.Ino && (d.known || id.Dev == want.Dev)
}

// isThe reports whether id is the file of d that was taken up as want, in that state. With a reboot or another mount some
// file systems get another device number.
func (d *delivery) isThe(want, id file.Identity) bool {
	if d.known {
		id.Dev = want.Dev
	}
	return id == want
}

// missing tells a file that is gone from a folder that is gone: an unmounted share is an empty folder on its parent's
// device, and its files will be back.
func (d *delivery) missing(f ledger.File, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) { // its subfolder may be a file now
		return err
	}
	var folder file.Info
	ferr := d.calls.Do("look at", d.Folder, func() (err error) { folder, err = file.Stat(d.Folder); return err })
	if ferr != nil || folder.Dev != f.ID.Dev {
		return errFolderGone
	}
	return errVanished
}
