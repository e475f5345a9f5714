package patch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ApplyFile applies settings to a manifest file. Nothing is written when there
// is nothing to change. The new file replaces the old one in one step, with its
// mode and owner kept, by way of a temporary file with a leading dot: the
// kubelet starts every other file in the folder as a pod
// (pkg/kubelet/config/file.go).
func ApplyFile(path string, s Settings) ([]Change, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("patch manifest: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("patch manifest: %s: %w", path, refuse(0, "put the file itself there", "it is a %s, not a regular file", kindOf(info.Mode())))
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("patch manifest: %w", err)
	}
	fresh, changes, err := Apply(old, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if bytes.Equal(old, fresh) {
		return changes, nil
	}
	return changes, WriteFile(path, fresh, info)
}

func kindOf(m os.FileMode) string {
	switch {
	case m&os.ModeSymlink != 0:
		return "symbolic link"
	case m.IsDir():
		return "folder"
	}
	return "special file"
}

// WriteFile replaces path by text in one step, with the mode and owner of like.
// Text and name are on the disk when it returns.
func WriteFile(path string, text []byte, like os.FileInfo) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write manifest %s: %w", path, err)
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(text); err != nil {
		return err
	}
	if stat, ok := like.Sys().(*syscall.Stat_t); ok {
		if err = tmp.Chown(int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	// After the owner: chown clears set-user-ID bits.
	if err = tmp.Chmod(like.Mode().Perm()); err != nil {
		return err
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
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
