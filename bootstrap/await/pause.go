package await

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// A Pause is a process that is paused.
type Pause struct {
	// Renew says that whoever asked for the pause is still at work. Without it the
	// process is resumed after pauseAtMost.
	Renew func()
	// End resumes the process, which runs when End returns.
	End func()
}

// A Pauser pauses a process until its pause ends. The process is also resumed when this
// program ends for any reason.
type Pauser func(pid int) (Pause, error)

// pauseAtMost limits a pause that nobody renews: the longest look at the API server, with
// a request that is not answered, takes two minutes.
const pauseAtMost = 5 * time.Minute

// PauseProcess is the Pauser of a real board. It stops every thread of the process as
// a debugger does (ptrace(2), PTRACE_SEIZE and PTRACE_INTERRUPT, since Linux 3.4), and
// not by SIGSTOP: a process that was stopped by a signal stays stopped until somebody
// sends SIGCONT, and whoever is to send it can be killed. A traced thread is resumed by
// the kernel when its tracer is gone, and the tracer is a thread of this process. So
// nothing can be left paused, whatever kills this process, and a pause ends in the same
// way, by ending that thread.
//
// systemd does not notice this kind of stop. A signal that is to end or continue the
// process ends the pause.
func PauseProcess(pid int) (Pause, error) {
	t := &tracer{pid: pid, renew: make(chan struct{}, 1), end: make(chan struct{}), over: make(chan struct{})}
	begun := make(chan error)
	go t.run(begun)
	if err := <-begun; err != nil {
		return Pause{}, fmt.Errorf("pause process %d: %w", pid, err)
	}
	end := sync.OnceFunc(func() { close(t.end) })
	return Pause{
		Renew: func() {
			select {
			case t.renew <- struct{}{}:
			default: // one is on its way already
			}
		},
		End: func() {
			end()
			t.awaitEnd()
		},
	}, nil
}

// awaitEnd returns when the thread has ended, or after a while: a thread that has
// nothing left to do ends at once, unless the whole program is stopped.
func (t *tracer) awaitEnd() {
	<-t.over
	for range 1000 {
		if errors.Is(unix.Tgkill(unix.Getpid(), t.tid, 0), unix.ESRCH) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// tracer is the thread that pauses a process.
type tracer struct {
	pid, tid         int
	renew, end, over chan struct{}
}

// run pauses the process until it returns. Its thread is not given back: with the
// goroutine ends the thread (runtime.LockOSThread), and with the thread the pause.
func (t *tracer) run(begun chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The first thread of a Go program is never ended, so another has to do it.
		other := make(chan error)
		go t.run(other)
		err := <-other
		runtime.UnlockOSThread()
		begun <- err
		return
	}
	defer close(t.over)
	t.tid = unix.Gettid()
	if err := t.seize(); err != nil {
		begun <- err
		return
	}
	begun <- nil
	t.wait()
}

// Suspending wraps a Pauser for a program that Ctrl-Z can stop: a stopped program would
// never end its pause. On SIGTSTP, which suspend delivers ([signal.Notify]), it ends the
// pause and stops the program itself.
func Suspending(pauser Pauser, suspend <-chan os.Signal) Pauser {
	var mu sync.Mutex
	current := Pause{End: func() {}}
	go func() {
		for range suspend {
			mu.Lock()
			current.End()
			mu.Unlock()
			_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
		}
	}()
	return func(pid int) (Pause, error) {
		mu.Lock()
		defer mu.Unlock()
		pause, err := pauser(pid)
		if err == nil {
			current = pause
		}
		return pause, err
	}
}

// seize stops all threads. One that is made meanwhile is traced from its beginning.
func (t *tracer) seize() error {
	seized := map[string]bool{}
	for {
		found := 0
		for _, id := range linux.Proc("/proc").Threads(t.pid) {
			tid, err := strconv.Atoi(id)
			if err != nil || seized[id] {
				continue
			}
			err = ptrace(unix.PTRACE_SEIZE, tid, unix.PTRACE_O_TRACECLONE)
			if err != nil && len(seized) == 0 {
				return err
			}
			seized[id] = true
			found++
			if err := ptrace(unix.PTRACE_INTERRUPT, tid, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		switch {
		case len(seized) == 0:
			return unix.ESRCH
		case found == 0:
			return nil
		}
	}
}

func ptrace(request, tid int, data uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), 0, data, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("ptrace", errno)
	}
	return nil
}

// wait returns when the pause is over.
func (t *tracer) wait() {
	const each = 2 * time.Second
	look := time.NewTicker(each)
	defer look.Stop()
	for left := pauseAtMost; left > 0; left -= each {
		select {
		case <-t.end:
			return
		case <-t.renew:
			left = pauseAtMost
		case <-look.C:
			if t.isWanted() {
				return
			}
		}
	}
}

// isWanted reports whether the process has ended, or a signal waits that is to end it or
// continue it: neither can be delivered while it is paused.
func (t *tracer) isWanted() bool {
	text, err := linux.ReadFile(filepath.Join("/proc", strconv.Itoa(t.pid), "status"))
	if err != nil {
		return true
	}
	for _, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "State":
			if strings.HasPrefix(value, "Z") || strings.HasPrefix(value, "X") {
				return true
			}
		case "ShdPnd": // signals that wait for the process (proc_pid_status(5))
			mask, err := strconv.ParseUint(value, 16, 64)
			if err != nil {
				return true
			}
			for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGABRT, unix.SIGKILL, unix.SIGTERM,
				unix.SIGCONT} {
				if mask&(1<<(s-1)) != 0 {
					return true
				}
			}
		}
	}
	return false
}
