package board

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
)

// mount builds the board's root folder and moves into it. All of it happens in
// the board's own mount namespace.
func (b *Board) mount(groups cgroup.Groups, slowDisk *os.File) error {
	root := filepath.Join(b.Dir, "root")
	if slowDisk != nil {
		if err := b.mountDisk(slowDisk, root); err != nil {
			return err
		}
	} else if err := unix.Mount(root, root, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s: %w", root, err)
	}
	usr := fmt.Sprintf("lowerdir=%s/lower:/usr,upperdir=%s/usr,workdir=%s/work", b.Dir, b.Dir, b.Dir)
	for _, m := range []struct {
		from, to, kind string
		flags          uintptr
		data           string
	}{
		{"overlay", "/usr", "overlay", 0, usr},
		{b.Dir + "/containerd", "/var/lib/containerd", "", unix.MS_BIND, ""},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"sysfs", "/sys", "sysfs", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC, ""},
		{"/dev", "/dev", "", unix.MS_BIND | unix.MS_REC, ""},
		{"tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
		{"tmpfs", "/tmp", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	} {
		if m.to == "/var/lib/containerd" && inFstab(root, m.to) {
			continue // the board's owner has put it elsewhere
		}
		if err := unix.Mount(m.from, root+m.to, m.kind, m.flags, m.data); err != nil {
			if m.kind == "overlay" && errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("mount the board's /usr: %w\nhint: the cache must not lie on an overlay; set "+
					"KUBEADM_ARM_CACHE to a folder on a disk", err)
			}
			return fmt.Errorf("mount the board's %s: %w", m.to, err)
		}
	}
	if err := groups.Mount(root + cgroup.Root); err != nil {
		return err
	}
	if err := shieldKernel(root); err != nil {
		return err
	}
	if b.Limits.CPUs > 0 {
		if err := showCPUs(root, groups, b.Limits.CPUs); err != nil {
			return err
		}
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

// inFstab reports whether the board's own fstab mounts something at a place.
func inFstab(root, place string) bool {
	text, _ := os.ReadFile(filepath.Join(root, "etc/fstab"))
	for _, line := range strings.Split(string(text), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[1] == place {
			return true
		}
	}
	return false
}

// kernelSettings are those of the whole machine that the kubelet sets to these
// values unless they have them (pkg/kubelet/cm/container_manager_linux.go,
// setupKernelTunables).
func kernelSettings() map[string]string {
	return map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
		"kernel/keys/root_maxkeys": "1000000", "kernel/keys/root_maxbytes": "25000000",
	}
}

// shieldKernel lays files with the kubelet's values over these settings, so
// that a board does not change how this machine behaves when it runs out of
// memory or panics.
func shieldKernel(root string) error {
	for setting, value := range kernelSettings() {
		over := filepath.Join(root, "proc/sys", setting)
		file := filepath.Join(root, "run/lab/sys", setting)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, over, "", unix.MS_BIND, ""); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("shield %s: %w", setting, err)
		}
	}
	return nil
}

// showCPUs lays the board's own CPUs over the list of those that are online: the
// kubelet takes the CPUs of its pods' cgroup from there, and ends when the board's
// cpuset does not let it have them. They are the first n, as limitCPUs sees to.
func showCPUs(root string, groups cgroup.Groups, n int) error {
	cpus, err := groups.FirstCPUs(root+cgroup.Root, n)
	if err != nil {
		return err
	}
	file := filepath.Join(root, "run/lab/online")
	if err := os.WriteFile(file, []byte(cpus+"\n"), 0o444); err != nil {
		return err
	}
	if err := unix.Mount(file, filepath.Join(root, "sys/devices/system/cpu/online"), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("show the board its CPUs: %w", err)
	}
	return nil
}
