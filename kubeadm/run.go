package kubeadm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// A Command is one program to run.
type Command struct {
	Path string
	Args []string
	Env  []string
	// Output, when not nil, receives standard output and standard error as
	// they come, mixed.
	Output io.Writer
	// Signal is sent when the context ends; the zero value means SIGTERM.
	Signal func() syscall.Signal
	// Patience is how long a command may take that only reports something; it is
	// killed then, and when it prints more than reportBytes. 0 is for commands that
	// work: they end by themselves or with the context.
	Patience time.Duration
}

// AskPatience is the Patience for a question such as a program's version. The
// slowest board seen needs ten seconds for a kubelet's.
const AskPatience = 30 * time.Second

// String is the command ready to paste into a shell, but for the values of
// secret flags: errors are shown and kept.
func (c Command) String() string {
	words := []string{shell.Quote(c.Path)}
	hide := false
	for _, a := range c.Args {
		name, _, joined := strings.Cut(a, "=")
		flag, long := strings.CutPrefix(name, "--")
		secret := long && IsSecret(flag)
		switch {
		case hide:
			a = "(secret)"
		case secret && joined:
			a = name + "=(secret)"
		}
		hide = secret && !joined && !hide
		words = append(words, shell.Quote(a))
	}
	return strings.Join(words, " ")
}

// A Result is what a finished command left.
type Result struct {
	// Stdout is what it printed to standard output, the last keptBytes of it.
	Stdout []byte
	// Tail holds the last lines of both streams, at most tailBytes.
	Tail []byte
	// CPU is the user and system time of the process and those it waited for.
	CPU time.Duration
}

const (
	tailBytes   = 32 << 10
	keptBytes   = 1 << 20
	reportBytes = 4 << 20
)

// CommandError says that a command failed. Its text carries the command as it
// can be pasted and the last lines that it printed.
type CommandError struct {
	Command string
	// ExitCode is the command's own, or 128+n when signal n ended it.
	ExitCode int
	Tail     string
	Err      error
}

func (e *CommandError) Error() string {
	return fmt.Sprintf("run %s: %v", e.Command, e.Err)
}

func (e *CommandError) Unwrap() error { return e.Err }

// Runner runs a command. It is the package's door to processes; [Exec] is the
// real one.
type Runner func(ctx context.Context, c Command) (Result, error)

// Exec runs c in its own process group, so that a Ctrl-C at the terminal
// reaches this program only, which then decides what its child is told. When
// ctx ends, that group gets c's Signal and, ten seconds later, c gets SIGKILL. What
// only reports gets it at once. A failure is a [*CommandError].
func Exec(ctx context.Context, c Command) (Result, error) {
	if c.Patience > 0 {
		return report(ctx, c)
	}
	return execute(ctx, c)
}

// report runs a command within its limits.
func report(ctx context.Context, c Command) (Result, error) {
	limited, end := context.WithCancelCause(ctx)
	defer end(nil)
	timer := time.AfterFunc(c.Patience, func() { end(fmt.Errorf("it did not answer within %s", c.Patience)) })
	defer timer.Stop()
	c.Signal = func() syscall.Signal { return syscall.SIGKILL }
	c.Output = &counted{to: c.Output, left: reportBytes, over: func() {
		end(fmt.Errorf("it printed more than %d MiB", reportBytes>>20))
	}}
	res, err := execute(limited, c)
	var failed *CommandError
	if cause := context.Cause(limited); cause != nil && ctx.Err() == nil && errors.As(err, &failed) {
		failed.Err, failed.Tail = cause, ""
	}
	return res, err
}

// counted calls over once more than left bytes have been written.
type counted struct {
	to   io.Writer // nil to drop them
	left int
	over func()
}

func (c *counted) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		c.over()
		return len(p), nil
	}
	if c.to == nil {
		return len(p), nil
	}
	return c.to.Write(p)
}

func execute(ctx context.Context, c Command) (Result, error) {
	// Pdeathsig is delivered when the creating thread ends, not the process:
	// the thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Env = c.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error {
		sig := syscall.SIGTERM
		if c.Signal != nil && c.Signal() != 0 {
			sig = c.Signal()
		}
		if err := syscall.Kill(-cmd.Process.Pid, sig); err != nil {
			return os.ErrProcessDone
		}
		return nil
	}
	// What a child has left running may hold its output open. On a busy machine the last
	// of it is read some time after the child has ended.
	cmd.WaitDelay = 10 * time.Second
	stdout := &lastBytes{max: keptBytes}
	tail := &lastBytes{max: tailBytes}
	out := c.Output
	if out == nil {
		out = io.Discard
	}
	// The two streams are copied by two goroutines.
	out = &guarded{to: out}
	cmd.Stdout = io.MultiWriter(stdout, tail, out)
	cmd.Stderr = io.MultiWriter(tail, out)
	err := cmd.Run()
	if ctx.Err() != nil && cmd.Process != nil {
		// What it has started and what ignored the signal, as it may itself have done.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	res := Result{Stdout: stdout.bytes(), Tail: tail.bytes()}
	if cmd.ProcessState != nil {
		res.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err == nil {
		return res, nil
	}
	return res, &CommandError{Command: c.String(), ExitCode: exitCode(err), Tail: string(res.Tail), Err: err}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if errors.Is(err, os.ErrNotExist) {
			return 127
		}
		return 126
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}

// InPlaceOf calls do while dir stands in the place of another folder, for this thread and the
// processes that it starts only (mount_namespaces(7)). kubeadm's paths of kubeconfigs and
// of manifests are fixed.
func InPlaceOf(dir, place string, do func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread is never unlocked, so it ends with the goroutine, and nobody else sees
		// its mounts.
		runtime.LockOSThread()
		done <- func() error {
			if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
				return fmt.Errorf("have kubeadm work on a copy: unshare: %w", err)
			}
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				return fmt.Errorf("have kubeadm work on a copy: mount: %w", err)
			}
			if err := unix.Mount(dir, place, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("have kubeadm work on a copy: mount %s on %s: %w", dir, place, err)
			}
			return do()
		}()
	}()
	return <-done
}
