// Package users finds who works in a folder, under whatever name it is reached.
package users

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// A User is who works in a folder: a process, or something of the kernel's.
type User struct {
	PID  int
	Name string
	// how reports what it has of the folder, empty for an open file.
	how string
}

func (u User) String() string {
	text := u.Name
	if u.PID != 0 {
		text = fmt.Sprintf("%s (pid %d)", u.Name, u.PID)
	}
	if u.how != "" {
		text += ", " + u.how
	}
	return text
}

// Of are those who work in a folder: processes that have something of it open,
// mapped, or as their working or root folder, and mounts of it, in any mount
// namespace. They are found by device and inode, not by path: a container or a
// service has the folder under another name.
func Of(ctx context.Context, proc, folder string, on *mountinfo.Info) ([]User, error) {
	if !durable.Exists(folder) {
		return nil, nil
	}
	inodes := map[tree.Inode]bool{}
	err := tree.Walk(ctx, folder, func(e tree.Entry) error {
		inodes[tree.InodeOf(&e.Stat)] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look who uses %s: %w", folder, err)
	}
	all := kernelUsers(folder)
	namespaces := map[string]bool{}
	for _, pid := range PIDs(proc) {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		if pid != os.Getpid() && hasOpen(dir, inodes) {
			all = append(all, User{PID: pid, Name: Comm(dir)})
			continue
		}
		ns, err := os.Readlink(filepath.Join(dir, "ns/mnt"))
		if err != nil || namespaces[ns] {
			continue
		}
		namespaces[ns] = true
		if at := mountsOf(dir, on, folder); at != "" {
			how := "which has it mounted at " + at + " in its mount namespace"
			if pid == os.Getpid() {
				all = append(all, User{Name: "the mount " + at})
				continue
			}
			all = append(all, User{PID: pid, Name: Comm(dir), how: how})
		}
	}
	return all, nil
}

func PIDs(proc string) []int {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

func Comm(dir string) string {
	text, err := safefile.Read(filepath.Join(dir, "comm"), 4096)
	if err != nil {
		return "a process"
	}
	return strings.TrimSpace(string(text))
}

// hasOpen looks at the links in /proc/PID (proc_pid_fd(5) and others). They lead
// to the file itself, in whatever namespace its path is.
func hasOpen(dir string, inodes map[tree.Inode]bool) bool {
	links := []string{"cwd", "root", "exe"}
	for _, more := range []string{"fd", "map_files"} {
		entries, _ := os.ReadDir(filepath.Join(dir, more))
		for _, e := range entries {
			links = append(links, filepath.Join(more, e.Name()))
		}
	}
	return slices.ContainsFunc(links, func(l string) bool {
		var s unix.Stat_t
		return unix.Stat(filepath.Join(dir, l), &s) == nil && inodes[tree.InodeOf(&s)]
	})
}

// mountsOf is where a process's mounts show a folder, or something in it, under
// another name than its own; empty for nowhere.
func mountsOf(dir string, on *mountinfo.Info, folder string) string {
	f, err := os.Open(filepath.Join(dir, "mountinfo"))
	if err != nil || on == nil {
		return ""
	}
	defer f.Close()
	all, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return ""
	}
	root := filepath.Join(on.Root, strings.TrimPrefix(folder, on.Mountpoint))
	for _, i := range all {
		same := i.Major == on.Major && i.Minor == on.Minor && tree.Inside(i.Root, root)
		if i.Mountpoint != folder && (same || Overlays(i, folder)) {
			return i.Mountpoint
		}
	}
	return ""
}

// Overlays reports whether an overlay has its layers in a folder
// (Documentation/filesystems/overlayfs.rst).
func Overlays(i *mountinfo.Info, folder string) bool {
	if i.FSType != "overlay" {
		return false
	}
	for option := range strings.SplitSeq(i.VFSOptions, ",") {
		name, value, _ := strings.Cut(option, "=")
		if !slices.Contains([]string{"lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir"}, name) {
			continue
		}
		for layer := range strings.SplitSeq(value, ":") {
			if tree.Inside(layer, folder) {
				return true
			}
		}
	}
	return false
}

// kernelUsers are loop devices and swap files in a folder, which no process has
// open.
func kernelUsers(folder string) []User {
	var all []User
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, f := range files {
		if text, err := safefile.Read(f, 4096); err == nil && tree.Inside(strings.TrimSpace(string(text)), folder) {
			all = append(all, User{Name: "/dev/" + strings.Split(f, "/")[3]})
		}
	}
	text, _ := safefile.Read("/proc/swaps", 1<<20)
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(line, " "); tree.Inside(linux.Unescape(name), folder) {
			all = append(all, User{Name: "the swap file " + name})
		}
	}
	return all
}
