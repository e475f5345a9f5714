package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// command makes a command that will run on the board: in its namespaces, below
// its root, in its cgroups. The calling thread enters the namespaces and is not
// given back, so the program must end after it or use few of them.
func (b *board) command(args []string, env []string) (*exec.Cmd, error) {
	if !b.alive() {
		return nil, fmt.Errorf("board %s: its process 1 is gone; see lab down", b.Name)
	}
	groups, err := findCgroups(b.Name)
	if err != nil {
		return nil, err
	}
	if err := groups.enter(unix.Gettid()); err != nil {
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
	}{{"ipc", unix.CLONE_NEWIPC}, {"uts", unix.CLONE_NEWUTS}, {"net", unix.CLONE_NEWNET}, {"cgroup", unix.CLONE_NEWCGROUP}, {"pid", unix.CLONE_NEWPID}, {"mnt", unix.CLONE_NEWNS}} {
		f, err := os.Open("/proc/" + strconv.Itoa(b.PID) + "/ns/" + ns.file)
		if err != nil {
			return nil, fmt.Errorf("enter board %s: %w", b.Name, err)
		}
		err = unix.Setns(int(f.Fd()), ns.flag)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("enter board %s: %s namespace: %w", b.Name, ns.file, err)
		}
	}
	for _, e := range append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, env...) {
		if len(e) > 5 && e[:5] == "PATH=" {
			os.Setenv("PATH", e[5:])
		}
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Args[0] = args[0]
	cmd.Dir = "/root"
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/root", "LANG=C.UTF-8", "TERM=" + os.Getenv("TERM"),
		"KUBECONFIG=/etc/kubernetes/admin.conf"}, env...)
	return cmd, nil
}

// output runs a short command on the board by way of a second lab, since the
// namespaces of this process must stay as they are.
func (b *board) output(args ...string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd := exec.Command(exe, append([]string{"run", "--name", b.Name, "--"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}

// runOn is lab run: standard streams passed on, signals too, exit code kept
// (128+n for signal n).
func runOn(b *board, args, env []string) (int, error) {
	cmd, err := b.command(args, env)
	if err != nil {
		return 1, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	if err := cmd.Start(); err != nil {
		return 1, err
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
	return 0, err
}
