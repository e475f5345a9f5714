package safefile

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	"golang.org/x/sys/unix"
)

// Root is a folder that stands for a board's root folder. Paths are the board's
// own, with or without the leading slash. Nothing outside of the folder is read,
// wherever links point. The Root "/" is this machine.
type Root string

// isMachine reports whether there is nothing outside.
func (r Root) isMachine() bool { return filepath.Clean(string(r)) == "/" }

// inside resolves the links of a board's path and returns it relative to the root
// folder. last says whether the last part is resolved, too.
func (r Root) inside(path string, last bool) (string, error) {
	dir, base := filepath.Split(filepath.Clean("/" + path))
	if last {
		dir, base = filepath.Join(dir, base), ""
	}
	// SecureJoin takes no root with "..", such as the owner may have typed.
	root, err := filepath.Abs(string(r))
	if err != nil {
		return "", err
	}
	full, err := securejoin.SecureJoin(root, dir)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(root, filepath.Join(full, base))
	if err != nil {
		return "", err
	}
	return rel, nil
}

// withRoot calls do with the opened root folder and the resolved path.
func withRoot[T any](r Root, path string, last bool, do func(root *os.Root, name string) (T, error)) (T, error) {
	var none T
	name, err := r.inside(path, last)
	if err != nil {
		return none, err
	}
	// Opening a FIFO would wait for its writer.
	if info, err := os.Stat(string(r)); err != nil {
		return none, err
	} else if !info.IsDir() {
		return none, &RefusedError{string(r), "is " + Kind(info.Mode()) + ", not a folder", "name a folder"}
	}
	root, err := os.OpenRoot(string(r))
	if err != nil {
		return none, err
	}
	defer root.Close()
	return do(root, name)
}

// At is the path that the rest of this machine knows the board's path by, for
// messages. Links are not resolved: do not open it.
func (r Root) At(path string) string { return filepath.Join(string(r), path) }

// Resolve follows all links of a path and returns where it leads, as a path of the
// board. Parts that are not there stay as they are. The answer is for messages and
// for comparing: a link may have been changed since.
func (r Root) Resolve(path string) (string, error) {
	name, err := r.inside(path, true)
	if err != nil {
		return "", err
	}
	return filepath.Join("/", name), nil
}

// Open opens a regular file for reading.
func (r Root) Open(path string) (*os.File, error) {
	if r.isMachine() {
		return Open(r.At(path))
	}
	return withRoot(r, path, true, func(root *os.Root, name string) (*os.File, error) {
		stat := func(string) (fs.FileInfo, error) { return root.Stat(name) }
		return open(r.At(path), stat, func() (*os.File, error) { return root.OpenFile(name, openFlags, 0) })
	})
}

// Read is [Read] below the root.
func (r Root) Read(path string, limit int64) ([]byte, error) {
	f, err := r.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, r.At(path), limit)
}

// List is [List] below the root.
func (r Root) List(path string, limit int) ([]fs.DirEntry, error) {
	if r.isMachine() {
		return List(r.At(path), limit)
	}
	return withRoot(r, path, true, func(root *os.Root, name string) ([]fs.DirEntry, error) {
		dir, err := root.OpenFile(name, openFlags|unix.O_DIRECTORY, 0)
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		return list(dir, r.At(path), limit)
	})
}

// Stat is what a path leads to.
func (r Root) Stat(path string) (fs.FileInfo, error) {
	if r.isMachine() {
		return os.Stat(r.At(path))
	}
	return withRoot(r, path, true, func(root *os.Root, name string) (fs.FileInfo, error) { return root.Stat(name) })
}

// Lstat is [Root.Stat] without following a link at the path's end.
func (r Root) Lstat(path string) (fs.FileInfo, error) {
	if r.isMachine() {
		return os.Lstat(r.At(path))
	}
	return withRoot(r, path, false, func(root *os.Root, name string) (fs.FileInfo, error) { return root.Lstat(name) })
}

// Readlink is the target of a symbolic link, as it stands in it.
func (r Root) Readlink(path string) (string, error) {
	if r.isMachine() {
		return os.Readlink(r.At(path))
	}
	return withRoot(r, path, false, func(root *os.Root, name string) (string, error) { return root.Readlink(name) })
}

// FS is the root as a file system for code that takes one. Files above limit bytes
// and folders above listed entries are refused.
func (r Root) FS(limit int64, listed int) fs.FS { return rootFS{r, limit, listed} }

type rootFS struct {
	root   Root
	limit  int64
	listed int
}

func (f rootFS) valid(op, name string) error {
	if fs.ValidPath(name) && !strings.Contains(name, "\x00") {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
}

// Open is that of [fs.FS]. A folder is opened for its [fs.File.Stat] and to be
// listed.
func (f rootFS) Open(name string) (fs.File, error) {
	if err := f.valid("open", name); err != nil {
		return nil, err
	}
	info, err := f.root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return f.root.Open(name)
	}
	if f.root.isMachine() {
		return os.OpenFile(f.root.At(name), openFlags|unix.O_DIRECTORY, 0)
	}
	return withRoot(f.root, name, true, func(root *os.Root, name string) (fs.File, error) {
		return root.OpenFile(name, openFlags|unix.O_DIRECTORY, 0)
	})
}

func (f rootFS) ReadFile(name string) ([]byte, error) {
	if err := f.valid("open", name); err != nil {
		return nil, err
	}
	return f.root.Read(name, f.limit)
}

func (f rootFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := f.valid("open", name); err != nil {
		return nil, err
	}
	return f.root.List(name, f.listed)
}

func (f rootFS) Stat(name string) (fs.FileInfo, error) {
	if err := f.valid("stat", name); err != nil {
		return nil, err
	}
	return f.root.Stat(path.Clean(name))
}
