package hwdetect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// maxFile bounds what is read of one file: the largest of them, a kernel's
// configuration, has a third of it. maxListed bounds a folder's entries.
const (
	maxFile   = 1 << 20
	maxListed = 1 << 16
)

// files reads below a root folder, with links resolved inside of it. What cannot
// be read is empty: a board that lacks a file is an ordinary board.
type files struct {
	root safefile.Root
	// stopped hides what only a running system has: on a card these folders are
	// empty, or hold what was written before something was mounted there.
	stopped bool
}

// filesOf looks below a root folder, and at whether the system in it runs.
func filesOf(root string) files {
	f := files{root: safefile.Root(root)}
	f.stopped = !f.runs()
	return f
}

// runs tells whether the system below the root is a running one. A /proc that is
// mounted below another root, to chroot(8) into a card, is the /proc of the machine
// that the card is in: process 1 has another root folder there.
func (f files) runs() bool {
	if filepath.Clean(string(f.root)) == "/" {
		return true
	}
	proc := f.root.At("/proc")
	var s unix.Statfs_t
	if unix.Statfs(proc, &s) == nil && s.Type == unix.PROC_SUPER_MAGIC {
		own, err := os.Stat(string(f.root))
		first, err1 := os.Stat(filepath.Join(proc, "1/root"))
		return err == nil && err1 == nil && os.SameFile(own, first)
	}
	return slices.ContainsFunc(f.names("/proc"), func(name string) bool { return !strings.HasPrefix(name, ".") })
}

// ofRunning tells whether a path lies where only a running system has something.
func ofRunning(path string) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(filepath.Clean("/"+path), "/"), "/")
	return slices.Contains([]string{"proc", "sys", "run", "dev", "tmp"}, top)
}

// hidden tells whether a path must not be looked at, itself or where it leads.
func (f files) hidden(path string) bool {
	return f.stopped && (ofRunning(path) || ofRunning(f.real(path)))
}

// real is a path with its links resolved inside the root. Parts that are not there
// stay as they are.
func (f files) real(path string) string {
	resolved, err := f.root.Resolve(path)
	if err != nil {
		return filepath.Clean("/" + path)
	}
	return resolved
}

// at is where this machine finds a path, with links resolved inside the root.
func (f files) at(path string) string { return f.root.At(f.real(path)) }

func (f files) read(path string) []byte { return f.readUpTo(path, maxFile) }

func (f files) readUpTo(path string, limit int64) []byte {
	if f.hidden(path) {
		return nil
	}
	text, err := f.root.Read(path, limit)
	if err != nil {
		return nil
	}
	return text
}

// line is a file's first line, without blanks around it.
func (f files) line(path string) string {
	line, _, _ := strings.Cut(string(f.read(path)), "\n")
	return strings.TrimSpace(line)
}

// exists tells whether there is something of that name, be it a link to nowhere.
func (f files) exists(path string) bool {
	if f.stopped && (ofRunning(path) || ofRunning(f.real(filepath.Dir(path)))) {
		return false
	}
	_, err := f.root.Lstat(path)
	return err == nil
}

// stat is what a path leads to.
func (f files) stat(path string) (os.FileInfo, bool) {
	if f.hidden(path) {
		return nil, false
	}
	info, err := f.root.Stat(path)
	return info, err == nil
}

// link is where a symbolic link points to, as it stands in it; empty when it is
// none.
func (f files) link(path string) string {
	if f.stopped && ofRunning(path) {
		return ""
	}
	to, err := f.root.Readlink(path)
	if err != nil {
		return ""
	}
	return to
}

// folder tells whether a path leads to a folder.
func (f files) folder(path string) bool {
	info, ok := f.stat(path)
	return ok && info.IsDir()
}

// names lists a folder.
func (f files) names(path string) []string {
	if f.hidden(path) {
		return nil
	}
	entries, err := f.root.List(path, maxListed)
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// lines are a text's lines without comments (from # on) and blank ones.
func lines(text []byte) []string {
	var all []string
	for _, line := range strings.Split(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
