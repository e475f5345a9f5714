package board

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// Down takes a board away: its processes, mounts, namespaces, cgroups, files.
func (b *Board) Down() error {
	if err := b.EndEmulator(); err != nil {
		return err
	}
	if b.Emulated != "" {
		return os.RemoveAll(b.Dir)
	}
	if err := b.endPacer(); err != nil {
		return err
	}
	groups, err := cgroup.Find(b.Name)
	if err != nil {
		return err
	}
	if err := b.powerOff(groups); err != nil {
		return err
	}
	if err := groups.Remove(); err != nil {
		return err
	}
	var failed error
	for range 50 {
		if failed = os.RemoveAll(b.Dir); failed == nil {
			return b.leave()
		}
		if errors.Is(failed, fs.ErrPermission) {
			// Immutable folders, such as kubeadm-arm storage leaves below a mount.
			_ = exec.Command("chattr", "-R", "-f", "-i", b.Dir).Run()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("remove the files of board %s: %w", b.Name, failed)
}

// powerOff ends all processes of a board at once. Killing process 1 of a PID
// namespace makes the kernel kill all others in it; the mounts and the network
// live in namespaces that go with the last of them.
func (b *Board) powerOff(groups cgroup.Groups) error {
	if b.First.Alive() {
		if err := syscall.Kill(b.First.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end board %s: %w", b.Name, err)
		}
	}
	// The cgroups know every process of the board, also one that lab run
	// brought in from outside and whose parent is gone.
	deadline := time.Now().Add(time.Minute)
	if err := endAll(b.First, groups, deadline); err != nil {
		return fmt.Errorf("end board %s: %w", b.Name, err)
	}
	// The disk's server ends by itself when the last mount is gone. The kernel
	// unmounts behind the last process's back.
	for b.DiskServer.Alive() {
		if time.Now().After(deadline) {
			_ = syscall.Kill(b.DiskServer.PID, syscall.SIGKILL)
			return fmt.Errorf("end board %s: its disk stayed in use and was taken away", b.Name)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// endAll kills a process and all of these groups, and waits until none is left.
func endAll(first Process, groups cgroup.Groups, deadline time.Time) error {
	for {
		pids := groups.PIDs()
		if first.Alive() {
			pids = append(pids, first.PID)
		}
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v do not end", pids)
		}
		for _, pid := range pids {
			if pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// DownNamed takes the board of that name down, also when only parts of it are left.
func DownNamed(name string) error {
	dir, err := DirOf(name)
	if err != nil {
		return err
	}
	b, err := Load(name)
	if err == nil {
		return b.Down()
	}
	groups, errGroups := cgroup.Find(name)
	if errGroups != nil {
		return errGroups
	}
	if cache.IsDir(dir) || groups.Orphaned(dir) {
		// Its lab was killed before board.json was whole, or somebody has
		// removed the files of a running board.
		b = &Board{Name: name, Dir: dir}
		return b.Down()
	}
	return err
}

// downLeft takes down the boards whose owner has ended without doing so.
func downLeft() error {
	all, err := All()
	if err != nil {
		return err
	}
	var failed error
	for _, b := range all {
		if b.Owner != (Process{}) && !b.Owner.Alive() {
			progress.Log("board %s was left by a program that has ended; taking it down", b.Name)
			failed = errors.Join(failed, b.Down())
		}
	}
	return failed
}

// DownAll takes all boards down, also those of which only cgroups are left.
func DownAll() error {
	all, err := All()
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, b := range all {
		names[b.Name] = true
	}
	left, err := cgroup.Names()
	if err != nil {
		return err
	}
	for _, name := range left {
		dir, err := DirOf(name)
		if err != nil {
			continue
		}
		groups, err := cgroup.Find(name)
		if err != nil {
			return err
		}
		if !names[name] && groups.Orphaned(dir) {
			all = append(all, &Board{Name: name, Dir: dir})
		}
	}
	var failed error
	for _, b := range all {
		failed = errors.Join(failed, b.Down())
	}
	return failed
}

// EndEmulator cuts an emulated board's power: its QEMU, and one that a killed lab
// could not write down, which has the board's folder as its working directory.
func (b *Board) EndEmulator() error {
	processes, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		return err
	}
	var found []Process
	if b.Emulated != "" && b.First.Alive() {
		found = append(found, b.First)
	}
	for _, path := range processes {
		cwd, err := os.Readlink(path)
		if err != nil || cwd != b.Dir {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if pid, errPID := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && errPID == nil &&
			bytes.HasPrefix(line, []byte("qemu-system-")) {
			found = append(found, ProcessOf(pid))
		}
	}
	deadline := time.Now().Add(time.Minute)
	for _, p := range found {
		for p.Alive() {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end board %s: %w", b.Name, err)
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("end board %s: process %d does not end", b.Name, p.PID)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}
