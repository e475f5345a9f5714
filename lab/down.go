package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// down takes a board away: its processes, mounts, namespaces, cgroups, files.
func down(b *board) error {
	if err := endEmulator(b); err != nil {
		return err
	}
	if b.whole() {
		return os.RemoveAll(b.dir)
	}
	if err := b.endPacer(); err != nil {
		return err
	}
	groups, err := findCgroups(b.Name)
	if err != nil {
		return err
	}
	if err := b.powerOff(groups); err != nil {
		return err
	}
	if err := groups.remove(); err != nil {
		return err
	}
	var failed error
	for range 50 {
		if failed = os.RemoveAll(b.dir); failed == nil {
			return nil
		}
		if errors.Is(failed, fs.ErrPermission) {
			// Immutable folders, such as kubeadm-arm storage leaves below a mount.
			_ = exec.Command("chattr", "-R", "-f", "-i", b.dir).Run()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("remove the files of board %s: %w", b.Name, failed)
}

// powerOff ends all processes of a board at once. Killing process 1 of a PID
// namespace makes the kernel kill all others in it; the mounts and the network
// live in namespaces that go with the last of them.
func (b *board) powerOff(groups cgroups) error {
	if b.First.alive() {
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
	for b.DiskServer.alive() {
		if time.Now().After(deadline) {
			_ = syscall.Kill(b.DiskServer.PID, syscall.SIGKILL)
			return fmt.Errorf("end board %s: its disk stayed in use and was taken away", b.Name)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// endAll kills a process and all of these groups, and waits until none is left.
func endAll(first process, groups cgroups, deadline time.Time) error {
	for {
		pids := groups.pids()
		if first.alive() {
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

func downNamed(name string) error {
	dir, err := boardDir(name)
	if err != nil {
		return err
	}
	b, err := loadBoard(name)
	if err == nil {
		return down(b)
	}
	groups, errGroups := findCgroups(name)
	if errGroups != nil {
		return errGroups
	}
	if isDir(dir) || groups.orphaned(dir) {
		// Its lab was killed before board.json was whole, or somebody has
		// removed the files of a running board.
		return down(&board{Name: name, dir: dir})
	}
	return err
}

// downLeft takes down the boards whose owner has ended without doing so.
func downLeft() error {
	all, err := boards()
	if err != nil {
		return err
	}
	var failed error
	for _, b := range all {
		if b.Owner != (process{}) && !b.Owner.alive() {
			say("board %s was left by a program that has ended; taking it down", b.Name)
			failed = errors.Join(failed, down(b))
		}
	}
	return failed
}

func downAll() error {
	all, err := boards()
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, b := range all {
		names[b.Name] = true
	}
	left, err := cgroupNames()
	if err != nil {
		return err
	}
	for _, name := range left {
		dir, err := boardDir(name)
		if err != nil {
			continue
		}
		groups, err := findCgroups(name)
		if err != nil {
			return err
		}
		if !names[name] && groups.orphaned(dir) {
			all = append(all, &board{Name: name, dir: dir})
		}
	}
	var failed error
	for _, b := range all {
		failed = errors.Join(failed, down(b))
	}
	return failed
}

// reboot cuts the power and starts the board again with the files it had. What
// was written but not yet synced is still there afterwards, because the host's
// page cache keeps its power.
func reboot(ctx context.Context, b *board) error {
	groups, err := findCgroups(b.Name)
	if err != nil {
		return err
	}
	known, err := b.readPace()
	if err != nil {
		return err
	}
	if err := b.endPacer(); err != nil {
		return err
	}
	if err := b.powerOff(groups); err != nil {
		return err
	}
	if err := groups.remove(); err != nil {
		return err
	}
	say("starting board %s", b.Name)
	if err := b.boot(ctx, groups); err != nil {
		return err
	}
	limits := b.Limits
	if known != nil {
		limits.CPU = known.Quota
	}
	if err := groups.limit(limits); err != nil {
		return err
	}
	if known != nil {
		if err := b.startPacer(); err != nil {
			return err
		}
	}
	// Its cgroups are new and count from nothing.
	b.CPUSecondsAtUp, b.WrittenBytesAtUp = groups.cpuSeconds(), writtenBytes(groups.pids())
	if err := b.save(); err != nil {
		return err
	}
	say("board %s is up again", b.Name)
	return nil
}
