// Package rootfs reads files below a root folder, such as a mounted card's, as the
// system in it would see them.
package rootfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// MaxFile bounds what is read of one file: the largest of them, a kernel's
// configuration, has a third of it. MaxListed bounds a folder's entries.
const (
	MaxFile   = 1 << 20
	MaxListed = 1 << 16
)

// FS reads below a root folder, with links resolved inside of it. What cannot
// be read is empty: a board that lacks a file is an ordinary board.
type FS struct {
	Root safefile.Root
	// Stopped hides what only a running system has: on a card these folders are
	// empty, or hold what was written before something was mounted there.
	Stopped bool
}

// Of looks below a root folder, and at whether the system in it runs.
func Of(root string) FS {
	f := FS{Root: safefile.Root(root)}
	f.Stopped = !f.runs()
	return f
}

// runs reports whether the system below the root is a running one. A /proc that is
// mounted below another root, to chroot(8) into a card, is the /proc of the machine
// that the card is in: process 1 has another root folder there.
func (f FS) runs() bool {
	if filepath.Clean(string(f.Root)) == "/" {
		return true
	}
	proc := f.Root.At("/proc")
	var s unix.Statfs_t
	if unix.Statfs(proc, &s) == nil && s.Type == unix.PROC_SUPER_MAGIC {
		own, err := os.Stat(string(f.Root))
		first, err1 := os.Stat(filepath.Join(proc, "1/root"))
		return err == nil && err1 == nil && os.SameFile(own, first)
	}
	return slices.ContainsFunc(f.Names("/proc"), func(name string) bool { return !strings.HasPrefix(name, ".") })
}

// ofRunning reports whether a path lies where only a running system has something.
func ofRunning(path string) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(filepath.Clean("/"+path), "/"), "/")
	return slices.Contains([]string{"proc", "sys", "run", "dev", "tmp"}, top)
}

// Hidden reports whether a path must not be looked at, itself or where it leads.
func (f FS) Hidden(path string) bool {
	return f.Stopped && (ofRunning(path) || ofRunning(f.Real(path)))
}

// Real is a path with its links resolved inside the root. Parts that are not there
// stay as they are.
func (f FS) Real(path string) string {
	resolved, err := f.Root.Resolve(path)
	if err != nil {
		return filepath.Clean("/" + path)
	}
	return resolved
}

// At is where this machine finds a path, with links resolved inside the root.
func (f FS) At(path string) string { return f.Root.At(f.Real(path)) }

func (f FS) Read(path string) []byte { return f.ReadUpTo(path, MaxFile) }

func (f FS) ReadUpTo(path string, limit int64) []byte {
	if f.Hidden(path) {
		return nil
	}
	text, err := f.Root.Read(path, limit)
	if err != nil {
		return nil
	}
	return text
}

// Line is a file's first line, without blanks around it.
func (f FS) Line(path string) string {
	line, _, _ := strings.Cut(string(f.Read(path)), "\n")
	return strings.TrimSpace(line)
}

// Exists reports whether there is something of that name, be it a link to nowhere.
func (f FS) Exists(path string) bool {
	if f.Stopped && (ofRunning(path) || ofRunning(f.Real(filepath.Dir(path)))) {
		return false
	}
	_, err := f.Root.Lstat(path)
	return err == nil
}

// Stat is what a path leads to.
func (f FS) Stat(path string) (os.FileInfo, bool) {
	if f.Hidden(path) {
		return nil, false
	}
	info, err := f.Root.Stat(path)
	return info, err == nil
}

// Link is where a symbolic link points to, as it stands in it; empty when it is
// none.
func (f FS) Link(path string) string {
	if f.Stopped && ofRunning(path) {
		return ""
	}
	to, err := f.Root.Readlink(path)
	if err != nil {
		return ""
	}
	return to
}

// Folder reports whether a path leads to a folder.
func (f FS) Folder(path string) bool {
	info, ok := f.Stat(path)
	return ok && info.IsDir()
}

// Names lists a folder.
func (f FS) Names(path string) []string {
	if f.Hidden(path) {
		return nil
	}
	entries, err := f.Root.List(path, MaxListed)
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// Lines are a text's lines without comments (from # on) and blank ones.
func Lines(text []byte) []string {
	var all []string
	for _, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
