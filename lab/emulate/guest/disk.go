package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"
)

// disk is what /disk.json says: the modules to load, in order, by their names
// below /modules, and where the system is.
type disk struct {
	Modules []string `json:"modules"`
	Root    string   `json:"root"` // /dev/vda
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
		err = syscall.Mount(d.Root, root, "ext4", 0, "")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("mount %s: %w", d.Root, err)
		}
		time.Sleep(20 * time.Millisecond)
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
	return fmt.Errorf("start init: %w", syscall.Exec("/sbin/init", []string{"/sbin/init"}, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}))
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
