package safefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// RefusedError says why a file or folder is not read.
type RefusedError struct {
	Path string
	// Why follows the path in a sentence, such as "is a named pipe (FIFO)".
	Why  string
	Help string
}

func (e *RefusedError) Error() string { return e.Path + " " + e.Why }

// Hint says what can be done.
func (e *RefusedError) Hint() string { return e.Help }

// Read returns the content of a regular file of at most limit bytes. Links are
// followed.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, path, limit)
}

// Head returns the first n bytes of a regular file, or all of a shorter one.
func Head(path string, n int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(now{f, path}, n))
}

// now reads what is there and never waits: a file such as /proc/kmsg, regular by its
// mode, blocks until the kernel says something.
type now struct {
	*os.File
	path string
}

func (r now) Read(p []byte) (n int, err error) {
	conn, err := r.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		for {
			if n, failed = unix.Read(int(fd), p); failed != unix.EINTR {
				return true
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case failed == unix.EAGAIN:
		return 0, &RefusedError{r.path, "has nothing to be read, and would be waited for", "name another file"}
	case failed != nil:
		return 0, &fs.PathError{Op: "read", Path: r.path, Err: failed}
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Tail returns the last n bytes of a regular file, or all of a shorter one. A file
// of /proc or /sys has no size, and so no end that could be looked up: it is read
// as by [Head].
func Tail(path string, n int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > n {
		if _, err := f.Seek(-n, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(now{f, path}, n))
}

// Open opens a regular file for reading. Links are followed.
func Open(path string) (*os.File, error) {
	return open(path, os.Stat, func() (*os.File, error) { return os.OpenFile(path, openFlags, 0) })
}

const openFlags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

// open looks at a file, opens it and looks again.
func open(path string, stat func(string) (fs.FileInfo, error), opened func() (*os.File, error)) (*os.File, error) {
	info, err := stat(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			p.Op = "open" // what the caller asked for
		}
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := opened()
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = regular(path, info)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func regular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &RefusedError{path, "is " + Kind(info.Mode()) + ", not a regular file",
		"put a regular file in its place, or name another"}
}

// Kind names the kind of a file, with its article.
func Kind(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "a regular file"
	case m.IsDir():
		return "a folder"
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe (FIFO)"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// ReadAll reads a stream to its end and refuses one of more than limit bytes; path
// names it in the error.
func ReadAll(r io.Reader, path string, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, tooLarge(path, limit)
	}
	return text, nil
}

func readAll(f *os.File, path string, limit int64) ([]byte, error) {
	// Without this a sparse file would be read up to the limit for nothing.
	if info, err := f.Stat(); err == nil && info.Size() > limit {
		return nil, tooLarge(path, limit)
	}
	return ReadAll(now{f, path}, path, limit)
}

func tooLarge(path string, limit int64) error {
	return &RefusedError{path, "is larger than " + bytesText(limit) + ", the most that is read",
		"see what it is and what wrote it"}
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// List returns what a folder holds, ordered by name, and refuses one of more than
// limit entries.
func List(path string, limit int) ([]fs.DirEntry, error) {
	// O_DIRECTORY opens nothing else, and so does not wait for a FIFO's writer.
	dir, err := os.OpenFile(path, openFlags|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return list(dir, path, limit)
}

func list(dir *os.File, path string, limit int) ([]fs.DirEntry, error) {
	entries, err := dir.ReadDir(limit + 1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if len(entries) > limit {
		return nil, tooMany(path, limit)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func tooMany(path string, limit int) error {
	return &RefusedError{path, fmt.Sprintf("holds more than %d entries, the most that are listed", limit),
		"see what wrote them: ls -U " + path + " | head"}
}

// Files lists all files below a folder that are no folders, by their paths relative to
// it, and refuses more than limit of them. Links are listed and not followed. A folder
// that cannot be read is left out; dir itself may be missing.
func Files(dir string, limit int) ([]string, error) { return files(dir, "", limit) }

func files(dir, below string, limit int) ([]string, error) {
	entries, err := List(filepath.Join(dir, below), limit)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		return nil, err
	case err != nil:
		return nil, nil
	}
	var all []string
	for _, e := range entries {
		name := filepath.Join(below, e.Name())
		if !e.IsDir() {
			all = append(all, name)
			continue
		}
		more, err := files(dir, name, limit)
		if err != nil {
			return nil, err
		}
		if all = append(all, more...); len(all) > limit {
			return nil, tooMany(filepath.Join(dir, below), limit)
		}
	}
	return all, nil
}
