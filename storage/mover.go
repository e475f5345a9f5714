package storage

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// A mover carries folders from state to state. Whatever ends it, the next one
// goes on from the states that the journal names.
//
// Two rules keep the data. A copy is removed only after all of it has been found
// in another one, just before; otherwise it is set aside and kept. And a copy that
// is not what the other one is never takes its place unless the owner chose it.
type mover struct {
	machine
	j *journal
	// use are the paths of copies that the owner chose.
	use []string
	// home are the folders that were in their old place when this run began, and
	// that nothing has run on the disk's copy of: when a failed apply is taken
	// back, they are right.
	home map[string]bool
	// copied are the folders that this run copied.
	copied map[string]bool
	// inUse are the folders that were mounted from the disk when this run began:
	// what the board runs on.
	inUse map[string]bool
	// withoutDisk says that the disk is gone for good.
	withoutDisk bool
	// verb is apply or undo, for what is shown to the owner.
	verb string
	// grace is how long the run may put things in order once its context has ended.
	grace time.Duration
	// proved are the stamps of folders and their copies, when they were proved
	// equal in this run.
	proved map[string]proof
}

// proof are the stamps of a folder and its copy on the disk.
type proof struct{ old, disk string }

func newMover(on machine, j *journal, verb string, use []string) *mover {
	return &mover{machine: on, j: j, verb: verb, use: use, home: map[string]bool{}, inUse: map[string]bool{},
		copied: map[string]bool{},
		proved: map[string]proof{}}
}

// ending is a context for putting things in order after a run that did not come to its
// end: it ends a while after the owner has ended the run, or does so meanwhile.
func (m *mover) ending(ctx context.Context) (context.Context, context.CancelFunc) {
	if m.grace <= 0 {
		return ctx, func() {}
	}
	ending, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(m.grace, func() { cancel(context.Cause(ctx)) })
	})
	return ending, func() { stop(); cancel(nil) }
}

// A transition does what leads on from a state and returns the next one. It can
// have been interrupted anywhere before: it looks at what is where.
type transition func(*mover, context.Context, *folder) (state, error)

// A table has the transitions of one direction.
type table map[state]transition

// applyTable leads to the disk. Between placed and switching fstab is written.
func applyTable() table {
	return table{
		planned:   (*mover).begin,
		copying:   (*mover).copyOut,
		copied:    (*mover).place,
		placed:    (*mover).readyToSwitch,
		switching: (*mover).swapOut,
		moved:     (*mover).bindFolder,
	}
}

// undoTable leads back. Between returned and restoring fstab is written.
func undoTable() table {
	return table{
		planned:   (*mover).leave,
		copying:   (*mover).choose,
		copied:    (*mover).choose,
		placed:    (*mover).choose,
		switching: (*mover).settleAndChoose,
		moved:     (*mover).choose,
		onDisk:    (*mover).choose,
		returning: (*mover).copyBack,
		returned:  (*mover).readyToReturn,
		restoring: (*mover).swapIn,
		restored:  (*mover).retire,
	}
}

// advance takes a folder on until it is in one of the states.
func (m *mover) advance(ctx context.Context, f *folder, steps table, until ...state) error {
	for !slices.Contains(until, f.State) {
		act := steps[f.State]
		if act == nil {
			return fmt.Errorf("%s: nothing leads on from %q", f.Path, f.State)
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		next, err := act(m, ctx, f)
		if err != nil {
			return err
		}
		f.State = next
		if err := m.save(m.j); err != nil {
			return err
		}
	}
	return nil
}

func (m *mover) record() error { return m.save(m.j) }

// at is what lies at each of some paths.
func (m *mover) at(f *folder, paths ...string) ([]kind, error) {
	var all []kind
	for _, p := range paths {
		k, err := m.kind(m.j, f, p)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, nil
}

// equal compares two folders as they are now.
func (m *mover) equal(ctx context.Context, one, other string) (bool, string, error) {
	if err := m.refuseSame(one, other); err != nil {
		return false, "", err
	}
	a, err := m.sum(ctx, one)
	if err != nil {
		return false, "", err
	}
	b, err := m.sum(ctx, other)
	return a == b, a, err
}

// refuseSame refuses to take one folder that is seen by two names, as when
// something mounts it again meanwhile, for two copies.
func (m *mover) refuseSame(one, other string) error {
	same, err := m.same(one, other)
	if err == nil && same {
		err = &RefusedError{Busy, fmt.Errorf("%s and %s are one and the same folder: something has mounted it again",
			one, other),
			"see: findmnt " + shell.InQuotes(one) + "; stop what mounts it, unmount it, then repeat"}
	}
	return err
}

// chosen is the one of some paths that the owner chose, now or before the run was
// interrupted; empty for none.
func (m *mover) chosen(f *folder, paths ...string) string {
	for _, p := range paths {
		if slices.Contains(m.use, p) {
			return p
		}
	}
	if slices.Contains(paths, f.Use) {
		return f.Use
	}
	return ""
}

// discard removes what is left at one of our names if all of it is in another
// folder as well, and otherwise keeps it.
func (m *mover) discard(ctx context.Context, f *folder, path, witness string, whole bool) error {
	kinds, err := m.at(f, path, witness)
	if err != nil {
		return err
	}
	switch kinds[0] {
	case nothing:
		return nil
	case empty:
		return m.remove(path)
	case guard:
		return m.removeGuard(path)
	}
	if kinds[1] == data {
		if err := m.refuseSame(path, witness); err != nil {
			return err
		}
		in, err := m.contained(ctx, path, witness, whole)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// A witness that cannot be read is none.
		if err == nil && in {
			err = m.removeTree(ctx, path)
			if err == nil || ctx.Err() != nil {
				return err
			}
			return m.setAside(f, path, "it cannot be removed: "+err.Error())
		}
	}
	return m.setAside(f, path, "not all of it is in "+witness)
}

// copyNew copies a folder to another name. A copy that fails goes again: nothing
// is in it that is not in the original, if that did not change meanwhile.
func (m *mover) copyNew(ctx context.Context, f *folder, from, to string) (string, error) {
	if err := m.discard(ctx, f, to, from, false); err != nil {
		return "", err
	}
	before, err := m.stampOf(ctx, from)
	if err != nil {
		return "", err
	}
	sum, err := m.copyTree(ctx, from, to)
	if err == nil {
		return sum, nil
	}
	ctx, cancel := m.ending(ctx)
	defer cancel()
	if after, failed := m.stampOf(ctx, from); failed == nil && after == before {
		return "", errors.Join(err, m.removeTree(ctx, to))
	}
	return "", errors.Join(err, m.discard(ctx, f, to, from, false))
}

// keep records a copy that is set aside.
func (m *mover) keep(k kept) {
	k.In, _ = m.identity(filepath.Dir(k.Path)) // if that cannot be determined, the copy never counts as gone
	m.j.keep(k)
}

// gone reports whether a kept copy is nowhere any more, its file system being mounted.
func (m *mover) gone(k kept) (bool, error) {
	kinds, err := m.at(&folder{Path: k.Of}, k.Path)
	if err != nil || kinds[0] != nothing || k.In == (guardID{}) {
		return false, err
	}
	in, err := m.identity(filepath.Dir(k.Path))
	return err == nil && in == k.In, nil
}

// setAside keeps a copy under a name of its own. The journal has the name before
// the copy has it.
func (m *mover) setAside(f *folder, path, why string) error {
	kinds, err := m.at(f, path)
	if err != nil || kinds[0] != data {
		return err
	}
	base := f.Path
	if tree.Inside(path, m.j.Mount) {
		base = m.j.target(f)
	}
	to := m.unusedName(base + ".kept-" + m.stamp())
	m.keep(kept{Path: to, Of: f.Path, Why: why})
	if err := m.record(); err != nil {
		return err
	}
	m.tell("keeping %s as %s: %s", path, to, why)
	err = m.rename(path, to)
	if errors.Is(err, unix.EROFS) {
		m.j.Kept = slices.DeleteFunc(m.j.Kept, func(k kept) bool { return k.Path == to })
	}
	return err
}

// prove compares a folder with its copy on the disk, immediately before one takes
// the other's place, and has it that nobody works in the folder. Once compared in
// this run, what the kernel notes of both must be what it was.
func (m *mover) prove(ctx context.Context, f *folder, path string) error {
	to := m.j.target(f)
	if err := m.unused(ctx, f.Path, path); err != nil {
		return err
	}
	if still, err := m.still(ctx, f, path); err != nil || still {
		return err
	}
	seen, err := m.see(ctx, path, to)
	if err != nil {
		return err
	}
	use, err := m.agree(ctx, f, path, to)
	if err != nil {
		return err
	}
	if use == path {
		return m.different(ctx, f, path, to) // it was to be copied first
	}
	f.Use = use
	m.proved[f.Path] = seen
	return nil
}

// agree is which of two copies, the folder in its old place and the disk's, goes
// on: empty if they are equal, else the one that the owner chose. The disk's needs
// no choice if the board ran on it, while nothing touched the old one since both
// were equal, and nothing in it looks damaged.
func (m *mover) agree(ctx context.Context, f *folder, old, disk string) (use string, err error) {
	if err := m.refuseSame(old, disk); err != nil {
		return "", err
	}
	one, err := m.sum(ctx, old)
	if err != nil {
		return "", err
	}
	other, err := m.sum(ctx, disk)
	if err != nil {
		return "", err
	}
	if one == other {
		f.Sum = one
		return "", nil
	}
	if use = m.chosen(f, old, disk); use != "" {
		return use, nil
	}
	if m.inUse[f.Path] && one == f.Sum {
		if name, err := m.emptied(ctx, old, disk); err != nil || name == "" {
			return disk, err
		}
	}
	if m.copied[f.Path] {
		return "", &RefusedError{Busy, fmt.Errorf("%s was written to while it was moved: %s", f.Path, m.differ(ctx, old,
			disk, f.Sum)),
			"stop what writes to it; then repeat"}
	}
	return "", m.different(ctx, f, old, disk)
}

// see has what was written on the disk, and returns the stamps of two folders
// (see tree.TakeStamp).
func (m *mover) see(ctx context.Context, old, disk string) (proof, error) {
	if err := errors.Join(m.sync(ctx, old), m.sync(ctx, disk)); err != nil {
		return proof{}, err
	}
	one, err := m.stampOf(ctx, old)
	if err != nil {
		return proof{}, err
	}
	other, err := m.stampOf(ctx, disk)
	return proof{one, other}, errors.Join(err, m.wait())
}

// still reports whether the folder, now at a path, and its copy are as they were
// when this run proved them equal.
func (m *mover) still(ctx context.Context, f *folder, path string) (bool, error) {
	was, ok := m.proved[f.Path]
	if !ok {
		return false, nil
	}
	one, err := m.stampOf(ctx, path)
	if err != nil {
		return false, err
	}
	other, err := m.stampOf(ctx, m.j.target(f))
	return was == proof{one, other}, err
}

// different is the refusal to choose between two copies of which neither is known
// to be the right one. Both stay until the owner has chosen.
func (m *mover) different(ctx context.Context, f *folder, one, other string) error {
	where := m.differ(ctx, one, other, f.Sum)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &RefusedError{Different, errors.New(where), fmt.Sprintf(
		"choose the one to go on with: kubeadm-arm storage %s --use %s, or --use %s; the other one is kept",
		m.verb, shell.InQuotes(one), shell.InQuotes(other))}
}

// placeOnDisk has the folder above a copy's place.
func (m *mover) placeOnDisk(f *folder) error {
	return m.makeFolder(m.j, filepath.Dir(m.j.target(f)), 0o755)
}

// letGo starts what was stopped, once all is at rest: until then the guard lets
// nothing start.
func (m *mover) letGo(ctx context.Context) error {
	if len(m.j.Stopped) == 0 {
		return nil
	}
	if err := m.start(ctx, m.j); err != nil {
		return err
	}
	m.j.Stopped = nil
	return m.record()
}
