package board

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
)

// Inside is the board's process 1. It finishes the namespaces, becomes root of
// the board's files, starts the supervisor and then only takes in orphans.
func Inside(args []string) error {
	if len(args) != 1 {
		return errors.New("inside: want the board's folder")
	}
	b, err := Read(args[0])
	if err != nil {
		return err
	}
	groups, err := cgroup.Find(b.Name)
	if err != nil {
		return err
	}
	// File 3 is the pipe on which the other side says that the cgroups are set.
	ready := os.NewFile(3, "ready")
	if n, err := ready.Read(make([]byte, 1)); n != 1 {
		return fmt.Errorf("wait for the cgroups: %w", err)
	}
	ready.Close()
	// Namespaces belong to threads. This one is the process's first (main.go's
	// init), the one that /proc/PID/ns shows and whose children inherit.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("unshare the cgroup namespace: %w", err)
	}
	if err := unix.Sethostname([]byte(b.Name)); err != nil {
		return fmt.Errorf("set the hostname: %w", err)
	}
	// The host stays as it was, whatever is mounted from here on.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	var disk *os.File
	if b.Disk.Slow() {
		disk = os.NewFile(4, "/dev/fuse")
	}
	if err := b.mount(groups, disk); err != nil {
		return err
	}
	if err := b.network(); err != nil {
		return err
	}
	return reap("/proc/self/exe", "supervise")
}

// reap starts a program and takes in every orphan until it ends: the duty of a
// process 1. It does nothing else, because waiting for all children would take
// their exit codes away from whoever started them.
func reap(path string, args ...string) error {
	proc, err := os.StartProcess(path, append([]string{"lab"}, args...), &os.ProcAttr{
		Env:   []string{"PATH=" + boardPath, "HOME=/root", "LANG=C.UTF-8"},
		Files: []*os.File{nil, os.Stdout, os.Stderr},
	})
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if pid == proc.Pid {
			return fmt.Errorf("the supervisor ended: %v", status)
		}
	}
}
