package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// Holder identifies a process uniquely: its number, when it was started in clock ticks
// since the board's start, and which start of the board that was. It does not depend on
// the wall clock.
type Holder struct {
	PID    int    `json:"pid"`
	Ticks  uint64 `json:"startTicks"`
	BootID string `json:"bootID"`
}

func (h Holder) String() string { return fmt.Sprintf("pid %d", h.PID) }

// Me is this process.
func Me(l Layout) Holder {
	h := Holder{PID: os.Getpid(), BootID: linux.Proc(l.Proc()).BootID()}
	if p, err := linux.Proc(l.Proc()).Process(h.PID); err == nil {
		h.Ticks = p.Started
	}
	return h
}

// Alive reports whether that very process still runs.
func Alive(l Layout, h Holder) bool {
	proc := linux.Proc(l.Proc())
	if h.PID <= 0 || h.BootID != proc.BootID() {
		return false
	}
	p, err := proc.Process(h.PID)
	return err == nil && p.Started == h.Ticks && !p.Zombie()
}

// Moment is longer than units hold the lock for one step.
const Moment = 2 * time.Second

// Enter makes our folder, if it is not there, and takes the lock in it.
func Enter(l Layout) (leave func(), err error) { return EnterWithin(l, Moment) }

// EnterWithin waits for the lock for as long as patience. Units that systemd starts together meet at the lock: none of
// them may give up because of another.
func EnterWithin(l Layout, patience time.Duration) (leave func(), err error) {
	if err := Open(l); err != nil {
		return nil, err
	}
	for began := time.Now(); ; time.Sleep(Moment / 20) {
		leave, err := Lock(l)
		if !IsLocked(err) || time.Since(began) > patience {
			return leave, err
		}
	}
}

// IsLocked reports whether an error says that another kubeadm-arm is running.
func IsLocked(err error) bool {
	var refused *RefusedError
	return errors.As(err, &refused) && refused.Reason == Locked
}

// Lock takes the lock of the board's bootstrap. The kernel drops it when the
// process ends, however it ends, so that no lock can be left behind; who holds it
// stands in the file for people.
func Lock(l Layout) (unlock func(), err error) {
	for {
		f, err := os.OpenFile(l.Lock(), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock the board: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			defer f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, Refuse(Locked,
					fmt.Errorf("another kubeadm-arm is running on this board (%s)", readHolder(f)),
					"wait for it, or end it with Ctrl-C where it runs")
			}
			return nil, fmt.Errorf("lock the board: %w", err)
		}
		// The holder before may have removed the file between our opening and
		// locking it: then what we hold keeps nobody out.
		mine, err := f.Stat()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock the board: %w", err), f.Close())
		}
		if now, err := os.Lstat(l.Lock()); err != nil || !os.SameFile(mine, now) {
			f.Close()
			continue
		}
		if text, err := json.Marshal(Me(l)); err == nil && f.Truncate(0) == nil {
			// For people only: a full disk does not keep the lock from working.
			_, _ = f.WriteAt(append(text, '\n'), 0)
		}
		return func() {
			_ = f.Truncate(0)
			f.Close()
		}, nil
	}
}

func readHolder(r io.ReaderAt) Holder {
	var h Holder
	text := make([]byte, 512)
	n, _ := r.ReadAt(text, 0)
	_ = json.Unmarshal(text[:n], &h)
	return h
}

// lockState reports who holds the lock; held is false when nobody does, and then
// the holder is who held it when it was killed, if anybody was. The lock itself is
// not touched: reading it must not keep a run from starting.
func Holding(l Layout) (h Holder, held bool, err error) {
	f, err := os.OpenFile(l.Lock(), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return h, false, nil
	}
	if err != nil {
		return h, false, fmt.Errorf("look at the lock: %w", err)
	}
	defer f.Close()
	h = readHolder(f)
	return h, Alive(l, h), nil
}
