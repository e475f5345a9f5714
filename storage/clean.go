package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// Cleaned is what a clean has done with copies that were kept.
type Cleaned struct {
	Removed []string
	// Absent were not there any more, and are forgotten.
	Absent []string
	// Left stay: each one's path, what it is, and why.
	Left []string
}

// Clean removes copies that were kept, or some of them. One of which not all is in
// the present folder may be the last: even where that folder has been written to
// since, it can be a database that was begun anew after its own was lost. Such a copy
// is removed only if the owner names it; otherwise it stays, and the error says how to
// name it.
func (b Board) Clean(ctx context.Context, only []string) (Cleaned, error) {
	if j, err := b.journalFor(false, false); err != nil || len(j.Kept)+len(only) == 0 && j.Doing == "" {
		return Cleaned{}, err
	}
	unlock, err := lock()
	if err != nil {
		return Cleaned{}, err
	}
	defer unlock()
	j, err := b.journalFor(false, false)
	if err != nil {
		return Cleaned{}, err
	}
	if j.Doing != "" {
		return Cleaned{}, &RefusedError{Interrupted, fmt.Errorf("an %s was interrupted", j.Doing),
			"finish it first: kubeadm-arm storage " + j.Doing}
	}
	for _, o := range only {
		if !slices.ContainsFunc(j.Kept, func(k kept) bool { return k.Path == o }) {
			return Cleaned{}, unsuitable("see: kubeadm-arm storage status", "%s is no copy that was kept", o)
		}
	}
	return newMover(live{b, ""}, j, "clean", only).clean(ctx)
}

// clean removes the copies that the owner chose, or looks at all of them.
func (m *mover) clean(ctx context.Context) (Cleaned, error) {
	var did Cleaned
	for _, f := range m.j.Folders {
		if is, err := m.bound(m.j, f); err != nil || !is {
			return did, errors.Join(err, &RefusedError{NotMounted,
				fmt.Errorf("%s is not on its disk now: its old data may be the only one", f.Path),
				"see: kubeadm-arm storage status; if the disk is gone for good: kubeadm-arm storage undo --without-disk"})
		}
	}
	var stay []kept
	help := ""
	for i, k := range m.j.Kept {
		if err := ctx.Err(); err != nil {
			return did, context.Cause(ctx)
		}
		if len(m.use) > 0 && !slices.Contains(m.use, k.Path) {
			stay = append(stay, k)
			continue
		}
		becomes, err := m.cleanOne(ctx, k)
		if err != nil {
			return did, fmt.Errorf("remove %s: %w", k.Path, err)
		}
		switch {
		case becomes.why != "":
			did.Left = append(did.Left, k.Path+": "+becomes.why)
			stay = append(stay, k)
			if becomes.nameable {
				help += " " + shell.InQuotes(k.Path)
			}
		case becomes.absent:
			did.Absent = append(did.Absent, k.Path)
		default:
			did.Removed = append(did.Removed, k.Path)
		}
		rest := *m.j
		rest.Kept = append(slices.Clone(stay), m.j.Kept[i+1:]...)
		if err := m.saveKept(&rest); err != nil {
			return did, err
		}
	}
	return did, refuseLeft(did.Left, help)
}

// refuseLeft says what can be done about copies that stay; nameable are those that
// can be removed by name.
func refuseLeft(left []string, nameable string) error {
	if len(left) == 0 {
		return nil
	}
	help := "look at what is in them; the reasons are above"
	if nameable != "" {
		help = "if nothing in them is needed, by the dates and sizes above: kubeadm-arm storage clean" + nameable
	}
	return &RefusedError{Different, fmt.Errorf("copies that may be the last of their kind stay: %d", len(left)), help}
}

func (m *mover) saveKept(j *journal) error {
	if j.UUID == "" && len(j.Kept) == 0 {
		return m.drop()
	}
	return m.save(j)
}

// A fate is what becomes of a kept copy: it is removed if neither is set.
type fate struct {
	// absent: it was not there, and is forgotten.
	absent bool
	// why it stays; nameable says that the owner can have it removed by its name.
	why      string
	nameable bool
}

// cleanOne removes one copy, or says why not.
func (m *mover) cleanOne(ctx context.Context, k kept) (fate, error) {
	f := &folder{Path: k.Of}
	if set := m.j.folder(k.Of); set != nil {
		f = set
	}
	named := slices.Contains(m.use, k.Path)
	kinds, err := m.at(f, k.Path)
	if err != nil {
		return fate{}, err
	}
	switch kinds[0] {
	case nothing:
		if gone, err := m.gone(k); err != nil || gone || named {
			return fate{absent: true}, err
		}
		return fate{why: "not there: its file system is not mounted", nameable: true}, nil
	case empty:
		return fate{}, m.remove(k.Path)
	}
	if k.Of == "" {
		return fate{why: "it is not known what it is a copy of; look at it, then remove it by hand"}, nil
	}
	now, err := m.at(f, k.Of)
	if err != nil {
		return fate{}, err
	}
	if now[0] != data {
		why := "there is no data at " + k.Of + ": this may be the only copy; put it there, or remove it by hand"
		return fate{why: why}, nil
	}
	if tree.Inside(k.Path, k.Of) || tree.Inside(k.Of, k.Path) {
		return fate{why: "it is no copy of " + k.Of + " but a part of it"}, nil
	}
	if err := m.refuseSame(k.Path, k.Of); err != nil {
		return fate{}, err
	}
	if err := m.unused(ctx, k.Path, k.Path); err != nil {
		return fate{}, err
	}
	why, err := m.against(ctx, k)
	switch {
	case err != nil:
		return fate{}, err
	case why != "" && !named:
		return fate{why: why, nameable: true}, nil
	case why != "":
		m.tell("removing %s, as you named it: %s", k.Path, why)
	}
	return fate{}, m.removeTree(ctx, k.Path)
}

// against is what a copy is and what stands against its removal, empty if all of it
// is in the present folder. A copy that cannot be read is not.
func (m *mover) against(ctx context.Context, k kept) (string, error) {
	in, err := m.contained(ctx, k.Path, k.Of, true)
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err == nil && in {
		return "", nil
	}
	what := cmp.Or(k.Why, "a copy of "+k.Of)
	if err != nil {
		return fmt.Sprintf("%s; %v", what, err), nil
	}
	return what + "; not all of it is in " + k.Of + ": " + m.differ(ctx, k.Path, k.Of, ""), nil
}

// emptied is the first file that has content in one folder and is empty, or not
// there, in another: what fsck leaves of a file that it cannot repair. Only the
// names of etcd's database count, and any file for a folder without one: programs
// empty and remove files of their own as well.
func emptied(ctx context.Context, of, in string) (name string, err error) {
	only := filepath.Join(etcdMember, "snap", "db")
	if _, err := os.Lstat(filepath.Join(of, only)); err != nil {
		only = ""
	}
	err = tree.Walk(ctx, of, func(e tree.Entry) error {
		if e.Stat.Mode&unix.S_IFMT != unix.S_IFREG || e.Stat.Size == 0 || only != "" && e.Name != only {
			return nil
		}
		var now unix.Stat_t
		err := unix.Lstat(filepath.Join(in, e.Name), &now)
		if err == nil && now.Size > 0 || only == "" && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		name = e.Name
		return fs.SkipAll
	})
	return name, err
}
