package patch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// ApplyFile applies settings to a manifest file. Nothing is written when there
// is nothing to change, or when the manifest is refused. A symbolic link is
// followed as long as it stays in its folder; what it leads to is rewritten, and
// the link stays.
func ApplyFile(path string, s Settings) ([]Change, error) {
	p, err := Prepare(path, s)
	if err != nil {
		return nil, err
	}
	return p.Changes, p.Write()
}

// Pending is a patched manifest that has not been written yet.
type Pending struct {
	Changes []Change

	path, target string
	old, fresh   []byte
	info         fs.FileInfo
}

// Prepare is the first half of [ApplyFile], for callers who keep the changes
// elsewhere before the file has them. Its errors are ApplyFile's.
func Prepare(path string, s Settings) (Pending, error) {
	p := Pending{path: path}
	var err error
	if p.target, err = inside(path); err != nil {
		return p, in(path, err)
	}
	if p.old, p.info, err = readManifest(p.target); err != nil {
		return p, in(path, err)
	}
	if p.fresh, p.Changes, err = Apply(p.old, s); err != nil {
		return p, in(path, err)
	}
	return p, nil
}

// Write is the second half. A file that was changed since is an error, and left alone.
func (p Pending) Write() error {
	if bytes.Equal(p.old, p.fresh) {
		return nil
	}
	if now, err := os.Lstat(p.target); err != nil || !os.SameFile(now, p.info) || !now.ModTime().Equal(p.info.ModTime()) {
		return in(p.path, refuse(0, "run it again", "it was changed by another program meanwhile"))
	}
	return WriteFile(p.target, p.fresh, p.info)
}

// inside resolves symbolic links and refuses those that leave the folder.
func inside(path string) (string, error) {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	if name, err := filepath.Rel(folder, target); err != nil || !filepath.IsLocal(name) {
		return "", refuse(0, "name the file that it leads to", "it is a symbolic link that leads out of its folder, to %s",
			target)
	}
	return target, nil
}

// readManifest reads a regular file. It does not wait for a pipe's other end.
func readManifest(path string) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, refuse(0, "name the file itself", "it is not a regular file but %s", info.Mode().Type())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	return text, info, err
}

// WriteFile replaces the file at path by text in one step. The new file has the
// mode and owner of like, or mode 0600 and this process's owner if like is nil,
// as kubeadm writes manifests; extended attributes are not carried over. Text
// and name are on the disk when it returns.
//
// Until then the text is in a temporary file with a leading dot: the kubelet
// starts every other file in its folder as a pod (pkg/kubelet/config/file.go).
func WriteFile(path string, text []byte, like fs.FileInfo) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			err = fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(tmp.Name())))
		}
	}()
	if _, err = tmp.Write(text); err != nil {
		return err
	}
	if like != nil {
		if err = alike(tmp, like); err != nil {
			return err
		}
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	// From here on the new file is in place, whatever the disk says.
	if e := syncFolder(dir); e != nil {
		return fmt.Errorf("write %s: sync the folder: %w", path, e)
	}
	return nil
}

// alike gives a file another's owner and mode, in this order: a change of owner
// clears some bits of the mode (chown(2)).
func alike(f *os.File, like fs.FileInfo) error {
	if want, ok := like.Sys().(*syscall.Stat_t); ok {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		have, ok := info.Sys().(*syscall.Stat_t)
		if !ok || have.Uid != want.Uid || have.Gid != want.Gid {
			if err := f.Chown(int(want.Uid), int(want.Gid)); err != nil {
				return err
			}
		}
	}
	return f.Chmod(like.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky))
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
