package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// openState makes our folder, and refuses one that is a link or that others could
// write to.
func Open(l Layout) error {
	if err := Check(l); err != nil {
		return err
	}
	if err := l.FS.MkdirAll(l.State(), 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	return Check(l)
}

// Check is the part of Open that changes nothing. A folder that is not there yet is fine.
func Check(l Layout) error { return CheckFolder(l.State()) }

// CheckFolder refuses what is no folder, or one that others could write to.
func CheckFolder(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the folder: %w", err)
	}
	if !info.IsDir() {
		return Refuse(BadJournal, fmt.Errorf("%s is not a folder but %s", dir, safefile.Kind(info.Mode())),
			"look who made it, and remove it")
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && stat.Uid != uint32(os.Geteuid()) {
		return Refuse(BadJournal, fmt.Errorf("%s belongs to user %d, not to root", dir, stat.Uid),
			"look what is in it, and remove it")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return Refuse(BadJournal, fmt.Errorf("%s can be written to by others (mode %04o)", dir, info.Mode().Perm()),
			"look what is in it; then: chmod 700 "+dir)
	}
	return nil
}
