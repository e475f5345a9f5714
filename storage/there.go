package storage

import (
	"context"
	"errors"
	"fmt"
)

// The transitions of apply.

// begin looks what there is to move. The disk's data is taken up where there is
// nothing in the old place.
func (m *mover) begin(ctx context.Context, f *folder) (state, error) {
	to := m.j.target(f)
	kinds, err := m.at(f, f.Path, to)
	if err != nil {
		return "", err
	}
	here, there := kinds[0], kinds[1]
	if err := m.placeOnDisk(f); err != nil {
		return "", err
	}
	switch {
	case here == data && there == data:
		return m.decideOut(ctx, f)
	case there == data:
		return placed, nil
	case here == guard:
		return "", m.lost(f)
	case here == nothing:
		return placed, m.makeFolder(m.j, to, 0o700)
	}
	return copying, nil
}

// decideOut has the owner's choice between two folders with data. The copy that
// is not chosen is kept: the disk's under another name, the old folder when the
// guard folder takes its place.
func (m *mover) decideOut(ctx context.Context, f *folder) (state, error) {
	to := m.j.target(f)
	use, err := m.agree(ctx, f, f.Path, to)
	switch {
	case err != nil:
		return "", err
	case use == f.Path:
		f.Use = f.Path
		return copying, m.setAside(f, to, f.Path+" was chosen")
	case use == to:
		f.Use = to
	}
	return placed, nil
}

// copyOut copies to the disk and proves the copy. What a killed run has left there
// goes only if the old folder has all of it.
func (m *mover) copyOut(ctx context.Context, f *folder) (state, error) {
	kinds, err := m.at(f, f.Path, m.j.target(f))
	if err != nil {
		return "", err
	}
	switch {
	case kinds[1] == data:
		return m.begin(ctx, f)
	case kinds[0] == nothing || kinds[0] == guard:
		return "", m.lost(f)
	}
	if err := m.placeOnDisk(f); err != nil {
		return "", err
	}
	m.tell("copying %s to %s", f.Path, m.j.target(f))
	f.Sum, err = m.copyNew(ctx, f, f.Path, f.Names.Copy)
	m.copied[f.Path] = err == nil
	return copied, err
}

// place gives the proved copy its name.
func (m *mover) place(ctx context.Context, f *folder) (state, error) {
	to := m.j.target(f)
	kinds, err := m.at(f, f.Names.Copy, to)
	if err != nil {
		return "", err
	}
	if kinds[0] == nothing {
		if kinds[1] == nothing {
			return copying, nil // somebody removed it
		}
		return placed, nil
	}
	if kinds[1] == data {
		return m.begin(ctx, f)
	}
	if kinds[1] == empty {
		if err := m.remove(to); err != nil {
			return "", err
		}
	}
	if err := m.rename(f.Names.Copy, to); err != nil {
		return "", fmt.Errorf("put the copy in its place: %w", err)
	}
	return placed, nil
}

// lost is a folder of which no copy is where it should be.
func (m *mover) lost(f *folder) error {
	return unsuitable("take back what is left: kubeadm-arm storage undo",
		"%s: neither the folder nor its copy %s is there any more", f.Path, m.j.target(f))
}

// confirm compares the folder in its old place, if it is there, with the disk's
// copy, before fstab names that one.
func (m *mover) confirm(ctx context.Context, f *folder) error {
	to := m.j.target(f)
	kinds, err := m.at(f, f.Path, to)
	if err != nil {
		return err
	}
	here, there := kinds[0], kinds[1]
	again := false
	switch {
	case here != data && there == nothing:
		return m.lost(f)
	case here != data:
		return nil
	case there == nothing || there == empty:
		again = true
	case m.chosen(f, f.Path, to) == f.Path:
		next, err := m.decideOut(ctx, f)
		if err != nil {
			return err
		}
		again = next == copying
	}
	if again {
		f.State = copying
		if err := m.record(); err != nil {
			return err
		}
		if err := m.advance(ctx, f, applyTable(), placed); err != nil {
			return err
		}
	}
	return m.prove(ctx, f, f.Path)
}

func (m *mover) readyToSwitch(context.Context, *folder) (state, error) { return switching, nil }

// swapOut puts the guard folder in the old one's place, in one step where the
// file system can exchange two names, and the old one to names.Before.
func (m *mover) swapOut(ctx context.Context, f *folder) (state, error) {
	n := &f.Names
	for {
		kinds, err := m.at(f, f.Path, n.Guard, n.Before)
		if err != nil {
			return "", err
		}
		here, aside := kinds[0], kinds[1]
		switch {
		case here == guard && aside == nothing:
			return moved, m.secure(ctx, f)
		case here == guard && aside == empty:
			err = m.remove(n.Guard)
		case aside == data:
			err = m.keepOld(f)
		case aside != guard:
			err = m.makeGuard(m.j, f, n.Guard, m.record)
		case here == nothing:
			err = m.rename(n.Guard, f.Path)
		default:
			err = m.swapWithGuard(ctx, f, here)
		}
		if err != nil {
			return "", err
		}
	}
}

// swapWithGuard is the moment in which the old folder leaves its place. It is
// proved equal to the disk's copy, and unused, just before.
func (m *mover) swapWithGuard(ctx context.Context, f *folder, here kind) error {
	if here == empty {
		if err := m.remove(f.Path); err != nil {
			return err
		}
		return m.rename(f.Names.Guard, f.Path)
	}
	if err := m.prove(ctx, f, f.Path); err != nil {
		return err
	}
	if err := m.keepBefore(f); err != nil {
		return err
	}
	err := m.exchange(f.Path, f.Names.Guard)
	if errors.Is(err, errors.ErrUnsupported) {
		if err := m.rename(f.Path, f.Names.Before); err != nil {
			return err
		}
		return m.rename(f.Names.Guard, f.Path)
	}
	if err != nil {
		return fmt.Errorf("put %s aside: %w", f.Path, err)
	}
	return nil
}

// keepBefore records the name under which the old folder is kept, a new one if
// that is taken.
func (m *mover) keepBefore(f *folder) error {
	kinds, err := m.at(f, f.Names.Before)
	if err != nil {
		return err
	}
	if kinds[0] != nothing {
		f.Names.Before = m.unusedName(f.Names.Before)
	}
	k := kept{Path: f.Names.Before, Of: f.Path, Why: "the data of before apply"}
	if f.Use != "" {
		k.Why = f.Use + " was chosen"
	}
	m.keep(k)
	return m.record()
}

// keepOld gives the old folder its name.
func (m *mover) keepOld(f *folder) error {
	if err := m.keepBefore(f); err != nil {
		return err
	}
	return m.rename(f.Names.Guard, f.Names.Before)
}

// secure looks once more whether anything was written in the moment of the swap,
// and makes the guard folder immutable.
func (m *mover) secure(ctx context.Context, f *folder) error {
	kinds, err := m.at(f, f.Names.Before)
	if err != nil {
		return err
	}
	if kinds[0] != data {
		return m.protect(f)
	}
	if err := m.unused(ctx, f.Path, f.Names.Before); err != nil {
		return err
	}
	still, err := m.still(ctx, f, f.Names.Before)
	if err != nil {
		return err
	}
	if !still && f.Use != m.j.target(f) {
		// Nothing may have been written to the old one since; the disk's may be in
		// use by now.
		sum, err := m.sum(ctx, f.Names.Before)
		if err != nil {
			return err
		}
		if sum != f.Sum && m.chosen(f, f.Names.Before, m.j.target(f)) == "" {
			return m.different(ctx, f, f.Names.Before, m.j.target(f))
		}
	}
	return m.protect(f)
}

func (m *mover) bindFolder(ctx context.Context, f *folder) (state, error) {
	id, err := m.identity(m.j.target(f))
	if err != nil {
		return "", err
	}
	f.Use, f.Disk = "", id
	return onDisk, m.bind(ctx, m.j, f)
}

// apply carries out what the journal has planned.
func (m *mover) apply(ctx context.Context) error {
	if err := m.mountDisk(ctx, m.j); err != nil {
		return err
	}
	var moving []string
	for _, f := range m.j.Folders {
		if f.State != moved && f.State != onDisk {
			moving = append(moving, f.Path)
		}
	}
	if len(moving) > 0 {
		// A board that was started after fstab was written has them mounted already.
		if err := m.quiet(ctx, m.j, moving); err != nil {
			return err
		}
	}
	for _, f := range m.j.Folders {
		if err := m.prepare(ctx, f); err != nil {
			return err
		}
	}
	for _, f := range m.j.Folders {
		if f.State == placed || f.State == switching {
			if err := m.confirm(ctx, f); err != nil {
				return err
			}
		}
	}
	if err := m.units(ctx, m.j, m.j.paths()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := m.setUp(ctx, m.j, m.j.block()); err != nil {
		return err
	}
	for _, f := range m.j.Folders {
		if err := m.advance(ctx, f, applyTable(), onDisk); err != nil {
			return err
		}
		if err := m.bind(ctx, m.j, f); err != nil {
			return err
		}
	}
	return m.done(ctx)
}

// done records that nothing is under way any more, and starts the services again.
func (m *mover) done(ctx context.Context) error {
	m.j.Doing = ""
	if err := m.record(); err != nil {
		return err
	}
	return m.letGo(ctx)
}

// prepare has a folder's copy on the disk.
func (m *mover) prepare(ctx context.Context, f *folder) error {
	kinds, err := m.at(f, f.Path)
	if err != nil {
		return err
	}
	m.home[f.Path] = kinds[0] == data && f.State != onDisk
	return m.advance(ctx, f, applyTable(), placed, switching, moved, onDisk)
}
