package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// inside is the board's process 1. It finishes the namespaces, becomes root of
// the board's files, starts the supervisor and then only takes in orphans.
func inside(name string) error {
	b, err := loadBoard(name)
	if err != nil {
		return err
	}
	groups, err := findCgroups(name)
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
	if err := unix.Sethostname([]byte(name)); err != nil {
		return fmt.Errorf("set the hostname: %w", err)
	}
	if err := b.mount(groups); err != nil {
		return err
	}
	if err := b.network(); err != nil {
		return err
	}
	return reap("/usr/bin/systemctl", "supervise")
}

// mount builds the board's root folder and moves into it. All of it happens in
// the board's own mount namespace.
func (b *board) mount(groups cgroups) error {
	root := filepath.Join(b.dir, "root")
	type mount struct {
		from, to, kind string
		flags          uintptr
		data           string
	}
	mounts := []mount{
		{"", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{root, root, "", unix.MS_BIND, ""},
		{"overlay", root + "/usr", "overlay", 0, "lowerdir=/usr,upperdir=" + b.dir + "/usr,workdir=" + b.dir + "/work"},
		{b.dir + "/containerd", root + "/var/lib/containerd", "", unix.MS_BIND, ""},
		{"proc", root + "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"sysfs", root + "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"/dev", root + "/dev", "", unix.MS_BIND | unix.MS_REC, ""},
		{"tmpfs", root + "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		{"tmpfs", root + "/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	}
	for _, m := range mounts {
		if err := unix.Mount(m.from, m.to, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.to, err)
		}
	}
	if err := mountCgroups(groups, root+cgroupRoot); err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	// pivot_root(2), "pivot_root(".", ".")": the old root ends up on top of the
	// new one and is taken away from there.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// Kubernetes mounts with propagation; a board's root is shared, as
	// systemd makes it.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// mountCgroups mounts the hierarchies afresh: in the new cgroup namespace the
// board's own group is their root, as the kubelet expects of a machine.
func mountCgroups(groups cgroups, at string) error {
	if groups.v2 {
		if err := unix.Mount("cgroup2", at, "cgroup2", 0, ""); err != nil {
			return fmt.Errorf("mount cgroup2: %w", err)
		}
		leaf := filepath.Join(at, initGroup)
		if err := os.Mkdir(leaf, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte("1"), 0); err != nil {
			return fmt.Errorf("enter the board's leaf cgroup: %w", err)
		}
		text, err := os.ReadFile(filepath.Join(at, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for _, c := range strings.Fields(string(text)) {
			_ = os.WriteFile(filepath.Join(at, "cgroup.subtree_control"), []byte("+"+c), 0)
		}
		return nil
	}
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", at, err)
	}
	for _, h := range groups.mounts {
		dir := filepath.Join(at, h.Dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", dir, "cgroup", 0, h.Options); err != nil {
			return fmt.Errorf("mount cgroup %s: %w", h.Options, err)
		}
	}
	return nil
}

// network gives the board one interface with its address and a default route
// that leads nowhere but satisfies whoever looks for one. It is a bridge
// because kernels of small virtual machines lack the dummy interface.
func (b *board) network() error {
	for _, args := range [][]string{
		{"ip", "link", "set", "lo", "up"},
		{"ip", "link", "add", "eth0", "type", "bridge"},
		{"ip", "addr", "add", b.NodeIP + "/24", "dev", "eth0"},
		{"ip", "link", "set", "eth0", "up"},
		{"ip", "route", "add", "default", "via", b.NodeIP, "dev", "eth0"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("set up the network: %s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	for path, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward": "1",
		// Without these two the board's own addresses would not answer
		// through the bridge of the pods.
		"/proc/sys/net/ipv4/conf/all/rp_filter":     "0",
		"/proc/sys/net/ipv4/conf/default/rp_filter": "0",
	} {
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			return fmt.Errorf("set %s: %w", path, err)
		}
	}
	return nil
}

// reap starts a program and takes in every orphan until it ends: the duty of a
// process 1. It does nothing else, because waiting for all children would take
// their exit codes away from whoever started them.
func reap(path string, args ...string) error {
	proc, err := os.StartProcess(path, append([]string{path}, args...), &os.ProcAttr{
		Env:   []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"},
		Files: []*os.File{nil, os.Stdout, os.Stderr},
	})
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err == unix.EINTR {
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
