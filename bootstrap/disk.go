package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// openState makes our folder, and refuses one that leads elsewhere or that
// others could write to.
func (l Layout) openState() error {
	if err := l.checkState(); err != nil {
		return err
	}
	if err := l.FS.MkdirAll(l.State(), 0o700); err != nil {
		return fmt.Errorf("make the state folder: %w", err)
	}
	return l.checkState()
}

// checkState is the part of openState that changes nothing. A folder that is not
// there yet is fine.
func (l Layout) checkState() error {
	info, err := os.Lstat(l.State())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the state folder: %w", err)
	}
	if !info.IsDir() {
		return &RefusedError{BadJournal, fmt.Errorf("%s is not a folder but a %s", l.State(), kindOfFile(info.Mode())), "look who made it, and remove it"}
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && stat.Uid != uint32(os.Geteuid()) {
		return &RefusedError{BadJournal, fmt.Errorf("%s belongs to user %d, not to root", l.State(), stat.Uid), "look what is in it, and remove it"}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &RefusedError{BadJournal, fmt.Errorf("%s can be written to by others (mode %04o)", l.State(), info.Mode().Perm()), "look what is in it; then: chmod 700 " + l.State()}
	}
	return nil
}

func kindOfFile(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m.IsRegular():
		return "file"
	}
	return "special file"
}
