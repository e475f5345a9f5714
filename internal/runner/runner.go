// Package runner runs the programs of a board: with limits on what they print and on how
// long they live.
package runner

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Func runs one of the board's programs and returns what it prints. It is
// the only way that this package starts programs.
type Func func(ctx context.Context, name string, args ...string) ([]byte, error)

// outputLimit is more than any program prints that this package reads.
const outputLimit = 16 << 20

// Exec runs programs for real. A program ends with us, also when we are killed:
// a cp(1) left behind would write into what the next run makes anew. When the
// context ends it is killed, and left behind if even that does not end it, as while
// it waits for a disk that does not answer.
func Exec(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+strings.TrimPrefix(os.Getenv("PATH")+":"+usual, ":"))
	if path, err := lookPath(name); err == nil {
		cmd.Path, cmd.Err = path, nil
	}
	out, said := &limited{}, &limited{}
	cmd.Stdout, cmd.Stderr = out, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The parent of PR_SET_PDEATHSIG is the thread, not the process (prctl(2)).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	err := <-started
	if err == nil {
		err = await(ctx, cmd, ended)
	}
	if over := out.over || said.over; err == nil && over {
		err = fmt.Errorf("it printed more than %d MiB", outputLimit>>20)
	}
	if err != nil {
		return out.text(), &Error{
			Command: strings.Join(append([]string{name}, args...),
				" "), Stderr: strings.TrimSpace(string(said.text())), Err: err,
		}
	}
	return out.text(), nil
}

// killGrace is how long a killed program has to be gone.
const killGrace = 2 * time.Second

func await(ctx context.Context, cmd *exec.Cmd, ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = cmd.Process.Kill()
	select {
	case <-ended:
		return context.Cause(ctx)
	case <-time.After(killGrace):
		return fmt.Errorf("%w, and it cannot be killed: it waits for a device", context.Cause(ctx))
	}
}

// limited keeps the first outputLimit bytes that are written to it.
type limited struct {
	mu   sync.Mutex
	kept bytes.Buffer
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fits := min(len(p), outputLimit-l.kept.Len())
	l.kept.Write(p[:fits])
	l.over = l.over || fits < len(p)
	return len(p), nil
}

func (l *limited) text() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.kept.Bytes())
}

// usual is where a board's programs are, whatever PATH says.
const usual = "/usr/sbin:/sbin:/usr/bin:/bin"

// lookPath looks also where an unprivileged PATH, or none, does not lead.
func lookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range strings.Split(usual, ":") {
		at := dir + "/" + name
		if info, err := os.Stat(at); err == nil && info.Mode().IsRegular() {
			return at, nil
		}
	}
	return "", exec.ErrNotFound
}

// An Error is a program that failed.
type Error struct {
	// Command can be pasted, Stderr is what it wrote to standard error.
	Command, Stderr string
	Err             error
}

func (e *Error) Error() string {
	if e.Stderr == "" {
		return fmt.Sprintf("%s: %v", e.Command, e.Err)
	}
	lines := strings.Split(e.Stderr, "\n")
	return fmt.Sprintf("%s: %v: %s", e.Command, e.Err, strings.Join(lines[max(0, len(lines)-3):], "; "))
}

// Unwrap also knows a full or read-only disk by the program's words: cp(1) has no
// exit code for it.
func (e *Error) Unwrap() []error {
	all := []error{e.Err}
	for words, errno := range map[string]error{"No space left on device": syscall.ENOSPC,
		"Read-only file system": syscall.EROFS, "Input/output error": syscall.EIO, "Disk quota exceeded": syscall.EDQUOT} {
		if strings.Contains(e.Stderr, words) {
			all = append(all, errno)
		}
	}
	return all
}
