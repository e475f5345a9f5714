package storage

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// A Runner runs one of the board's programs and returns what it prints. It is
// the only way that this package starts programs.
type Runner func(ctx context.Context, name string, args ...string) ([]byte, error)

// Exec runs programs for real. A program ends with us, also when we are killed:
// a cp(1) left behind would write into what the next run makes anew.
func Exec(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin:/usr/bin:/bin")
	if path, err := lookPath(name); err == nil {
		cmd.Path, cmd.Err = path, nil
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// The parent of PR_SET_PDEATHSIG is the thread, not the process (prctl(2)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return out.Bytes(), &CommandError{Command: strings.Join(append([]string{name}, args...), " "), Said: strings.TrimSpace(said.String()), Err: err}
	}
	return out.Bytes(), nil
}

// lookPath looks also where an unprivileged PATH does not lead.
func lookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if info, err := os.Stat(dir + name); err == nil && info.Mode().IsRegular() {
			return dir + name, nil
		}
	}
	return "", exec.ErrNotFound
}

// A CommandError is a program that failed.
type CommandError struct {
	// Command can be pasted, Said is what it wrote to standard error.
	Command, Said string
	Err           error
}

func (e *CommandError) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("%s: %v", e.Command, e.Err)
	}
	lines := strings.Split(e.Said, "\n")
	return fmt.Sprintf("%s: %v: %s", e.Command, e.Err, strings.Join(lines[max(0, len(lines)-3):], "; "))
}

// Unwrap also knows a full or read-only disk by the program's words: cp(1) has no
// exit code for it.
func (e *CommandError) Unwrap() []error {
	all := []error{e.Err}
	for words, errno := range map[string]error{"No space left on device": syscall.ENOSPC, "Read-only file system": syscall.EROFS, "Input/output error": syscall.EIO, "Disk quota exceeded": syscall.EDQUOT} {
		if strings.Contains(e.Said, words) {
			all = append(all, errno)
		}
	}
	return all
}
