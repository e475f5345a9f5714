package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// disk is what /disk.json says: the modules to load, in order, by their names
// below /modules, and where the system is. What lies below /files is copied to
// it.
type disk struct {
	Modules []string `json:"modules"`
	// Root is the disk's serial number; what names the kernel gives depends on
	// what other disks there are. An SD card has none: there it is the name.
	Root string `json:"root"`
	// Clock is the time in seconds, on boards that forget it with their power. Their
	// owners have NTP.
	Clock int64 `json:"clock"`
}

// goOnWithDisk loads what the kernel needs for its disk, mounts it and becomes
// the init there.
func goOnWithDisk() error {
	text, err := os.ReadFile("/disk.json")
	if err != nil {
		return err
	}
	var d disk
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("read /disk.json: %w", err)
	}
	if d.Clock > 0 {
		now := syscall.NsecToTimeval(d.Clock * 1e9)
		if err := syscall.Settimeofday(&now); err != nil {
			return fmt.Errorf("set the clock: %w", err)
		}
	}
	for _, m := range d.Modules {
		if err := loadModule(filepath.Join("/modules", m)); err != nil {
			return err
		}
	}
	const root = "/newroot"
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	deadline := time.Now().Add(time.Minute)
	for {
		if err = mountDisk(d.Root, root); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("mount disk %s: %w", d.Root, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := copyFiles("/files", root); err != nil {
		return err
	}
	// They would keep their memory.
	for _, path := range []string{"/modules", "/files", "/init", "/disk.json"} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	// systemd makes its own of these.
	for _, m := range []string{"/tmp", "/run"} {
		if err := syscall.Unmount(m, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", m, err)
		}
	}
	for _, m := range []string{"/dev", "/sys", "/proc"} {
		if err := syscall.Mount(m, root+m, "", syscall.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", m, err)
		}
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := syscall.Mount(root, "/", "", syscall.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s: %w", root, err)
	}
	if err := syscall.Chroot("."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	path := "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
	return fmt.Errorf("start init: %w", syscall.Exec("/sbin/init", []string{"/sbin/init"}, []string{path}))
}

// mountDisk mounts the disk with that serial number or name.
func mountDisk(serial, at string) error {
	if _, err := os.Stat("/sys/block/" + serial); err == nil {
		return syscall.Mount("/dev/"+serial, at, "ext4", 0, "")
	}
	names, err := filepath.Glob("/sys/block/*/serial")
	if err != nil {
		return err
	}
	for _, n := range names {
		if text, err := os.ReadFile(n); err == nil && strings.TrimSpace(string(text)) == serial {
			return syscall.Mount("/dev/"+filepath.Base(filepath.Dir(n)), at, "ext4", 0, "")
		}
	}
	return errors.New("there is none")
}

// copyFiles copies the files below from to the same places below to.
func copyFiles(from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return nil
	}
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		if e.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		// Not through a link, and whatever the mode was.
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		return os.WriteFile(target, text, info.Mode().Perm())
	})
}

// loadModule is finit_module(2).
func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	none := []byte{0}
	_, _, errno := syscall.Syscall(finitModule, f.Fd(), uintptr(unsafe.Pointer(&none[0])), 0)
	if errno != 0 && errno != syscall.EEXIST {
		return fmt.Errorf("load %s: %w", path, errno)
	}
	return nil
}
