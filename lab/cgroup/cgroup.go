// Package cgroup is the control groups of a board, with cgroup v1 and v2: it makes and
// limits them, finds the processes in them, and mounts them on the board.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
)

// Root is where the kernel's hierarchies are mounted.
const Root = "/sys/fs/cgroup"

// Groups are the control groups of a board: one folder per hierarchy with
// cgroup v1, one in all with v2.
type Groups struct {
	Name string
	V2   bool
	// mounts are the hierarchies' mount points on the host, v1 only.
	mounts []hierarchy
}

// hierarchy is one mounted v1 hierarchy.
type hierarchy struct {
	Dir     string // "cpu,cpuacct"
	Options string // mount options that name it
}

// Find returns the groups of a board, which need not exist yet.
func Find(board string) (Groups, error) {
	c := Groups{Name: "kubeadm-arm-lab-" + board}
	var fsinfo unix.Statfs_t
	if err := unix.Statfs(Root, &fsinfo); err != nil {
		return c, fmt.Errorf("look at %s: %w", Root, err)
	}
	if fsinfo.Type == unix.CGROUP2_SUPER_MAGIC {
		c.V2 = true
		return c, nil
	}
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return c, err
	}
	c.mounts = parseHierarchies(string(text))
	if len(c.mounts) == 0 {
		return c, errors.New("no cgroup hierarchy is mounted below " + Root)
	}
	return c, nil
}

// parseHierarchies finds the v1 hierarchies mounted right below /sys/fs/cgroup
// in the form of /proc/self/mounts (proc_pid_mounts(5)). One that is mounted
// twice counts once.
func parseHierarchies(mounts string) []hierarchy {
	var all []hierarchy
	for _, line := range strings.Split(mounts, "\n") {
		f := strings.Fields(line)
		if len(f) < 4 || f[2] != "cgroup" || filepath.Dir(f[1]) != Root {
			continue
		}
		var options []string
		for _, o := range strings.Split(f[3], ",") {
			if strings.HasPrefix(o, "name=") {
				// A hierarchy without a controller, such as systemd's.
				options = append(options, "none", o)
				continue
			}
			switch o {
			case "rw", "ro", "relatime", "nosuid", "nodev", "noexec", "xattr", "clone_children", "noprefix":
			default:
				if !strings.HasPrefix(o, "release_agent=") {
					options = append(options, o)
				}
			}
		}
		h := hierarchy{filepath.Base(f[1]), strings.Join(options, ",")}
		if !slices.Contains(all, h) {
			all = append(all, h)
		}
	}
	return all
}

// Dirs are the board's folders on the host.
func (c Groups) Dirs() []string {
	if c.V2 {
		return []string{filepath.Join(Root, c.Name)}
	}
	var all []string
	for _, m := range c.mounts {
		all = append(all, filepath.Join(Root, m.Dir, c.Name))
	}
	return all
}

// Dir is the board's folder of a controller, empty without one.
func (c Groups) Dir(controller string) string {
	if c.V2 {
		return c.Dirs()[0]
	}
	for _, m := range c.mounts {
		if slices.Contains(strings.Split(m.Options, ","), controller) {
			return filepath.Join(Root, m.Dir, c.Name)
		}
	}
	return ""
}

// Create makes the groups.
func (c Groups) Create() error {
	if c.V2 {
		if err := handDown(Root); err != nil {
			return fmt.Errorf("hand the controllers down: %w", err)
		}
	}
	for _, dir := range c.Dirs() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make a cgroup: %w", err)
		}
		if filepath.Base(filepath.Dir(dir)) == "cpuset" {
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, file), value, 0)
				}
				if err != nil {
					return fmt.Errorf("set up the cpuset: %w", err)
				}
			}
		}
	}
	return nil
}

// Enter puts a process into the board's groups.
func (c Groups) Enter(pid int) error {
	for _, dir := range c.Dirs() {
		if leaf := filepath.Join(dir, initGroup); c.V2 && cache.IsDir(leaf) {
			// A v2 group that hands controllers on may hold no process itself;
			// the board has made a leaf for its own by then.
			dir = leaf
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("enter the board's cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// CPUSeconds is the CPU time that the board has used so far.
func (c Groups) CPUSeconds() float64 {
	if c.V2 {
		text, _ := os.ReadFile(filepath.Join(c.Dirs()[0], "cpu.stat"))
		for _, line := range strings.Split(string(text), "\n") {
			if rest, ok := strings.CutPrefix(line, "usage_usec "); ok {
				n, _ := strconv.ParseFloat(rest, 64)
				return n / 1e6
			}
		}
		return 0
	}
	text, _ := os.ReadFile(filepath.Join(c.Dir("cpuacct"), "cpuacct.usage"))
	n, _ := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	return n / 1e9
}

// MemoryBytes is what the board uses now.
func (c Groups) MemoryBytes() int64 {
	file := filepath.Join(c.Dir("memory"), "memory.usage_in_bytes")
	if c.V2 {
		file = filepath.Join(c.Dirs()[0], "memory.current")
	}
	text, _ := os.ReadFile(file)
	n, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// PIDs are all processes of the board, of every group below its own.
func (c Groups) PIDs() []int {
	seen := map[int]bool{}
	for _, dir := range c.Dirs() {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil
			}
			text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			for _, f := range strings.Fields(string(text)) {
				if n, err := strconv.Atoi(f); err == nil {
					seen[n] = true
				}
			}
			return nil
		})
	}
	var all []int
	for pid := range seen {
		all = append(all, pid)
	}
	sort.Ints(all)
	return all
}

// Remove takes the groups away, the deepest first. They must hold no process.
func (c Groups) Remove() error {
	var failed error
	for _, top := range c.Dirs() {
		var dirs []string
		_ = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for i := len(dirs) - 1; i >= 0; i-- {
			if err := rmdirPatiently(dirs[i]); err != nil {
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}

// rmdirPatiently removes a cgroup, which can be busy for a moment after its
// last process has ended.
func rmdirPatiently(dir string) error {
	var err error
	for range 50 {
		if err = os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("remove a cgroup: %w", err)
}

// initGroup is the leaf that holds a v2 board's own processes.
const initGroup = "init"

// Mount mounts the hierarchies afresh: in the new cgroup namespace the
// board's own group is their root, as the kubelet expects of a machine.
func (c Groups) Mount(at string) error {
	if c.V2 {
		if err := unix.Mount("cgroup2", at, "cgroup2", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("mount cgroup2: %w", err)
		}
		leaf := filepath.Join(at, initGroup)
		if err := os.Mkdir(leaf, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte("1"), 0); err != nil {
			return fmt.Errorf("enter the board's leaf cgroup: %w", err)
		}
		return handDown(at)
	}
	if err := unix.Mount("tmpfs", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=755"); err != nil {
		return fmt.Errorf("mount %s: %w", at, err)
	}
	for _, h := range c.mounts {
		dir := filepath.Join(at, h.Dir)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", dir, "cgroup", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC,
			h.Options); err != nil {
			return fmt.Errorf("mount cgroup %s: %w", h.Options, err)
		}
	}
	return nil
}

// handDown lets the groups below a v2 group have all its controllers.
func handDown(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(text)) {
		// One by one: those that cannot be handed down are not needed either,
		// and limit says so when one is.
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0)
	}
	return nil
}
