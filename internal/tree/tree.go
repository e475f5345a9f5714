package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A Fingerprint is a SHA-256 over everything in a folder that a program could
// notice: names, types, modes, owners, times of change, device numbers, link
// targets, which names are one file, extended attributes (ACLs and capabilities
// are some) and every byte. Two folders with one fingerprint are equal. How many
// blocks a sparse file takes is no part of it.
type Fingerprint struct {
	Sum string
	// Bytes are those that its files take on the disk, Files their number.
	Bytes int64
	Files int64
}

// TakeFingerprint reads a whole folder.
func TakeFingerprint(ctx context.Context, root string) (Fingerprint, error) {
	h := sha256.New()
	var f Fingerprint
	err := Walk(ctx, root, func(e Entry) error {
		f.Bytes += e.Blocks * 512
		f.Files++
		return e.write(ctx, h)
	})
	if err != nil {
		return f, fmt.Errorf("read %s: %w", root, err)
	}
	f.Sum = hex.EncodeToString(h.Sum(nil))
	return f, nil
}

// Entry is one name in a tree.
type Entry struct {
	Path, Name string // Name is relative to the root
	Stat       unix.Stat_t
	Blocks     int64 // of 512 bytes; 0 for further names of a file

	first string // the first name of a file with several
}

// Walk visits root and all below it in the order of their names, without
// following symbolic links. It ends with the context.
func Walk(ctx context.Context, root string, visit func(Entry) error) error {
	seen := map[Inode]string{}
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err := errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		e := Entry{Path: path}
		if e.Name, err = filepath.Rel(root, path); err != nil {
			return err
		}
		if err := unix.Lstat(path, &e.Stat); err != nil {
			return &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		e.Blocks = e.Stat.Blocks
		if e.Stat.Mode&unix.S_IFMT != unix.S_IFDIR && e.Stat.Nlink > 1 {
			key := InodeOf(&e.Stat)
			if first, ok := seen[key]; ok {
				e.first, e.Blocks = first, 0
			} else {
				seen[key] = e.Name
			}
		}
		return visit(e)
	})
}

// write gives an entry to a hash, each field with its length or a fixed form.
func (e Entry) write(ctx context.Context, h hash.Hash) error {
	kind := e.Stat.Mode & unix.S_IFMT
	text := func(s string) { fmt.Fprintf(h, "%d:%s\n", len(s), s) }
	text(e.Name)
	if e.first != "" {
		text("one file with " + e.first)
		return nil
	}
	sec, nsec := e.Stat.Mtim.Unix()
	fmt.Fprintf(h, "%o %d %d %d.%09d\n", e.Stat.Mode, e.Stat.Uid, e.Stat.Gid, sec, nsec)
	if err := e.writeAttributes(h); err != nil {
		return err
	}
	switch kind {
	case unix.S_IFCHR, unix.S_IFBLK:
		fmt.Fprintf(h, "device %d\n", uint64(e.Stat.Rdev)) //nolint:unconvert // narrower on some architectures
	case unix.S_IFLNK:
		to, err := os.Readlink(e.Path)
		if err != nil {
			return err
		}
		text(to)
	case unix.S_IFREG:
		f, err := openData(e.Path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "bytes %d\n", e.Stat.Size)
		n, err := io.Copy(h, reading{ctx, f})
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if n != e.Stat.Size {
			return fmt.Errorf("%s changes while it is read", e.Path)
		}
	}
	return nil
}

// reading is a file that is read until the context ends: a large one takes minutes.
type reading struct {
	ctx context.Context
	io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// writeAttributes gives the extended attributes to a hash (xattr(7)).
func (e Entry) writeAttributes(h hash.Hash) error {
	size, err := unix.Llistxattr(e.Path, nil)
	if errors.Is(err, unix.ENOTSUP) || size == 0 && err == nil {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "list the attributes of", Path: e.Path, Err: err}
	}
	list := make([]byte, size)
	if size, err = unix.Llistxattr(e.Path, list); err != nil {
		return &os.PathError{Op: "list the attributes of", Path: e.Path, Err: err}
	}
	names := strings.Split(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00")
	slices.Sort(names)
	for _, name := range names {
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Lgetxattr(e.Path, name, value)
		if err != nil {
			return &os.PathError{Op: "read attribute " + name + " of", Path: e.Path, Err: err}
		}
		fmt.Fprintf(h, "attribute %d:%s %d:%s\n", len(name), name, n, value[:n])
	}
	return nil
}

// FirstDifference names where two folders differ, after their fingerprints did.
func FirstDifference(ctx context.Context, a, b string) (string, error) {
	sums := func(root string) (map[string]string, []string, error) {
		all := map[string]string{}
		var names []string
		err := Walk(ctx, root, func(e Entry) error {
			h := sha256.New()
			if err := e.write(ctx, h); err != nil {
				return err
			}
			all[e.Name] = string(h.Sum(nil))
			names = append(names, e.Name)
			return nil
		})
		return all, names, err
	}
	inA, names, err := sums(a)
	if err != nil {
		return "", err
	}
	inB, others, err := sums(b)
	if err != nil {
		return "", err
	}
	for _, name := range append(names, others...) {
		switch {
		case inB[name] == "":
			return name + " is missing", nil
		case inA[name] == "":
			return name + " is extra", nil
		case inA[name] != inB[name]:
			return name + " differs", nil
		}
	}
	return "", nil
}

// Usage is what a folder takes on the disk, without reading its files.
func Usage(ctx context.Context, root string) (bytes, files int64, err error) {
	err = Walk(ctx, root, func(e Entry) error {
		bytes += e.Blocks * 512
		files++
		return nil
	})
	return bytes, files, err
}

// Inode names a file whatever the path is by which it was reached.
type Inode struct{ dev, ino uint64 }

func InodeOf(s *unix.Stat_t) Inode {
	return Inode{uint64(s.Dev), uint64(s.Ino)} //nolint:unconvert // narrower on some architectures
}

// Inside reports whether a path is a folder or below it.
func Inside(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}
