package board

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
)

// populate lays out the board's files:
//
//	root/        the root folder: etc, var, root, … ; usr comes from this machine
//	lower/       Kubernetes' programs, laid over this machine's usr
//	usr/, work/  what is changed in usr (overlay)
//	containerd/  containerd's data: a folder of its own, since its snapshots are
//	             overlays that cannot lie on another overlay
func (b *Board) populate(k kubernetes, extra []string) error {
	if err := b.makeFolders(); err != nil {
		return err
	}
	root := filepath.Join(b.Dir, "root")
	if err := copyTree(context.Background(), "/etc/.", filepath.Join(root, "etc")); err != nil {
		return err
	}
	for _, dir := range []string{"etc/kubernetes", "etc/cni", "etc/containerd"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	if err := b.installPrograms(k.programs, extra); err != nil {
		return err
	}
	if err := b.installAlso(k.also); err != nil {
		return err
	}
	if err := copyKernelConfig(root); err != nil {
		return err
	}
	files, err := b.files(k.sandboxImage)
	if err != nil {
		return err
	}
	for path, text := range files {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		// A link of the copied /etc must not lead the write out of the board.
		if err := os.RemoveAll(full); err != nil {
			return err
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			return fmt.Errorf("prepare the board: %w", err)
		}
	}
	return nil
}

// makeFolders makes the board's empty folders and links.
func (b *Board) makeFolders() error {
	root := filepath.Join(b.Dir, "root")
	dirs := []string{"../lower/bin", "../usr/bin", "../usr/local/bin", "../work", "../containerd", "etc/systemd/system",
		"proc", "sys", "dev",
		"run", "tmp", "usr", "root", "mnt", "media", "opt/cni", "home", "srv", "boot",
		"var/lib/kubelet", "var/lib/containerd",
		"var/log/pods", "var/log/containers", "var/tmp", "var/cache"}
	for _, dir := range dirs {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	links := map[string]string{"var/run": "../run", "var/lock": "../run/lock"}
	// A merged /usr: /bin is a link to usr/bin.
	for _, link := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		if to, err := os.Readlink("/" + link); err == nil {
			links[link] = to
		}
	}
	for link, to := range links {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			return err
		}
	}
	return nil
}

// files are those of the board's /etc that this machine's do not do for.
func (b *Board) files(sandboxImage string) (map[string]string, error) {
	groups, err := cgroup.Find(b.Name)
	if err != nil {
		return nil, err
	}
	c := b.Config(sandboxImage)
	if !groups.V2 {
		c = c.acceptCgroupV1()
	}
	files, err := c.Files()
	if err != nil {
		return nil, err
	}
	maps.Copy(files, b.Identity())
	files["/etc/crictl.yaml"] = CrictlConfig
	// In the board's fstab there is nothing of this machine's.
	files["/etc/fstab"] = ""
	return files, nil
}

// CrictlConfig is /etc/crictl.yaml.
const CrictlConfig = "runtime-endpoint: unix:///run/containerd/containerd.sock\n"

// installPrograms puts Kubernetes where Debian packages put it, and extra files,
// or the files of extra folders, into /usr/local/bin.
func (b *Board) installPrograms(programs string, extra []string) error {
	ours := []string{"kubeadm", "kubelet", "kubectl", "etcdctl", "etcdutl"}
	if kube.NeedsCrictl(b.Version) {
		ours = append(ours, "crictl")
	}
	for _, p := range ours {
		// A lower layer of an overlay is never written to, so a hard link does,
		// with no writeback to disturb what is measured next.
		if err := os.Link(filepath.Join(programs, p), filepath.Join(b.Dir, "lower/bin", p)); err != nil {
			return fmt.Errorf("prepare the board: %w", err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	// The board has no systemd; lab itself answers to these names.
	copies, err := ExtraPrograms(extra)
	if err != nil {
		return err
	}
	copies["usr/bin/systemctl"], copies["usr/bin/journalctl"] = exe, exe
	for to, from := range copies {
		if err := copyProgram(from, filepath.Join(b.Dir, to)); err != nil {
			return fmt.Errorf("prepare the board: %w", err)
		}
	}
	return nil
}

// AlsoFolder holds a folder for each further version on a board, with its kubeadm, kubelet and kubectl.
const AlsoFolder = "/usr/lib/kubernetes"

// installAlso lays the programs of further versions down.
func (b *Board) installAlso(also map[string]string) error {
	for version, programs := range also {
		dir := filepath.Join(b.Dir, "lower", strings.TrimPrefix(AlsoFolder, "/usr"), version)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for _, p := range []string{"kubeadm", "kubelet", "kubectl"} {
			if err := os.Link(filepath.Join(programs, p), filepath.Join(dir, p)); err != nil {
				return fmt.Errorf("prepare the board: %w", err)
			}
		}
	}
	return nil
}

// ExtraPrograms are files, and the files of folders, by where a board has them.
func ExtraPrograms(extra []string) (map[string]string, error) {
	copies := map[string]string{}
	for _, p := range extra {
		if !cache.IsDir(p) {
			copies["usr/local/bin/"+filepath.Base(p)] = p
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.Type().IsRegular() {
				copies["usr/local/bin/"+e.Name()] = filepath.Join(p, e.Name())
			}
		}
	}
	return copies, nil
}

// copyProgram copies a file, following links, and makes it executable.
func copyProgram(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// copyKernelConfig gives the board the file in which kubeadm's preflight looks
// for the kernel's options where Debian keeps it; some kernels show them in
// /proc/config.gz instead.
func copyKernelConfig(root string) error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	path := "/boot/config-" + unix.ByteSliceToString(name.Release[:])
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, path), text, 0o644)
}
