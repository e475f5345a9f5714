package emulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startPatience is for a board to start, on a busy machine.
const startPatience = 2 * time.Hour

// grace is for a program that was asked to end.
const grace = 30 * time.Second

// rootSerial is the serial number of the disk with the root file system.
const rootSerial = "lab-root"

// Disk is one more disk of a board.
type Disk struct {
	Serial string // the board sees /dev/disk/by-id/virtio-SERIAL
	File   string // a raw image; relative to the board's folder
	// ReadOnly keeps the board from changing the file.
	ReadOnly bool
}

// Machine is a board with a disk: a root file system on a disk, and systemd.
type Machine struct {
	Board Board
	// Dir is the folder with the board's files. Run finds its ports there.
	Dir string
	// Image is the raw image of the disk, in Dir, while that is made; else the disk is
	// the one that MakeRoot has made.
	Image string
	Disks []Disk
	// Files and Programs are put on the root file system before it starts:
	// contents, and paths on this machine, by path on the board.
	Files    map[string][]byte
	Programs map[string]string
	// Cores and Memory, in bytes, are the board's own where they are 0.
	Cores  int
	Memory int64
	// Dilation is how many seconds here one second on the board takes; 0 is 1.
	Dilation int
	// Count is how many nanoseconds of the board's time an instruction takes, a power
	// of two; 0 leaves the board the host's clock, unless it has none but a counted one.
	Count int
	// Clock is what the battery clock says at the start, such as
	// "2028-01-05T10:00:00" in UTC; empty for the time here.
	Clock string
	// Forget says that nothing needs to outlive this machine's power.
	Forget bool
	// resumed says that the board goes on from a saved state.
	resumed bool
}

// Prepare writes what QEMU needs into the board's folder, and returns the
// command that starts the board.
func (m Machine) Prepare(ctx context.Context, cache string) (*exec.Cmd, error) {
	b := m.Board
	if b.withDisk == nil {
		return nil, fmt.Errorf("board %s: QEMU cannot give it a disk", b.Name)
	}
	packages, err := b.kernel(ctx, cache)
	if err != nil {
		return nil, err
	}
	initramfs, err := m.initramfs(ctx, cache, packages)
	if err != nil {
		return nil, fmt.Errorf("make the first root file system of %s: %w", b.Name, err)
	}
	kernel, err := one(filepath.Join(packages, "boot", "vmlinuz-*"))
	if err != nil {
		return nil, err
	}
	for i := range ports {
		if err := os.Remove(filepath.Join(m.Dir, portName(i))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	cacheMode := "writeback"
	if m.Forget {
		cacheMode = "unsafe"
	}
	count := m.count()
	args := slices.Clone(b.withDisk)
	if count > 0 {
		args = append(args, countedArguments(count)...)
	} else {
		args = append(args, "-accel", "tcg,thread=multi")
	}
	args = append(args, "-smp", strconv.Itoa(m.cores()), "-m", m.memory(), "-display", "none", "-monitor", "none",
		"-nic", "none")
	if m.Clock != "" {
		args = append(args, "-rtc", "base="+m.Clock)
	}
	if m.Dilation > 1 {
		if args, err = m.dilated(ctx, args); err != nil {
			return nil, err
		}
	}
	args = append(args,
		// A board that starts again by itself would leave lab waiting for the end of
		// commands that are gone.
		"-no-reboot", "-kernel", kernel, "-initrd", initramfs,
		"-chardev", "socket,id=console,path=console,server=on,wait=off,logfile=console.log,logappend=on")
	if b.card {
		more, err := m.cardArguments(packages, m.drive(cacheMode))
		if err != nil {
			return nil, err
		}
		args = append(args, more...)
	} else {
		args = append(args, m.virtioArguments(cacheMode)...)
	}
	cmd := exec.Command(b.system(), args...)
	// Paths of sockets are short; the folder's is not always.
	cmd.Dir = m.Dir
	// A terminal's signals are not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd, nil
}

// startForThis starts the board for this process, with which it ends, and waits until
// commands can be run on it. ended is closed when it has ended; kill ends it.
func (m Machine) startForThis(ctx context.Context, cache string) (ended <-chan struct{}, kill func(), err error) {
	cmd, err := m.Prepare(ctx, cache)
	if err != nil {
		return nil, nil, err
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start %s: %w", m.Board.system(), err)
	}
	gone := make(chan struct{})
	go func() { _ = cmd.Wait(); close(gone) }()
	kill = func() { _ = cmd.Process.Kill(); <-gone }
	running := func() bool {
		select {
		case <-gone:
			return false
		default:
			return true
		}
	}
	if err := AwaitAgent(ctx, m.Dir, running); err != nil {
		kill()
		return nil, nil, fmt.Errorf("start %s for the first time: %w\n%s", m.Board.Name, err, Console(m.Dir))
	}
	return gone, kill, nil
}

// cores and bytes are the board's size.
func (m Machine) cores() int {
	if m.Cores > 0 {
		return m.Cores
	}
	return m.Board.cores
}

func (m Machine) bytes() int64 {
	if m.Memory > 0 {
		return m.Memory
	}
	return m.Board.memory
}

// kernelOptions are on every board's kernel command line.
const kernelOptions = "rdinit=/init rootfstype=ramfs quiet oops=panic panic=-1 systemd.show_status=0"

// drive is QEMU's description of the root file system's image.
func (m Machine) drive(cacheMode string) string {
	file, format := rootOverlay, "qcow2"
	if m.Image != "" {
		file, format = m.Image, "raw"
	}
	return fmt.Sprintf("file=%s,format=%s,cache=%s", file, format, cacheMode)
}

// Names of the root file system's image in the board's folder: what differs from
// the image that it was made from, or a copy.
const (
	rootOverlay = "root.qcow2"
	rootCopy    = "root.img"
)

// MakeRoot makes the board's disk from the image base, which stays as it is.
func (m Machine) MakeRoot(ctx context.Context, base string) error {
	if m.Saves() {
		if err := os.WriteFile(filepath.Join(m.Dir, filesDisk), nil, 0o644); err != nil {
			return err
		}
		if err := os.Truncate(filepath.Join(m.Dir, filesDisk), filesBytes); err != nil {
			return err
		}
		return quietly(ctx, "cp", "--sparse=always", "--reflink=auto", base, filepath.Join(m.Dir, rootCopy))
	}
	return quietly(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw",
		filepath.Join(m.Dir, rootOverlay))
}

// virtioArguments are those of QEMU's own board, which takes any number of disks
// and ports.
func (m Machine) virtioArguments(cacheMode string) []string {
	bus, console := "device", "console=ttyAMA0 "
	if m.Board.pc() {
		bus, console = "pci", "console=ttyS0 mitigations=off "
	}
	args := []string{"-append", console + kernelOptions, "-serial", "chardev:console",
		"-object", "rng-builtin,id=rng", "-device", "virtio-rng-" + bus + ",rng=rng",
		"-device", "virtio-serial-" + bus + ",max_ports=" + strconv.Itoa(ports+1)}
	switch {
	case m.count() == 0:
		args = append(args, "-drive", "id=root,if=none,discard=unmap,"+m.drive(cacheMode),
			"-device", "virtio-blk-"+bus+",drive=root,serial="+rootSerial)
	case m.Saves():
		args = append(args, m.memoryArguments()...)
		args = append(args, m.savedArguments()...)
	default:
		args = append(args, "-device", "sdhci-pci", "-drive", "id=root,if=none,"+m.drive(cacheMode), "-device",
			"sd-card,drive=root")
	}
	for i, d := range m.Disks {
		drive := fmt.Sprintf("id=disk%d,if=none,file=%s,format=raw,cache=%s,discard=unmap", i, d.File, cacheMode)
		if d.ReadOnly {
			drive += ",readonly=on"
		}
		args = append(args, "-drive", drive, "-device",
			fmt.Sprintf("virtio-blk-%s,drive=disk%d,serial=%s", bus, i, d.Serial))
	}
	for i := range ports {
		args = append(args, "-chardev", portSocket(i), "-device",
			fmt.Sprintf("virtserialport,chardev=%s,name=lab%dof%d", portName(i), i, ports))
	}
	return args
}

// cardRoot is the disk with the root file system where it is an SD card, which
// has no serial number to be found by.
const cardRoot = "mmcblk0"

// cardArguments are those of a Raspberry Pi: commands go over its first UART, and
// the second, which its device tree leaves off, is the console.
func (m Machine) cardArguments(packages, root string) ([]string, error) {
	b := m.Board
	if len(m.Disks) > 0 {
		return nil, fmt.Errorf("board %s: it takes no disk beside its card", b.Name)
	}
	path, err := b.tree(packages)
	if err != nil {
		return nil, err
	}
	tree, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := enable(tree, "serial@7e215040"); err != nil {
		return nil, fmt.Errorf("board %s: device tree %s: %w", b.Name, b.Tree, err)
	}
	own := filepath.Join(m.Dir, "tree.dtb")
	if err := os.WriteFile(own, tree, 0o644); err != nil {
		return nil, err
	}
	return []string{"-dtb", own,
		"-chardev", portSocket(0), "-serial", "chardev:" + portName(0), "-serial", "chardev:console",
		// Of the power management's drivers the one for domains hangs on what QEMU
		// emulates; the other one switches the board off.
		"-append", "console=ttyS1,115200 initcall_blacklist=bcm2835_power_driver_init lab.port=ttyAMA0 " + kernelOptions,
		"-drive", "if=sd," + root}, nil
}

func portSocket(i int) string {
	return fmt.Sprintf("socket,id=%s,path=%[1]s,server=on,wait=off", portName(i))
}

// initramfs writes the guest's program with the modules for the disk.
func (m Machine) initramfs(ctx context.Context, cache, packages string) (string, error) {
	init, err := m.Board.Guest(ctx, cache)
	if err != nil {
		return "", err
	}
	first := struct {
		Root    string   `json:"root"`
		Modules []string `json:"modules"`
		// Clock is the time in seconds, for a board that does not know it.
		Clock int64 `json:"clock,omitempty"`
	}{Root: rootSerial}
	var names []string
	switch counted := m.count() > 0; {
	case m.Board.card:
		names = []string{"bcm2835", "mmc_block"}
		first.Root, first.Clock = cardRoot, time.Now().Unix()
	case m.Board.pc() && counted:
		names, first.Root = []string{"nfit", "nd_pmem"}, memoryRoot
	case m.Board.pc():
		names = []string{"virtio_pci", "virtio_blk"}
	case counted:
		names, first.Root = []string{"sdhci-pci", "mmc_block", "rtc-pl031"}, cardRoot
	default:
		names = []string{"virtio_mmio", "virtio_blk", "rtc-pl031"}
	}
	names = append(names, "crc32c_generic", "ext4")
	needed, err := modules(packages, names)
	if err != nil {
		return "", err
	}
	files, texts := map[string]string{}, map[string][]byte{}
	for _, path := range needed {
		first.Modules = append(first.Modules, filepath.Base(path))
		files["/modules/"+filepath.Base(path)] = path
	}
	if texts["/disk.json"], err = json.Marshal(first); err != nil {
		return "", err
	}
	for to, text := range m.Files {
		texts[filepath.Join("/files", to)] = text
	}
	for to, from := range m.Programs {
		files[filepath.Join("/files", to)] = from
	}
	path := filepath.Join(m.Dir, "initramfs")
	return path, writeInitramfs(path, init, files, texts)
}

// AwaitAgent waits until commands can be run on the board whose files are in
// dir. running reports whether its QEMU still runs.
func AwaitAgent(ctx context.Context, dir string, running func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience,
		fmt.Errorf("the board did not answer within %s", startPatience))
	defer cancel()
	for {
		// What is sent waits for the board to start, and is lost if that takes it
		// another try.
		try, stop := context.WithTimeout(ctx, time.Minute)
		code, err := Run(try, dir, Command{Args: []string{"true"}})
		stop()
		if err == nil && code == 0 {
			return nil
		}
		if !running() {
			return ErrBoardGone
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Console returns the last lines that the board has written to its console.
func Console(dir string) string {
	text, _ := os.ReadFile(filepath.Join(dir, "console.log"))
	lines := strings.Split(strings.TrimRight(string(text), "\r\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
