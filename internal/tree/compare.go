package tree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// TakeStamp is a SHA-256 over what the kernel notes of each name in a folder:
// inode, size, and the times of the last change of content and inode. Taking the
// stamp twice costs no reading of files. The time of change (ctime, inode(7))
// cannot be set by anybody, and any write, also one through a mapping that was
// clean at the first stamp, sets it.
func TakeStamp(ctx context.Context, root string) (string, error) {
	h := sha256.New()
	err := Walk(ctx, root, func(e Entry) error {
		s := &e.Stat
		if e.Name == "." {
			s.Ctim = unix.Timespec{} // a rename of the folder sets it
		}
		fmt.Fprintf(h, "%d:%s %d %d %o %d %d %d\n", len(e.Name), e.Name, s.Ino, s.Size, s.Mode, s.Nlink,
			unix.TimespecToNsec(s.Mtim), unix.TimespecToNsec(s.Ctim))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read %s: %w", root, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ClockTick is longer than the kernel's clock of file times stands still (at most
// 10 ms, CONFIG_HZ=100): a write after a stamp and this pause cannot have the time
// of one before.
const ClockTick = 25 * time.Millisecond

// Contained reports whether everything in a folder is in another one, too: each
// name with its type, and each file's bytes, to which the other may have more at
// the end. where is the first that is not. A part of a copy is contained in its
// original. whole wants owners, modes and attributes as well.
func Contained(ctx context.Context, part, in string, whole bool) (ok bool, where string, err error) {
	err = Walk(ctx, part, func(e Entry) error {
		same, err := e.containedIn(ctx, filepath.Join(in, e.Name), whole)
		if err == nil && !same {
			where = e.Name
			return fs.SkipAll
		}
		return err
	})
	if err != nil {
		return false, "", fmt.Errorf("compare %s with %s: %w", part, in, err)
	}
	return where == "", where, nil
}

func (e Entry) containedIn(ctx context.Context, other string, whole bool) (bool, error) {
	o := Entry{Path: other, Name: e.Name}
	err := unix.Lstat(other, &o.Stat)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, &os.PathError{Op: "lstat", Path: other, Err: err}
	}
	kind := e.Stat.Mode & unix.S_IFMT
	if kind != o.Stat.Mode&unix.S_IFMT {
		return false, nil
	}
	if whole {
		same, err := e.sameOwner(o)
		if err != nil || !same {
			return false, err
		}
	}
	switch kind {
	case unix.S_IFREG:
		if o.Stat.Size < e.Stat.Size {
			return false, nil
		}
		return beginsWith(ctx, other, e.Path)
	case unix.S_IFCHR, unix.S_IFBLK:
		return e.Stat.Rdev == o.Stat.Rdev, nil
	case unix.S_IFLNK:
		one, err := os.Readlink(e.Path)
		two, other := os.Readlink(other)
		return one == two, errors.Join(err, other)
	}
	return true, nil
}

// sameOwner compares owner, mode and attributes.
func (e Entry) sameOwner(o Entry) (bool, error) {
	if e.Stat.Mode != o.Stat.Mode || e.Stat.Uid != o.Stat.Uid || e.Stat.Gid != o.Stat.Gid {
		return false, nil
	}
	one, other := sha256.New(), sha256.New()
	if err := errors.Join(e.writeAttributes(one), o.writeAttributes(other)); err != nil {
		return false, err
	}
	return bytes.Equal(one.Sum(nil), other.Sum(nil)), nil
}

// beginsWith reports whether a file begins with all the bytes of another.
func beginsWith(ctx context.Context, whole, part string) (bool, error) {
	a, err := openData(part)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := openData(whole)
	if err != nil {
		return false, err
	}
	defer b.Close()
	one, other := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(reading{ctx, a}, one)
		if n > 0 {
			m, _ := io.ReadFull(b, other[:n])
			if m != n || !bytes.Equal(one[:n], other[:n]) {
				return false, nil
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// openData opens a regular file without a change of its time of access.
func openData(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NOATIME|unix.O_NONBLOCK, 0)
}

// LastWritten is the file of a folder that was written to last, and when.
func LastWritten(ctx context.Context, root string) (name string, at time.Time, err error) {
	err = Walk(ctx, root, func(e Entry) error {
		if t := time.Unix(e.Stat.Mtim.Unix()); e.Stat.Mode&unix.S_IFMT == unix.S_IFREG && (name == "" || t.After(at)) {
			name, at = e.Name, t
		}
		return nil
	})
	return name, at, err
}
