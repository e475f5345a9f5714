package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lock takes the lock of the board's bootstrap. The kernel drops it when the
// process ends, however it ends, so that no lock can be left behind.
func (l Layout) lock() (unlock func(), err error) {
	f, err := os.OpenFile(l.Lock(), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the board: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			pid := make([]byte, 32)
			n, _ := f.ReadAt(pid, 0)
			return nil, &RefusedError{Locked,
				fmt.Errorf("another kubeadm-arm is at work on this board (pid %s)", strings.TrimSpace(string(pid[:n]))),
				"wait for it, or end it with Ctrl-C where it runs"}
		}
		return nil, fmt.Errorf("lock the board: %w", err)
	}
	if err := f.Truncate(0); err == nil {
		fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return func() { f.Close() }, nil
}
