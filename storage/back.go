package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"golang.org/x/sys/unix"
)

// The transitions of undo.

// leave: nothing had been done, and what is on the disk is the owner's.
func (m *mover) leave(context.Context, *folder) (state, error) { return finished, nil }

// settleAndChoose brings a swap that was interrupted to a point from which it can
// be taken back.
func (m *mover) settleAndChoose(ctx context.Context, f *folder) (state, error) {
	kinds, err := m.at(f, f.Path, f.Names.Guard)
	if err != nil {
		return "", err
	}
	if kinds[1] == data {
		if err := m.keepOld(f); err != nil {
			return "", err
		}
	}
	there, err := m.disks(f)
	if err != nil {
		return "", err
	}
	if kinds[0] == data && there == data && f.Use == m.j.target(f) {
		// The owner chose the disk's: the old folder is kept as by apply.
		if _, err := m.swapOut(ctx, f); err != nil {
			return "", err
		}
	}
	return m.choose(ctx, f)
}

// choose finds which copy goes back. Where the folder in its old place and the
// disk's copy differ, the owner has to say.
func (m *mover) choose(ctx context.Context, f *folder) (state, error) {
	to, before := m.j.target(f), f.Names.Before
	kinds, err := m.at(f, f.Path, before)
	if err != nil {
		return "", err
	}
	there, err := m.disks(f)
	if err != nil {
		return "", err
	}
	if kinds[0] == data {
		return m.chooseInPlace(ctx, f, there)
	}
	use := m.chosen(f, before, to)
	switch {
	case kinds[1] == data && (use == before || use == "" && m.home[f.Path] || there != data):
		f.Use = use
		return m.sendBack(ctx, f, before)
	case there == data:
		return returning, nil
	case kinds[0] == empty:
		return restored, nil // it was empty, and is in its place
	case there == empty && f.Sum != "":
		return returning, nil
	case kinds[1] == empty:
		return m.sendBack(ctx, f, before)
	case f.Sum != "":
		m.tell("warning: no copy of the data of %s is left, neither at %s nor on the old file system: its place stays "+
			"empty", f.Path, to)
	}
	f.Return, f.ReturnSum = "", ""
	return returned, nil
}

// disks is what lies in the folder's place on the disk. An empty folder that is not the one
// that was put there is nothing: see [journal.madeAnew].
func (m *mover) disks(f *folder) (kind, error) {
	if m.withoutDisk {
		return nothing, nil
	}
	to := m.j.target(f)
	k, err := m.kind(m.j, f, to)
	if err != nil || k != empty || f.Disk == (guardID{}) {
		return k, err
	}
	if now, err := m.identity(to); err != nil || now == f.Disk {
		return k, err
	}
	return nothing, nil
}

// chooseInPlace is for a folder that is in its old place.
func (m *mover) chooseInPlace(ctx context.Context, f *folder, there kind) (state, error) {
	to := m.j.target(f)
	if there != data {
		return restored, nil
	}
	if m.home[f.Path] && m.chosen(f, f.Path, to) == "" {
		return restored, nil
	}
	use, err := m.agree(ctx, f, f.Path, to)
	if err != nil {
		return "", err
	}
	if f.Use = use; use == to {
		return switching, nil
	}
	return restored, nil
}

// sendBack has a folder on the old file system go back.
func (m *mover) sendBack(ctx context.Context, f *folder, path string) (state, error) {
	sum, err := m.sum(ctx, path)
	f.Return, f.ReturnSum = path, sum
	return returned, err
}

// copyBack copies the disk's data to the old file system, unless the old folder
// still equals it.
func (m *mover) copyBack(ctx context.Context, f *folder) (state, error) {
	to, before := m.j.target(f), f.Names.Before
	if m.withoutDisk {
		return m.choose(ctx, f)
	}
	kinds, err := m.at(f, to, before)
	if err != nil {
		return "", err
	}
	if kinds[0] != data && kinds[0] != empty {
		return m.choose(ctx, f)
	}
	if err := m.unused(ctx, f.Path, to); err != nil {
		return "", err
	}
	if kinds[1] == data || kinds[1] == empty {
		if same, _, err := m.equal(ctx, before, to); err != nil {
			return "", err
		} else if same {
			return m.sendBack(ctx, f, before)
		}
	}
	m.tell("copying %s back to %s", to, f.Path)
	f.ReturnSum, err = m.copyNew(ctx, f, to, f.Names.Back)
	f.Return = f.Names.Back
	return returned, err
}

// confirmBack has it that what goes back is what it was, and what the disk has,
// before fstab is its owner's again.
func (m *mover) confirmBack(ctx context.Context, f *folder) error {
	if f.Return == "" {
		return nil
	}
	good, err := m.isReturn(ctx, f)
	if err != nil || good {
		return err
	}
	f.State = returning
	if err := m.record(); err != nil {
		return err
	}
	return m.advance(ctx, f, undoTable(), returned, restored, finished)
}

// isProved tells whether what goes back is what was proved equal.
func (m *mover) isProved(ctx context.Context, f *folder) (bool, error) {
	kinds, err := m.at(f, f.Return)
	if err != nil || kinds[0] != data && kinds[0] != empty {
		return false, err
	}
	sum, err := m.sum(ctx, f.Return)
	return err == nil && sum == f.ReturnSum, err
}

// isReturn compares what goes back with the disk's data, too. The old folder goes
// back without that only where there is no other, or where it was chosen.
func (m *mover) isReturn(ctx context.Context, f *folder) (bool, error) {
	if good, err := m.isProved(ctx, f); err != nil || !good {
		return false, err
	}
	if m.withoutDisk || f.Return == f.Names.Before && (m.home[f.Path] || m.chosen(f, f.Return) != "") {
		return true, nil
	}
	there, err := m.disks(f)
	if err != nil || there == nothing {
		return err == nil, err
	}
	same, _, err := m.equal(ctx, f.Return, m.j.target(f))
	return same, err
}

func (m *mover) readyToReturn(context.Context, *folder) (state, error) { return restoring, nil }

// swapIn puts the data in its old place and takes the guard folder away.
func (m *mover) swapIn(ctx context.Context, f *folder) (state, error) {
	for {
		paths := []string{f.Path, f.Names.Guard}
		if f.Return != "" {
			paths = append(paths, f.Return)
		}
		kinds, err := m.at(f, paths...)
		if err != nil {
			return "", err
		}
		here, back := kinds[0], nothing
		if f.Return != "" {
			back = kinds[2]
		}
		switch {
		case back == guard:
			err = m.removeGuard(f.Return)
		case back == nothing && (here == data || here == empty):
			return restored, m.endReturn(f)
		case back == empty && (here == data || here == empty):
			err = m.remove(f.Return)
		case back == data && here == data:
			err = m.decideBack(ctx, f)
		case back != nothing && here == guard:
			// The board has not run on the disk's since fstab is its owner's again.
			good, failed := m.isProved(ctx, f)
			if failed == nil && !good {
				return m.choose(ctx, f)
			}
			if err = failed; err == nil {
				err = m.swapGuard(f)
			}
		case back != nothing && here == empty:
			err = m.remove(f.Path)
		case back != nothing:
			err = m.rename(f.Return, f.Path)
		case f.Return != "":
			return m.choose(ctx, f) // somebody removed it
		case here == guard:
			err = m.removeGuard(f.Path)
		default:
			return restored, m.endReturn(f)
		}
		if err != nil {
			return "", err
		}
	}
}

// swapGuard is the moment in which the data comes to its place.
func (m *mover) swapGuard(f *folder) error {
	if err := m.unprotect(f.Path); err != nil {
		return err
	}
	err := m.exchange(f.Path, f.Return)
	if errors.Is(err, errors.ErrUnsupported) {
		if err := m.rename(f.Path, f.Names.Guard); err != nil {
			return err
		}
		return m.rename(f.Return, f.Path)
	}
	if err != nil {
		return fmt.Errorf("put %s back: %w", f.Path, err)
	}
	return nil
}

// decideBack is for data that somebody has put in the old place meanwhile.
func (m *mover) decideBack(ctx context.Context, f *folder) error {
	same, _, err := m.equal(ctx, f.Path, f.Return)
	if err != nil {
		return err
	}
	if same {
		return m.discard(ctx, f, f.Return, f.Path, true)
	}
	switch m.chosen(f, f.Path, f.Return) {
	case f.Path:
		return m.setAside(f, f.Return, f.Path+" was chosen")
	case f.Return:
		return m.setAside(f, f.Path, f.Return+" was chosen")
	}
	return m.different(ctx, f, f.Path, f.Return)
}

// endReturn takes the guard folder away and forgets what went back.
func (m *mover) endReturn(f *folder) error {
	if f.Return != "" {
		m.j.Kept = slices.DeleteFunc(m.j.Kept, func(k kept) bool { return k.Path == f.Return })
	}
	kinds, err := m.at(f, f.Names.Guard)
	if err != nil || kinds[0] != guard {
		return err
	}
	return m.removeGuard(f.Names.Guard)
}

// retire removes our copies, if the folder in its old place has all of each, and
// keeps them otherwise. What the disk held before us stays where it is.
func (m *mover) retire(ctx context.Context, f *folder) (state, error) {
	copies := []string{f.Names.Back}
	if !m.withoutDisk {
		copies = append(copies, f.Names.Copy)
	}
	for _, path := range copies {
		if err := m.retireCopy(ctx, f, path, false); err != nil {
			return "", err
		}
	}
	if err := m.endReturn(f); err != nil {
		return "", err
	}
	if m.withoutDisk || f.Sum == "" {
		return finished, nil
	}
	kinds, err := m.at(f, f.Path, m.j.target(f))
	if err != nil || kinds[0] != data && kinds[1] != empty {
		return finished, err
	}
	return finished, m.retireCopy(ctx, f, m.j.target(f), true)
}

// retireCopy is discard for a copy that nothing needs any more. A disk that has become
// read-only, as ext4 does after an error, has it as it is.
func (m *mover) retireCopy(ctx context.Context, f *folder, path string, whole bool) error {
	err := m.discard(ctx, f, path, f.Path, whole)
	if !errors.Is(err, unix.EROFS) || !tree.Inside(path, m.j.Mount) {
		return err
	}
	m.tell("leaving %s as it is: its disk is read-only", path)
	m.keep(kept{Path: path, Of: f.Path, Why: "its disk was read-only"})
	return m.record()
}

// back takes folders back; lines stay in fstab, and units for the folders of
// which they are.
func (m *mover) back(ctx context.Context, folders []*folder, lines, stay []string) error {
	var paths []string
	for _, f := range folders {
		paths = append(paths, f.Path)
	}
	if err := m.quiet(ctx, m.j, paths); err != nil {
		return err
	}
	for _, f := range folders {
		if err := m.advance(ctx, f, undoTable(), returned, restoring, restored, finished); err != nil {
			return err
		}
	}
	for _, f := range folders {
		if f.State == returned {
			if err := m.confirmBack(ctx, f); err != nil {
				return err
			}
		}
	}
	if err := m.setUp(ctx, m.j, lines); err != nil {
		return err
	}
	for _, f := range folders {
		if err := m.advance(ctx, f, undoTable(), finished); err != nil {
			return err
		}
	}
	return m.units(ctx, m.j, stay)
}

// stay leaves everything on the disk, after an undo that could not be: the old
// place may have become too small. were are the states of before. A copy that there is
// no time to compare with the disk's is kept.
func (m *mover) stay(ctx context.Context, were map[string]state) error {
	for _, f := range m.j.Folders {
		if f.State == restoring || f.State == restored || f.State == finished {
			return nil // past the point of no return
		}
	}
	ending, cancel := m.ending(ctx)
	defer cancel()
	ctx = context.WithoutCancel(ctx)
	for _, f := range m.j.Folders {
		if f.Return == f.Names.Back {
			err := m.discard(ending, f, f.Names.Back, m.j.target(f), false)
			if ending.Err() != nil {
				err = m.setAside(f, f.Names.Back, "an undo was interrupted")
			}
			if err != nil {
				return err
			}
		}
		f.State, f.Return, f.ReturnSum, f.Use = were[f.Path], "", "", ""
		kinds, err := m.at(f, f.Path)
		if err != nil {
			return err
		}
		if kinds[0] == guard || m.inUse[f.Path] {
			if err := m.bind(ctx, m.j, f); err != nil {
				return err
			}
		}
	}
	return m.done(ctx)
}
