package board

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board/supervisor"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
)

// ExitLab is the exit code of lab run when lab itself failed and not the
// command, as with docker run.
const ExitLab = 125

// boardPath is PATH on a board.
const boardPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// ready reports whether the board has moved to its own root and its supervisor
// listens. Before that, what is run in its namespaces would see this machine.
func (b *Board) ready() bool {
	_, err := os.Lstat(filepath.Join("/proc", strconv.Itoa(b.First.PID), "root", supervisor.Socket))
	return err == nil && b.First.Alive()
}

// command makes a command that will run on the board: in its namespaces, below
// its root, in its cgroups. The calling thread enters the namespaces and does
// not come back, so the program must end after it.
func (b *Board) command(args []string, env []string) (*exec.Cmd, error) {
	if !b.ready() {
		return nil, fmt.Errorf("board %s: it does not run\nhint: lab reboot or lab down --name %s", b.Name, b.Name)
	}
	groups, err := cgroup.Find(b.Name)
	if err != nil {
		return nil, err
	}
	if err := groups.Enter(os.Getpid()); err != nil {
		return nil, err
	}
	// A thread that shares its root folder with others cannot change its mount
	// namespace (setns(2)).
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return nil, fmt.Errorf("enter board %s: %w", b.Name, err)
	}
	for _, ns := range []struct {
		file string
		flag int
	}{{"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS}, {"net", unix.CLONE_NEWNET}, {"cgroup",
		unix.CLONE_NEWCGROUP}, {"pid", unix.CLONE_NEWPID}, {"mnt", unix.CLONE_NEWNS}} {
		f, err := os.Open("/proc/" + strconv.Itoa(b.First.PID) + "/ns/" + ns.file)
		if err != nil {
			return nil, fmt.Errorf("enter board %s: %w", b.Name, err)
		}
		err = unix.Setns(int(f.Fd()), ns.flag)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("enter board %s: %s namespace: %w", b.Name, ns.file, err)
		}
	}
	path := boardPath
	for _, e := range env {
		if p, ok := strings.CutPrefix(e, "PATH="); ok {
			path = p
		}
	}
	// exec.LookPath looks there.
	if err := os.Setenv("PATH", path); err != nil {
		return nil, err
	}
	program, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Dir = "/root"
	cmd.Env = append([]string{"PATH=" + path, "HOME=/root", "LANG=C.UTF-8", "TERM=" + os.Getenv("TERM"),
		"KUBECONFIG=/etc/kubernetes/admin.conf"}, env...)
	return cmd, nil
}

// output runs a short command on the board by way of a second lab, since the
// namespaces of this process must stay as they are.
func (b *Board) output(ctx context.Context, args ...string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, exe, append([]string{"run", "--name", b.Name, "--"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	// lab run passes it on.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	return out.String(), err
}

// Run is lab run: standard streams and signals passed on, exit code kept
// (128+n for signal n, 127 for a command that is not there).
func (b *Board) Run(args, env []string) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1,
		syscall.SIGUSR2, syscall.SIGWINCH)
	cmd, err := b.command(args, env)
	if errors.Is(err, exec.ErrNotFound) {
		return 127, err
	}
	if err != nil {
		return ExitLab, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// In a process group of its own the command gets each signal once: on a
	// terminal from the terminal, else passed on from here.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if foreground(os.Stdin) {
		cmd.SysProcAttr.Foreground = true
		cmd.SysProcAttr.Ctty = int(os.Stdin.Fd())
		// Handing the terminal back from the background would stop lab.
		signal.Ignore(syscall.SIGTTOU)
		defer func() { _ = unix.IoctlSetPointerInt(int(os.Stdin.Fd()), unix.TIOCSPGRP, unix.Getpgrp()) }()
	}
	if err := cmd.Start(); err != nil {
		return ExitLab, fmt.Errorf("run %s on board %s: %w", strings.Join(args, " "), b.Name, err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return 128 + int(ws.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	if err != nil {
		return ExitLab, err
	}
	return 0, nil
}

// foreground reports whether f is the terminal that this process reads from.
func foreground(f *os.File) bool {
	group, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
