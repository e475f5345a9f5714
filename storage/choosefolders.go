package storage

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

const (
	// longestName leaves room for what the names of copies add to a folder's own, such
	// as .before-storage-20261130-204511, below NAME_MAX.
	longestName = 255 - 50
	// longestUnit is UNIT_NAME_MAX of systemd (unit-name.h), less its null byte.
	longestUnit = 255
)

// checkPath refuses paths that cannot be a mount point.
func checkPath(what, name string) error {
	if err := cleanPath(name); err != nil {
		return unsuitable("write it from / on, without . and ..", "%s %w", what, err)
	}
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r == 0x7f ||
			r == 0xfffd
	}):
		return unsuitable("choose another name", "%s %q has characters that fstab and people cannot read", what, name)
	}
	if len(path.Base(name)) > longestName || len(systemd.PathUnit(name, "mount")) > longestUnit {
		return unsuitable("choose a shorter name", "%s %s has a name too long for its copies or its mount unit", what, name)
	}
	for at := name; at != "/"; at = path.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			continue // not there yet
		}
		if info.Mode()&os.ModeSymlink != 0 {
			to, _ := filepath.EvalSymlinks(at)
			return unsuitable("name the real path: "+to+strings.TrimPrefix(name, at),
				"%s %s leads over a symbolic link, %s to %s: mount units cannot follow it", what, name, at, to)
		}
		if !info.IsDir() {
			return unsuitable("choose another name", "%s %s: %s is not a folder", what, name, at)
		}
		if at != name && (owner(info) != 0 || info.Mode().Perm()&0o022 != 0) {
			return unsuitable("choose another place, or give the folder to root alone: chown root "+at+"; chmod go-w "+at,
				"%s %s: %s can be written to by others than root, who could exchange what is in it", what, name, at)
		}
	}
	return nil
}

// cleanPath wants a path from the root on.
func cleanPath(name string) error {
	if !strings.HasPrefix(name, "/") || path.Clean(name) != name || name == "/" || strings.ContainsRune(name, 0) {
		return fmt.Errorf("%q is not a whole path", name)
	}
	return nil
}

// requestedFolders are the folders to be moved, those moved already among them.
func requestedFolders(w Request, j *journal, m mounts) ([]string, error) {
	all := j.paths()
	requested := w.Folders
	if len(requested) == 0 && len(all) == 0 {
		requested = []string{"/var/lib/etcd"}
		for _, f := range []string{"/var/lib/docker", "/var/lib/containerd"} {
			// What is a mount point has left the card already.
			if info, err := os.Lstat(f); err == nil && info.IsDir() && m.at(f) == nil {
				requested = append(requested, f)
			}
		}
	}
	for _, f := range requested {
		clean := path.Clean(f)
		if slices.Contains(all, clean) {
			if j.folder(clean) == nil {
				return nil, unsuitable("name each folder once", "%s is named twice", clean)
			}
			continue
		}
		all = append(all, clean)
	}
	for _, a := range all {
		for _, c := range all {
			if a != c && tree.Inside(a, c) {
				return nil, unsuitable("move only the outer one", "%s lies inside %s", a, c)
			}
		}
	}
	return all, nil
}

// addFolder checks one folder and finds out what has to be done with it.
func (p *Plan) addFolder(ctx context.Context, n *journal, name string, use []string, lines []fstab.Line,
	m mounts) error {
	if err := checkPath("the folder", name); err != nil {
		return err
	}
	for _, keep := range []string{"/etc", "/usr", "/boot", "/proc", "/sys", "/dev", "/run", "/bin", "/lib", "/sbin",
		"/root"} {
		if tree.Inside(name, keep) {
			return unsuitable("choose a folder of data", "%s belongs to the system and cannot be moved", name)
		}
	}
	if strings.Count(name, "/") < 2 || tree.Inside(stateFolder, name) || tree.Inside(name, p.Mount) ||
		tree.Inside(p.Mount, name) {
		return unsuitable("choose a folder below it", "%s cannot be moved", name)
	}
	if l, ok := fstab.LineFor(lines, name); ok {
		return unsuitable("remove the line if ours is to take its place",
			"line %d of %s mounts something at %s already: %s", l.Number, fstabPath, name, strings.TrimSpace(l.Text))
	}
	f := n.folder(name)
	if f == nil {
		f = &folder{Path: name, State: planned}
		n.Folders = append(n.Folders, f)
	}
	move := Move{Folder: name, To: n.target(f), What: "copy"}
	if here := m.at(name); here != nil {
		if !m.bound(p.Mount, name) || n.UUID == "" || f.State == planned {
			return unsuitable("unmount it, and remove what mounts it", "%s has something mounted on it already: %s", name,
				here.Source)
		}
		move.What = "done"
		p.Moves = append(p.Moves, move)
		return nil
	}
	if below := m.below(name); len(below) > 0 && f.State == planned {
		return &RefusedError{Busy, fmt.Errorf("%s cannot be moved: %s is mounted in it", name, below[0]),
			"unmount it, or stop what uses it"}
	}
	if err := move.look(ctx, n, f, use, m.at(p.Mount) != nil); err != nil {
		return err
	}
	p.Moves = append(p.Moves, move)
	return nil
}

// look sees what is in the folder and at its place on the disk.
func (m *Move) look(ctx context.Context, j *journal, f *folder, use []string, mounted bool) error {
	on := live{}
	here, err := on.kind(j, f, m.Folder)
	if err != nil {
		return err
	}
	switch here {
	case nothing:
		m.What = "create"
	case guard:
		m.What = "done"
	default:
		if m.Bytes, m.Files, err = tree.Usage(ctx, m.Folder); err != nil {
			return fmt.Errorf("look into %s: %w", m.Folder, err)
		}
	}
	f.Etcd = f.Etcd || strings.Contains(filepath.Base(m.Folder), "etcd") || durable.Exists(filepath.Join(m.Folder,
		etcdMember))
	if f.State != planned || !mounted {
		return nil
	}
	there, err := on.kind(j, f, m.To)
	if err != nil || there != data {
		return err
	}
	if here == data {
		// Only reading them tells whether they are equal.
		_, err := newMover(on, j, "apply", use).agree(ctx, f, m.Folder, m.To)
		return err
	}
	m.What = "adopt"
	return nil
}

// checkSize refuses a disk that is too small for sure.
func (p *Plan) checkSize(m mounts) error {
	var need int64
	for _, move := range p.Moves {
		if move.What == "copy" {
			need += move.Bytes
		}
	}
	if need > p.Disk.Bytes {
		return &RefusedError{TooSmall, fmt.Errorf("%s has %s, and the folders hold %s", p.Disk.Path, size(p.Disk.Bytes),
			size(need)), "choose a larger disk"}
	}
	if m.at(p.Mount) == nil || need == 0 {
		return nil
	}
	var s unix.Statfs_t
	if err := unix.Statfs(p.Mount, &s); err != nil {
		return fmt.Errorf("ask for the space at %s: %w", p.Mount, err)
	}
	if free := int64(s.Bavail) * int64(s.Bsize); need+need/10 > free { //nolint:unconvert // narrower on some architectures
		return &RefusedError{TooSmall, fmt.Errorf("at %s only %s are free, and the folders hold %s", p.Mount, size(free),
			size(need)), "choose a larger disk, or make room on it"}
	}
	return nil
}

// owner is the user that a file belongs to, -1 if that cannot be read.
func owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
