package inquiry

import (
	"context"
	"crypto/sha256"
	"io"
	"path/filepath"
	"slices"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// What the ledger remembers of a file, and which of its rows are about this very file.

// sumMost is the largest file, in bytes, that is read to find out which one it is.
const sumMost = 64 << 20

// remember asks the ledger for what became of the file, and of files of its name.
func (d *Desk) remember(ctx context.Context, k *facts) (err error) {
	switch k.place {
	case placeRoot, placeDoneRoot, placeFailedRoot, placeState:
		return nil
	case placeFolder, placeBelow:
		err = d.rememberFolder(ctx, k)
	case placeNote:
		err = d.rememberNote(ctx, k)
	default:
		err = d.rememberMoved(ctx, k, k.path)
	}
	if err == nil && k.own == nil && k.place == placeOutside {
		k.others, err = d.search(ctx, ledger.Query{Name: k.name}, isNamed(k.name))
	}
	if err == nil {
		err = d.fillChain(ctx, k)
	}
	k.others = distinct(k.others)
	return err
}

// rememberNote finds the row of the file that a note is about, or of a file whose name ends as a note's.
func (d *Desk) rememberNote(ctx context.Context, k *facts) error {
	rows, err := d.search(ctx, ledger.Query{Dest: k.path}, isAt(k.path))
	switch {
	case err != nil:
		return err
	case len(rows) > 0:
		k.place, k.name, k.own = placeFailed, k.name+noteEnd, &rows[0]
		return nil
	}
	return d.rememberMoved(ctx, k, filepath.Join(k.folder.Failed, k.name))
}

// rememberFolder finds rows of the name in a watched folder.
func (d *Desk) rememberFolder(ctx context.Context, k *facts) error {
	rows, err := d.search(ctx, ledger.Query{Folder: k.folder.Path, Name: k.name}, isNamed(k.name))
	if err != nil {
		return err
	}
	k.choose(rows)
	if k.own != nil {
		return nil
	}
	asked, err := d.Ledger.Asked(ctx, ledger.Questions{To: k.path})
	for _, a := range asked {
		if a.State == ledger.Done && a.Became == 0 && k.looked == nil && a.File.Ino == k.info.Ino && a.File.Size == k.info.Size {
			said := askedOf(a)
			k.origin = &said
		}
	}
	if len(asked) == 0 || !isAbsent(k.looked) || err != nil {
		return err
	}
	last := asked[len(asked)-1]
	r, ok, err := d.get(ctx, last.Delivery, func(e control.Entry) bool { return e.Name == last.Name })
	if ok {
		k.own = &r
	}
	return err
}

// choose takes the row of this very file from rows that have its name.
func (k *facts) choose(rows []row) {
	lies := k.looked == nil && !k.info.Mode.IsDir()
	for i, r := range rows {
		mine := !lies && isAbsent(k.looked) && i == 0 || !r.Finished && r.Name == k.name && (k.queued == nil || k.queued.ID == 0 || k.queued.ID == r.ID)
		if k.own == nil && mine {
			k.own = &rows[i]
			continue
		}
		k.others = append(k.others, r)
	}
}

// rememberMoved finds the row of a file that lies, or lay, at a path to which it was moved.
func (d *Desk) rememberMoved(ctx context.Context, k *facts, path string) error {
	rows, err := d.search(ctx, ledger.Query{Dest: path}, isAt(path))
	if err != nil {
		return err
	}
	isNote := path != k.path
	if k.looked == nil && !isNote {
		for i := range rows {
			d.lookAt(&rows[i])
		}
		slices.SortStableFunc(rows, func(a, b row) int { return int(b.lies.sure() - a.lies.sure()) })
	}
	if len(rows) > 0 && (k.looked != nil || isNote || rows[0].lies != liesOther) {
		k.own = &rows[0]
		k.others = rows[1:]
		return nil
	}
	if k.looked == nil && !isNote {
		k.others = rows
		return d.recognise(ctx, k)
	}
	return d.rememberAsked(ctx, k, path)
}

// sure orders rows of one path: the one whose file lies there comes first.
func (l lies) sure() int {
	if l == liesThere {
		return 1
	}
	return 0
}

// rememberAsked finds the row of a file that lay at path when something was asked of it.
func (d *Desk) rememberAsked(ctx context.Context, k *facts, path string) error {
	asked, err := d.Ledger.Asked(ctx, ledger.Questions{Path: path})
	if err != nil {
		return err
	}
	for _, a := range slices.Backward(asked) {
		if a.State == ledger.Void {
			continue
		}
		r, ok, err := d.get(ctx, a.Delivery, func(e control.Entry) bool { return e.Name == a.Name })
		if ok {
			k.own = &r
		}
		return err
	}
	return nil
}

// recognise finds the row of a file that lies where it was not moved: somebody renamed it, or moved it on.
func (d *Desk) recognise(ctx context.Context, k *facts) error {
	if !k.info.Mode.IsRegular() || k.info.Size == 0 {
		return nil
	}
	rows, err := d.alike(ctx, k.info, nil, func(r row) bool { return r.id.Ino == k.info.Ino && r.id.Mtime == k.info.Mtime })
	if err != nil || len(rows) > 0 {
		d.recognised(k, rows)
		return err
	}
	var sum []byte
	if k.info.Size <= sumMost {
		sum, _ = ask(&d.disk, k.folder.Path, func(stop *stopped) ([]byte, error) { return sumOf(k.path, stop) })
	}
	rows, err = d.alike(ctx, k.info, sum, func(r row) bool {
		if r.sum != nil && sum != nil {
			return slices.Equal(r.sum, sum)
		}
		return isKept(r.id.Mtime, k.info.Mtime)
	})
	d.recognised(k, rows)
	return err
}

// alike finds rows of files that were moved away and look like info, for which is is so.
func (d *Desk) alike(ctx context.Context, info file.Info, sum []byte, is func(row) bool) (all []row, err error) {
	found, err := d.Ledger.Like(ctx, info.Identity, sum)
	if err != nil {
		return nil, err
	}
	for _, one := range found {
		for _, f := range one.Files {
			if f.Dest == "" || f.ID.Size != info.Size {
				continue
			}
			rows, err := d.rows(ctx, []ledger.Delivery{one}, isAt(f.Dest))
			if err != nil {
				return nil, err
			}
			if is(rows[0]) {
				all = append(all, rows[0])
			}
		}
	}
	return all, nil
}

// recognised takes the row of the file at k.path from those that may be its: it is that of one that is not where it was moved; if all are,
// it is a copy.
func (d *Desk) recognised(k *facts, rows []row) {
	for i := range rows {
		d.lookAt(&rows[i])
	}
	if i := slices.IndexFunc(rows, func(r row) bool { return r.lies == liesGone || r.lies == liesOther }); i >= 0 {
		k.own = &rows[i]
		k.own.lies, k.own.at = liesMoved, k.path
		d.readNote(k.own)
	} else if len(rows) > 0 {
		k.own, k.copied = &rows[0], true
	}
}

func sumOf(path string, stop *stopped) ([]byte, error) {
	f, _, err := file.Open(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	for !stop.Load() {
		if _, err := io.CopyN(sum, f, 1<<20); err == io.EOF { //nolint:errorlint // as io has it
			return sum.Sum(nil), nil
		} else if err != nil {
			return nil, err
		}
	}
	return nil, errSilent
}

// chainMost is how often a file can be put back and fail again until that is told no more.
const chainMost = 5

// fillChain finds how the file fared before it was put back, and after that, and looks where it lies now.
func (d *Desk) fillChain(ctx context.Context, k *facts) error {
	var err error
	if k.origin == nil && k.own != nil {
		k.origin = k.own.Origin
	}
	for range chainMost {
		origin, last := k.origin, len(k.before)-1
		if last >= 0 {
			origin = k.before[last].Origin
		}
		if origin == nil {
			break
		}
		r, ok, err := d.get(ctx, origin.Delivery, hasAsked(*origin))
		if err != nil || !ok {
			return err
		}
		k.before = append(k.before, r)
	}
	for at := k.own; at != nil; {
		if k.then != nil {
			at = k.then
		}
		a, is := at.putBack()
		if !is || a.Became == 0 {
			break
		}
		r, ok, err := d.get(ctx, a.Became, func(e control.Entry) bool { return e.Origin != nil })
		if err != nil || !ok {
			return err
		}
		k.then = &r
	}
	for _, r := range []*row{k.own, k.then} {
		if r != nil {
			d.lookAt(r)
		}
	}
	k.others = slices.DeleteFunc(k.others, k.isTold)
	return err
}

// hasAsked finds the file of a delivery of which that was asked.
func hasAsked(a control.Asked) func(control.Entry) bool {
	return func(e control.Entry) bool {
		return slices.ContainsFunc(e.Asked, func(b control.Asked) bool { return a.From == b.From && a.At.Equal(b.At) })
	}
}

// isTold reports whether a row is about the file itself, or about a try of another file that a later one follows.
func (k *facts) isTold(r row) bool {
	is := func(o row) bool { return o.ID == r.ID && o.Name == r.Name }
	if k.own != nil && is(*k.own) || k.then != nil && is(*k.then) || slices.ContainsFunc(k.before, is) {
		return true
	}
	a, ok := r.putBack()
	return ok && a.Became != 0 && slices.ContainsFunc(k.others, func(o row) bool { return o.ID == a.Became })
}

// distinct leaves out what is there twice.
func distinct(rows []row) (all []row) {
	for _, r := range rows {
		if !slices.ContainsFunc(all, func(o row) bool { return o.ID == r.ID && o.Name == r.Name }) {
			all = append(all, r)
		}
	}
	return all
}
