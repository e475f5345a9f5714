package board

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
)

// Disk slows the disk under the board's /, etcd's included; zero values do not
// slow it. Block I/O cgroups cannot: with cgroup v1 their limits do not reach
// the groups below, and with neither version do they reach the file system's
// journal, which is what an fsync waits for.
//
// So a slow disk is a file of this machine, shown through FUSE by a server that
// takes its time, and a loop device on it with ext4. It does one thing after
// the other, as a card or a spindle does.
type Disk struct {
	Flush time.Duration `json:"flushNs"` // time of one flush of its cache
	Rate  int64         `json:"rate"`    // bytes a second, read and written
}

// Slow reports whether the disk is slowed at all.
func (d Disk) Slow() bool { return d != Disk{} }

func (d Disk) String() string {
	text := "the disk as it is"
	if d.Flush > 0 {
		text = fmt.Sprintf("disk flush %s", d.Flush)
	}
	if d.Rate > 0 {
		if d.Flush == 0 {
			text = "disk"
		}
		text += fmt.Sprintf(" %.3g MiB/s", float64(d.Rate)/(1<<20))
	}
	return text
}

const (
	diskSize  = 8 << 30 // bytes, of a sparse file
	diskImage = "disk.img"
	// diskMount is where the board mounts the FUSE file system before it moves
	// to its own root.
	diskMount = "diskmount"
)

// prepareDisk makes the ext4 image with the board's files.
func (b *Board) prepareDisk(ctx context.Context) error {
	if !b.Disk.Slow() {
		return nil
	}
	if err := os.Mkdir(filepath.Join(b.Dir, diskMount), 0o755); err != nil {
		return err
	}
	image := filepath.Join(b.Dir, diskImage)
	f, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(diskSize), f.Close()); err != nil {
		return err
	}
	// Nothing is left for the kernel to initialise later on the slow disk.
	cmd := exec.CommandContext(ctx, "/sbin/mkfs.ext4", "-q", "-F", "-d", filepath.Join(b.Dir, "root"), "-J", "size=16",
		"-i", "131072",
		"-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0", image)
	return command.Quiet(cmd)
}

// startDisk starts the disk's server on this machine's side: what it costs is
// not the board's. It returns the FUSE device for the board to mount.
func (b *Board) startDisk() (*os.File, error) {
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("slow the disk: %w\nhint: modprobe fuse", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, "disk", filepath.Join(b.Dir, diskImage), strconv.FormatInt(int64(b.Disk.Flush), 10),
		strconv.FormatInt(b.Disk.Rate, 10))
	cmd.ExtraFiles = []*os.File{device}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("slow the disk: %w", err), device.Close())
	}
	b.DiskServer = ProcessOf(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }()
	return device, b.Save()
}

// mountDisk mounts the slow disk at the board's root folder. It runs in the
// board's mount namespace and leaves nothing on this machine: the loop device
// frees itself with its last mount.
func (b *Board) mountDisk(device *os.File, root string) error {
	at := filepath.Join(b.Dir, diskMount)
	if err := unix.Mount("lab", at, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0",
		device.Fd())); err != nil {
		return fmt.Errorf("mount the slow disk: %w", err)
	}
	device.Close()
	file, err := os.OpenFile(filepath.Join(at, diskImage), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open the slow disk: %w", err)
	}
	defer file.Close()
	loop, err := attachLoop(file)
	if err != nil {
		return err
	}
	defer loop.Close()
	if err := unix.Mount(loop.Name(), root, "ext4", 0, ""); err != nil {
		return fmt.Errorf("mount the slow disk: %w", err)
	}
	return nil
}

// attachLoop makes a file a block device (loop(4)).
func attachLoop(file *os.File) (*os.File, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("find a loop device: %w\nhint: modprobe loop", err)
	}
	defer control.Close()
	for range 100 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a loop device: %w", err)
		}
		loop, err := os.OpenFile("/dev/loop"+strconv.Itoa(n), os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("find a loop device: %w", err)
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		loop.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("attach the slow disk: %w", err)
		}
		// Someone else was quicker.
	}
	return nil, errors.New("find a loop device: all are taken as soon as they are free")
}

// ServeDisk is the disk's server, with the FUSE device as file 3. It ends when
// the board has unmounted.
func ServeDisk(args []string) error {
	if len(args) != 3 {
		return errors.New("disk: want image, nanoseconds of a flush and bytes a second")
	}
	flush, err1 := strconv.ParseInt(args[1], 10, 64)
	rate, err2 := strconv.ParseInt(args[2], 10, 64)
	image, err3 := os.OpenFile(args[0], os.O_RDWR, 0)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	const device = 3
	if err := waitMounted(device); err != nil {
		return err
	}
	file := &slowFile{image: image, Disk: Disk{Flush: time.Duration(flush), Rate: rate}}
	root := &slowRoot{file: file}
	server, err := fuse.NewServer(fs.NewNodeFS(root, &fs.Options{}), fmt.Sprintf("/dev/fd/%d", device),
		&fuse.MountOptions{MaxWrite: 1 << 20, Name: "lab"})
	if err != nil {
		return fmt.Errorf("serve the slow disk: %w", err)
	}
	server.Serve()
	return nil
}

// waitMounted waits until somebody has mounted the FUSE device: until then it
// polls as in error.
func waitMounted(device int) error {
	for range 3000 {
		p := []unix.PollFd{{Fd: int32(device), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, 0); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if p[0].Revents&unix.POLLERR == 0 {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("serve the slow disk: nobody mounts it")
}

// slowRoot is a folder with one file.
type slowRoot struct {
	fs.Inode
	file *slowFile
}

func (r *slowRoot) OnAdd(ctx context.Context) {
	r.AddChild(diskImage, r.NewPersistentInode(ctx, r.file, fs.StableAttr{Mode: syscall.S_IFREG}), false)
}

// slowFile is the image, slowed.
type slowFile struct {
	fs.Inode
	Disk
	image *os.File

	mu    sync.Mutex
	ready time.Time // when the disk will have done all it has to do
}

var (
	_ fs.NodeOpener    = (*slowFile)(nil)
	_ fs.NodeGetattrer = (*slowFile)(nil)
	_ fs.NodeReader    = (*slowFile)(nil)
	_ fs.NodeWriter    = (*slowFile)(nil)
	_ fs.NodeFsyncer   = (*slowFile)(nil)
)

// busy keeps the disk busy for d after what it does already, and waits.
func (f *slowFile) busy(d time.Duration) {
	f.mu.Lock()
	if now := time.Now(); f.ready.Before(now) {
		f.ready = now
	}
	f.ready = f.ready.Add(d)
	until := f.ready
	f.mu.Unlock()
	time.Sleep(time.Until(until))
}

func (f *slowFile) transfer(bytes int) {
	if f.Rate > 0 {
		f.busy(time.Duration(float64(bytes) / float64(f.Rate) * float64(time.Second)))
	}
}

func (f *slowFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	// Past the page cache: the disk sees every request.
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *slowFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	info, err := f.image.Stat()
	if err != nil {
		return fs.ToErrno(err)
	}
	out.Mode, out.Size, out.Blksize = syscall.S_IFREG|0o600, uint64(info.Size()), 4096
	return 0
}

func (f *slowFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.transfer(len(dest))
	return fuse.ReadResultFd(f.image.Fd(), off, len(dest)), 0
}

func (f *slowFile) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	f.transfer(len(data))
	n, err := f.image.WriteAt(data, off)
	return uint32(n), fs.ToErrno(err)
}

// Fsync takes its time and spares this machine's disk.
func (f *slowFile) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.busy(f.Disk.Flush)
	return 0
}
