package storage

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

// A fingerprint is a SHA-256 over everything in a folder that a program could
// notice: names, types, modes, owners, times of change, device numbers, link
// targets, which names are one file, extended attributes (ACLs and capabilities
// are some) and every byte. Two folders with one fingerprint are equal. How many
// blocks a sparse file takes is no part of it.
type fingerprint struct {
	Sum string
	// Bytes are those that its files take on the disk, Files their number.
	Bytes int64
	Files int64
}

// takeFingerprint reads a whole folder.
func takeFingerprint(ctx context.Context, root string) (fingerprint, error) {
	h := sha256.New()
	var f fingerprint
	err := walkTree(ctx, root, func(e treeEntry) error {
		f.Bytes += e.blocks * 512
		f.Files++
		return e.write(ctx, h)
	})
	if err != nil {
		return f, fmt.Errorf("read %s: %w", root, err)
	}
	f.Sum = hex.EncodeToString(h.Sum(nil))
	return f, nil
}

// treeEntry is one name in a tree.
type treeEntry struct {
	path, name string // name is relative to the root
	stat       unix.Stat_t
	first      string // the first name of a file with several
	blocks     int64  // of 512 bytes; 0 for further names of a file
}

// walkTree visits root and all below it in the order of their names, without
// following symbolic links. It ends with the context.
func walkTree(ctx context.Context, root string, visit func(treeEntry) error) error {
	seen := map[inode]string{}
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err := errors.Join(err, context.Cause(ctx)); err != nil {
			return err
		}
		e := treeEntry{path: path}
		if e.name, err = filepath.Rel(root, path); err != nil {
			return err
		}
		if err := unix.Lstat(path, &e.stat); err != nil {
			return &os.PathError{Op: "lstat", Path: path, Err: err}
		}
		e.blocks = e.stat.Blocks
		if e.stat.Mode&unix.S_IFMT != unix.S_IFDIR && e.stat.Nlink > 1 {
			key := inodeOf(&e.stat)
			if first, ok := seen[key]; ok {
				e.first, e.blocks = first, 0
			} else {
				seen[key] = e.name
			}
		}
		return visit(e)
	})
}

// write gives an entry to a hash, each field with its length or a fixed form.
func (e treeEntry) write(ctx context.Context, h hash.Hash) error {
	kind := e.stat.Mode & unix.S_IFMT
	text := func(s string) { fmt.Fprintf(h, "%d:%s\n", len(s), s) }
	text(e.name)
	if e.first != "" {
		text("one file with " + e.first)
		return nil
	}
	sec, nsec := e.stat.Mtim.Unix()
	fmt.Fprintf(h, "%o %d %d %d.%09d\n", e.stat.Mode, e.stat.Uid, e.stat.Gid, sec, nsec)
	if err := e.writeAttributes(h); err != nil {
		return err
	}
	switch kind {
	case unix.S_IFCHR, unix.S_IFBLK:
		fmt.Fprintf(h, "device %d\n", uint64(e.stat.Rdev)) //nolint:unconvert // narrower on some architectures
	case unix.S_IFLNK:
		to, err := os.Readlink(e.path)
		if err != nil {
			return err
		}
		text(to)
	case unix.S_IFREG:
		f, err := openData(e.path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "bytes %d\n", e.stat.Size)
		n, err := io.Copy(h, reading{ctx, f})
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
		if n != e.stat.Size {
			return fmt.Errorf("%s changes while it is read", e.path)
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
func (e treeEntry) writeAttributes(h hash.Hash) error {
	size, err := unix.Llistxattr(e.path, nil)
	if errors.Is(err, unix.ENOTSUP) || size == 0 && err == nil {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "list the attributes of", Path: e.path, Err: err}
	}
	list := make([]byte, size)
	if size, err = unix.Llistxattr(e.path, list); err != nil {
		return &os.PathError{Op: "list the attributes of", Path: e.path, Err: err}
	}
	names := strings.Split(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00")
	slices.Sort(names)
	for _, name := range names {
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Lgetxattr(e.path, name, value)
		if err != nil {
			return &os.PathError{Op: "read attribute " + name + " of", Path: e.path, Err: err}
		}
		fmt.Fprintf(h, "attribute %d:%s %d:%s\n", len(name), name, n, value[:n])
	}
	return nil
}

// firstDifference names where two folders differ, after their fingerprints did.
func firstDifference(ctx context.Context, a, b string) (string, error) {
	sums := func(root string) (map[string]string, []string, error) {
		all := map[string]string{}
		var names []string
		err := walkTree(ctx, root, func(e treeEntry) error {
			h := sha256.New()
			if err := e.write(ctx, h); err != nil {
				return err
			}
			all[e.name] = string(h.Sum(nil))
			names = append(names, e.name)
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
			return name + " is too many", nil
		case inA[name] != inB[name]:
			return name + " differs", nil
		}
	}
	return "", nil
}

// usage is what a folder takes on the disk, without reading its files.
func usage(ctx context.Context, root string) (bytes, files int64, err error) {
	err = walkTree(ctx, root, func(e treeEntry) error {
		bytes += e.blocks * 512
		files++
		return nil
	})
	return bytes, files, err
}
