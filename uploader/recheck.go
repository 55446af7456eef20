package uploader

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// each checks files, which are all or some of the delivery's. Of an album it returns troubles: what is wrong with which images. That
// the folder is gone is an error of its own, and not of any image.
func (f *facts) each(files []ledger.File, check func(i int) error) error {
	if !f.isAlbum() {
		return check(0)
	}
	var wrong troubles
	for i, one := range files {
		switch err := check(i); {
		case errors.Is(err, errFolderGone):
			return err
		case err != nil:
			wrong = append(wrong, trouble{one.Name, err})
		}
	}
	if wrong == nil {
		return nil
	}
	return wrong
}

// unchanged looks once more at the files. If one has changed since it settled, or another lies in its place, they must not be
// posted. Its errors are those of recheck, and of an album troubles.
func (w *work) unchanged() error { return w.job.each(w.job.Files, w.recheck) }

// recheck looks whether the file at index i still is what it was when it settled. Its error is errChanged, errVanished,
// errFolderGone or that of the look. Where only the looks differ, the bytes decide if it is known what was sent.
func (w *work) recheck(i int) error {
	f := w.file(i)
	now, err := w.lstat(f)
	switch {
	case err != nil:
		return err
	case w.job.isThe(w.want(i), now):
		return nil
	case len(f.SHA256) == 0 && looksSame(w.want(i), now):
		return nil
	}
	same, err := w.holdsStill(i, now)
	if err == nil && !same {
		err = errChanged
	}
	return err
}

// lstat looks at f. Its errors are those of recheck.
func (w *work) lstat(f ledger.File) (file.Identity, error) {
	info, err := w.lstatName(f.Name)
	if err != nil {
		return file.Identity{}, w.missing(f, err)
	}
	return info.Identity, nil
}

// lstatName looks at what lies under a name. Its errors are the kernel's.
func (w *work) lstatName(name string) (info file.Info, err error) {
	path := filepath.Join(w.job.Folder, name)
	err = w.job.calls.Do("look at", path, func() (err error) { info, err = file.Lstat(path); return err })
	return info, err
}

// isTheInode is isThe, whatever was written to the file.
func (f *facts) isTheInode(want, id file.Identity) bool {
	return id.Ino == want.Ino && (f.known || id.Dev == want.Dev)
}

// isThe reports whether id is the file that was taken up as want, in that state. With a reboot or another mount some
// file systems get another device number.
func (f *facts) isThe(want, id file.Identity) bool {
	if f.known {
		id.Dev = want.Dev
	}
	return id == want
}

// missing tells a file that is gone from a folder that is gone: an unmounted share is an empty folder on its parent's
// device, and its files will be back.
func (w *work) missing(f ledger.File, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) { // its subfolder may be a file now
		return err
	}
	var folder file.Info
	ferr := w.job.calls.Do("look at", w.job.Folder, func() (err error) { folder, err = file.Stat(w.job.Folder); return err })
	if ferr != nil || folder.Dev != f.ID.Dev {
		return errFolderGone
	}
	return errVanished
}
