package kubeadm

import (
	"bytes"
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
}

// String is the command ready to paste into a shell, but for the values of
// secret flags: errors are shown and kept.
func (c Command) String() string {
	words := []string{shell.Quote(c.Path)}
	hide := false
	for _, a := range c.Args {
		name, _, joined := strings.Cut(a, "=")
		secret := name == "--token" || name == "--certificate-key"
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
	Stdout []byte
	// Tail holds the last lines of both streams, at most tailBytes.
	Tail []byte
	// CPU is the user and system time of the process and those it waited for.
	CPU time.Duration
}

const tailBytes = 32 << 10

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
// ctx ends, c gets its Signal and, ten seconds later, SIGKILL. A failure is a
// [*CommandError].
func Exec(ctx context.Context, c Command) (Result, error) {
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
		return cmd.Process.Signal(sig)
	}
	cmd.WaitDelay = 10 * time.Second
	var stdout bytes.Buffer
	tail := &lastBytes{max: tailBytes}
	out := c.Output
	if out == nil {
		out = io.Discard
	}
	// The two streams are copied by two goroutines.
	out = &guarded{to: out}
	cmd.Stdout = io.MultiWriter(&stdout, tail, out)
	cmd.Stderr = io.MultiWriter(tail, out)
	err := cmd.Run()
	res := Result{Stdout: stdout.Bytes(), Tail: tail.bytes()}
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
