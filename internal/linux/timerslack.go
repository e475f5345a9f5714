package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// TimerSlack is how late the timers of a process's first thread may fire
// (proc_pid_timerslack_ns(5), since Linux 4.6).
func (p Proc) TimerSlack(pid int) (time.Duration, error) {
	text, err := ReadFile(filepath.Join(p.dir(pid), "timerslack_ns"))
	if err != nil {
		return 0, fmt.Errorf("read timer slack: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return time.Duration(n), err
}

// SetTimerSlack changes every thread of a process; threads and processes made later
// inherit it. 0 stands for a thread's default.
func (p Proc) SetTimerSlack(pid int, slack time.Duration) error {
	return p.SetThreadsTimerSlack(p.Threads(pid), slack)
}

// SetThreadsTimerSlack changes the given threads. One that has ended meanwhile, or a
// kernel without timer slack files, is no error.
func (p Proc) SetThreadsTimerSlack(threads []string, slack time.Duration) error {
	for _, t := range threads {
		err := WriteFile(filepath.Join(string(p), t, "timerslack_ns"), strconv.FormatInt(slack.Nanoseconds(), 10))
		if err != nil && !ended(err) {
			return fmt.Errorf("set timer slack: %w", err)
		}
	}
	return nil
}

// ended reports whether an error says that a thread is not there any more. A kernel
// without the file has it for no thread.
func ended(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }
