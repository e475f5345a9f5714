package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/storage/tree"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// Clean removes copies that were kept: those that are the data of before apply,
// untouched since it was proved equal to the disk's, and those of which all is in
// the folder of now. Of others it says why they stay; the owner names them to have
// them removed. It returns what it removed and, for what is left, why.
func (b Board) Clean(ctx context.Context, only []string) (removed, left []string, err error) {
	if j, err := b.journalFor(false, false); err != nil || len(j.Kept)+len(only) == 0 && j.Doing == "" {
		return nil, nil, err
	}
	unlock, err := lock()
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	j, err := b.journalFor(false, false)
	if err != nil {
		return nil, nil, err
	}
	if j.Doing != "" {
		return nil, nil, &RefusedError{Interrupted, fmt.Errorf("an %s was interrupted", j.Doing),
			"finish it first: kubeadm-arm storage " + j.Doing}
	}
	for _, o := range only {
		if !slices.ContainsFunc(j.Kept, func(k kept) bool { return k.Path == o }) {
			return nil, nil, unsuitable("see: kubeadm-arm storage status", "%s is no copy that was kept", o)
		}
	}
	return newMover(live{b, ""}, j, "clean", nil).clean(ctx, only)
}

func (m *mover) clean(ctx context.Context, only []string) (removed, left []string, err error) {
	for _, f := range m.j.Folders {
		if is, err := m.bound(m.j, f); err != nil || !is {
			return nil, nil, errors.Join(err, &RefusedError{NotMounted,
				fmt.Errorf("%s is not on its disk now: its old data may be the only one", f.Path),
				"see: kubeadm-arm storage status; if the disk is gone for good: kubeadm-arm storage undo --without-disk"})
		}
	}
	var stay []kept
	for i, k := range m.j.Kept {
		if err := ctx.Err(); err != nil {
			return removed, left, context.Cause(ctx)
		}
		if len(only) > 0 && !slices.Contains(only, k.Path) {
			stay = append(stay, k)
			continue
		}
		gone, why, err := m.cleanOne(ctx, k, slices.Contains(only, k.Path))
		if err != nil {
			return removed, left, fmt.Errorf("remove %s: %w", k.Path, err)
		}
		if gone {
			removed = append(removed, k.Path)
		} else {
			left = append(left, k.Path+": "+why)
			stay = append(stay, k)
		}
		rest := *m.j
		rest.Kept = append(slices.Clone(stay), m.j.Kept[i+1:]...)
		if err := m.saveKept(&rest); err != nil {
			return removed, left, err
		}
	}
	return removed, left, nil
}

func (m *mover) saveKept(j *journal) error {
	if j.UUID == "" && len(j.Kept) == 0 {
		return m.drop()
	}
	return m.save(j)
}

// cleanOne removes one copy, or says why not.
func (m *mover) cleanOne(ctx context.Context, k kept, named bool) (gone bool, why string, err error) {
	f := &folder{Path: k.Of}
	if set := m.j.folder(k.Of); set != nil {
		f = set
	}
	kinds, err := m.at(f, k.Path)
	if err != nil {
		return false, "", err
	}
	switch kinds[0] {
	case nothing:
		if gone, err := m.gone(k); err != nil || gone || named {
			return err == nil, "", err // somebody has removed it
		}
		return false, "not there: its file system is not mounted; if it is gone for good: kubeadm-arm storage clean " +
			shell.InQuotes(k.Path), nil
	case empty:
		return true, "", m.remove(k.Path)
	}
	if k.Of == "" {
		return false, "it is not known what it is a copy of; remove it by hand once you have looked at it", nil
	}
	now, err := m.at(f, k.Of)
	if err != nil {
		return false, "", err
	}
	if now[0] != data {
		return false, "there is no data at " + k.Of + ": this may be the only copy", nil
	}
	if tree.Inside(k.Path, k.Of) || tree.Inside(k.Of, k.Path) {
		return false, "it is no copy of " + k.Of + " but a part of it", nil
	}
	if err := m.refuseSame(k.Path, k.Of); err != nil {
		return false, "", err
	}
	if err := m.unused(ctx, k.Path, k.Path); err != nil {
		return false, "", err
	}
	if !named {
		if why, err := m.needed(ctx, k); err != nil || why != "" {
			return false, why, err
		}
	}
	return true, "", m.removeTree(ctx, k.Path)
}

// needed says why a copy may be needed still, empty if it is not.
func (m *mover) needed(ctx context.Context, k kept) (string, error) {
	named := "; to remove it all the same: kubeadm-arm storage clean " + shell.InQuotes(k.Path)
	in, err := m.contained(ctx, k.Path, k.Of, true)
	if err != nil || in {
		return "", err
	}
	if k.Sum == "" {
		return "it differs from " + k.Of + " (" + k.Why + ")" + named, nil
	}
	sum, err := m.sum(ctx, k.Path)
	if err != nil {
		return "", err
	}
	if sum != k.Sum {
		return "it was changed since it was set aside, and differs from " + k.Of + named, nil
	}
	name, err := m.emptied(ctx, k.Path, k.Of)
	if err != nil || name == "" {
		return "", err
	}
	return fmt.Sprintf("%s is empty or missing in %s: this may be the last good copy%s", name, k.Of, named), nil
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
