package emulate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Image is what a board's disk is made from.
type Image struct {
	// Files, by path on the board: contents; Programs: paths on this machine.
	Files    map[string]string
	Programs map[string]string
	// Links are symbolic links, by path: what they say.
	Links map[string]string
	// Archive is one of container images, in the form of docker save, that the
	// board imports when it starts for the first time.
	Archive string
}

// diskBytes is the size of the disk; its image is sparse.
const diskBytes = 8 << 30

// Build makes the disk of a board in the file to, from the folder that
// System has returned. Where this machine cannot run the board's programs, it starts
// the board once to import the images.
func (b Board) Build(ctx context.Context, cache, system, to string, image Image) (err error) {
	work, err := os.MkdirTemp(filepath.Dir(to), "disk-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	raw := filepath.Join(work, "root.img")
	if err := b.makeDisk(ctx, cache, system, work, raw, image); err != nil {
		return fmt.Errorf("make the disk of %s: %w", b.Name, err)
	}
	if b.native() {
		return os.Rename(raw, to)
	}
	m := Machine{Board: b.maker(), Dir: work, Image: "root.img", Forget: true,
		Disks: []Disk{{Serial: "lab-images", File: image.Archive, ReadOnly: true}}}
	ended, kill, err := m.startForThis(ctx, cache)
	if err != nil {
		return err
	}
	defer kill()
	var out strings.Builder
	code, err := Run(ctx, work, Command{Args: []string{"sh", "-ec", firstStart, "sh", b.maker().Kernel, b.Kernel},
		Stdout: &out, Stderr: &out})
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d", code)
	}
	if err != nil {
		return fmt.Errorf("import the container images on %s: %w\n%s", b.Name, err, out.String())
	}
	// The board goes down under this one.
	if _, err := Run(ctx, work, Command{Args: []string{"systemctl", "poweroff"}}); err != nil &&
		!errors.Is(err, ErrBoardGone) {
		return err
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return os.Rename(raw, to)
}

// native reports whether this machine runs the board's programs.
func (b Board) native() bool { return b.GOARCH == runtime.GOARCH && b.GOARM == "" }

// importImages imports an archive below a root folder with this machine's containerd,
// as the board's own would.
func importImages(ctx context.Context, root, archive string) (err error) {
	// A socket's path has at most 107 bytes (unix(7)).
	work, err := os.MkdirTemp("", "lab-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	config, socket := filepath.Join(work, "config.toml"), filepath.Join(work, "sock")
	text := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = "+
		"[\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		filepath.Join(root, "var/lib/containerd"), filepath.Join(work, "state"), socket)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	var out strings.Builder
	daemon := exec.Command("containerd", "--config", config)
	daemon.Stdout, daemon.Stderr = &out, &out
	daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := daemon.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	for {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		select {
		case err := <-ended:
			return fmt.Errorf("containerd: %w\n%s", err, out.String())
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), daemon.Process.Kill(), <-ended)
		case <-time.After(20 * time.Millisecond):
		}
	}
	err = quietly(ctx, "ctr", "--address", socket, "--namespace", "k8s.io", "images", "import", "--all-platforms",
		archive)
	return errors.Join(err, daemon.Process.Signal(syscall.SIGTERM), <-ended)
}

// maker is the board on which the disk is started for the first time. A card's
// board takes no second disk for the archive, and an hour to import it; a newer
// CPU runs its programs as well.
func (b Board) maker() Board {
	if b.card {
		m, _ := Find("bananapi")
		return m
	}
	return b
}

// firstStart imports the images and leaves nothing of this one board. Debian's
// containerd takes every image for 32 bits for one for ARMv7 (it does not read
// the variant in an image's configuration), and would import none on ARMv6.
const firstStart = `
until ctr version >/dev/null 2>&1; do sleep 1; done
ctr -n k8s.io images import --all-platforms /dev/disk/by-id/virtio-lab-images
systemctl stop containerd
# Of another kernel than the board's own.
test "$1" = "$2" || rm -rf "/usr/lib/modules/$(uname -r)"
rm -rf /var/log/journal/* /var/lib/systemd/random-seed
: > /etc/machine-id
sync
`

// makeDisk makes the file system from the folder system and the image's files.
func (b Board) makeDisk(ctx context.Context, cache, system, work, raw string, image Image) error {
	packages, err := b.kernel(ctx, cache)
	if err != nil {
		return err
	}
	guest, err := b.Guest(ctx, cache)
	if err != nil {
		return err
	}
	root := filepath.Join(work, "root")
	if err := quietly(ctx, "cp", "-a", "--reflink=auto", system, root); err != nil {
		return err
	}
	release, err := b.addKernels(ctx, cache, packages, root)
	if err != nil {
		return err
	}
	if err := b.addFiles(ctx, packages, guest, root, release, image); err != nil {
		return err
	}
	if b.native() {
		if err := importImages(ctx, root, image.Archive); err != nil {
			return fmt.Errorf("import the container images: %w", err)
		}
	}
	f, err := os.Create(raw)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(diskBytes), f.Close()); err != nil {
		return err
	}
	// Nothing is left for the board's kernel to initialise later.
	return quietly(ctx, "mkfs.ext4", "-q", "-F", "-L", "board", "-d", root, "-O", "^metadata_csum", "-i", "32768",
		"-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0", raw)
}

// addKernels adds the modules of the board's kernel, whose release it returns, and of
// the maker's.
func (b Board) addKernels(ctx context.Context, cache, packages, root string) (release string, err error) {
	if release, err = b.addModules(ctx, packages, root); err != nil {
		return "", err
	}
	maker := b.maker()
	if maker.Kernel == b.Kernel {
		return release, nil
	}
	others, err := maker.kernel(ctx, cache)
	if err != nil {
		return "", err
	}
	_, err = b.addModules(ctx, others, root)
	return release, err
}

// addFiles puts the image's files on the root file system, and those that every board
// has.
func (b Board) addFiles(ctx context.Context, packages, guest, root, release string, image Image) error {
	// kubeadm's preflight looks there for the kernel's options.
	config := "/boot/config-" + release
	programs := map[string]string{"/usr/lib/lab/guest": guest, config: filepath.Join(packages, config)}
	maps.Copy(programs, image.Programs)
	texts := map[string]string{"/etc/systemd/system/lab-guest.service": guestUnit, "/etc/machine-id": "", "/etc/fstab": ""}
	maps.Copy(texts, image.Files)
	links := map[string]string{
		"/etc/systemd/system/sysinit.target.wants/lab-guest.service": "/etc/systemd/system/lab-guest.service",
	}
	maps.Copy(links, image.Links)

	install := func(target, from string) error { return quietly(ctx, "install", "-m", "755", from, target) }
	write := func(target, text string) error { return os.WriteFile(target, []byte(text), 0o644) }
	link := func(target, says string) error { return os.Symlink(says, target) }
	return errors.Join(addEach(root, programs, install), addEach(root, texts, write), addEach(root, links, link))
}

// addEach puts something at each path below root, in place of what is there.
func addEach(root string, all map[string]string, add func(target, what string) error) error {
	for path, what := range all {
		target := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		if err := add(target, what); err != nil {
			return err
		}
	}
	return nil
}

// guestUnit starts early, so that a board that does not come up can be asked
// why.
const guestUnit = `[Unit]
Description=Commands of lab
DefaultDependencies=no
After=systemd-udevd.service systemd-tmpfiles-setup-dev.service
Conflicts=shutdown.target

[Service]
ExecStart=/usr/lib/lab/guest serve
StandardError=journal+console
Restart=always
# What a command has left running goes on.
KillMode=process
`

// addModules puts the modules of an unpacked kernel package on the root file
// system, and returns the kernel's release.
func (b Board) addModules(ctx context.Context, packages, root string) (release string, err error) {
	from, err := one(filepath.Join(packages, "lib/modules/*"))
	if err != nil {
		return "", err
	}
	trees := filepath.Join(root, "usr/lib/modules")
	if err := os.MkdirAll(trees, 0o755); err != nil {
		return "", err
	}
	if err := quietly(ctx, "cp", "-a", from, trees); err != nil {
		return "", err
	}
	return filepath.Base(from), b.depmod(ctx, root, filepath.Base(from))
}

// depmod is the board's own where this machine has none.
func (b Board) depmod(ctx context.Context, root, release string) error {
	if _, err := exec.LookPath("depmod"); err == nil {
		return quietly(ctx, "depmod", "-b", root, release)
	}
	done, err := b.interpret()
	if err != nil {
		return err
	}
	return errors.Join(quietly(ctx, "chroot", root, "depmod", release), done())
}
