package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// upOptions are the flags of lab up.
type upOptions struct {
	name, version, nodeIP string
	limits                limits
	pace                  bool
	dilation              int
	speed                 string // of a board with counted time, empty for the board's own way
	disk                  disk
	programs              []string // files or folders for /usr/local/bin
	board                 string   // kind of a whole emulated board, and the sizes of its disks
	disks                 []int64
	owner                 int // process that the board is for, 0 for nobody
}

// begin has what every new board needs first: its folder, whose name nobody may have
// taken, and whom it is for. No board is left of a program that was killed, since it
// would take CPU time beside the new one.
func (o upOptions) begin() (dir string, owner process, err error) {
	if o.owner != 0 {
		if owner = processOf(o.owner); !owner.alive() {
			return "", owner, fmt.Errorf("up: --for %d: there is no such process", o.owner)
		}
	}
	if err := downLeft(); err != nil {
		return "", owner, err
	}
	if dir, err = boardDir(o.name); err != nil {
		return "", owner, err
	}
	if isDir(dir) {
		return "", owner, fmt.Errorf("board %s: there already; see lab status, lab down --name %s", o.name, o.name)
	}
	return dir, owner, nil
}

// up makes a board and returns when containerd runs in it with all images and
// the limits are set. When it fails or ctx ends, nothing is left.
func up(ctx context.Context, o upOptions) (err error) {
	dir, owner, err := o.begin()
	if err != nil {
		return err
	}
	if err := o.limits.check(); err != nil {
		return err
	}
	if err := needDebianPrograms(); err != nil {
		return err
	}
	groups, err := findCgroups(o.name)
	if err != nil {
		return err
	}
	if err := groups.free(dir); err != nil {
		return err
	}
	t := target{Version: o.version, Arch: runtime.GOARCH}
	programs, err := build(ctx, t)
	if err != nil {
		return err
	}
	archive, err := imageArchive(ctx, programs, "/", t)
	if err != nil {
		return err
	}
	images, err := wantedImages(ctx, programs, t)
	if err != nil {
		return err
	}
	b := &board{Name: o.name, Version: o.version, NodeIP: o.nodeIP, Limits: o.limits, Disk: o.disk, Owner: owner, dir: dir}
	// Mkdir and not MkdirAll: of two that want the name, one gets it.
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("board %s: %w", o.name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, down(b))
		}
	}()
	if err := b.save(); err != nil {
		return err
	}
	if err := b.furnish(programs, o.programs, images["pause"].ref); err != nil {
		return err
	}
	store := filepath.Join(programs, "containerd-store")
	imported := isDir(store)
	if imported {
		if err := linkStore(store, filepath.Join(dir, "containerd")); err != nil {
			return err
		}
	}
	if err := b.prepareDisk(ctx); err != nil {
		return err
	}
	say("starting board %s", o.name)
	if err := b.boot(ctx, groups); err != nil {
		return err
	}
	if !imported {
		if err := step(ctx, "importing images", func() error { return b.importImages(ctx, archive, store) }); err != nil {
			return err
		}
	}
	if err := settle(ctx, groups); err != nil {
		return err
	}
	if err := groups.limit(o.limits); err != nil {
		return err
	}
	paced := ""
	if o.pace && o.limits.sliced() {
		p, err := b.newPacer()
		if err != nil {
			return err
		}
		if err := p.begin(ctx); err != nil {
			return err
		}
		if err := b.startPacer(); err != nil {
			return err
		}
		paced = " (" + p.pace.String() + ")"
	}
	b.CPUSecondsAtUp, b.WrittenBytesAtUp = groups.cpuSeconds(), writtenBytes(groups.pids())
	if err := b.save(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	say("board %s is up: Kubernetes %s, %s%s, %s, address %s", b.Name, b.Version, o.limits, paced, o.disk, b.NodeIP)
	return nil
}

// boot starts the board's processes at full speed and waits for containerd.
func (b *board) boot(ctx context.Context, groups cgroups) error {
	if err := groups.create(); err != nil {
		return err
	}
	if err := b.start(groups); err != nil {
		return err
	}
	return b.waitContainerd(ctx)
}

// start runs the board's process 1 in namespaces of its own.
func (b *board) start(groups cgroups) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(b.dir, "board.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	// The child waits for a byte, so that it is in its cgroups before it makes
	// them the root of its cgroup namespace. If lab dies first, the child reads
	// the pipe's end instead and ends too.
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	cmd := exec.Command(exe, "inside", b.dir)
	cmd.ExtraFiles = []*os.File{r}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
	}
	if b.Disk.slow() {
		fuse, err := b.startDisk()
		if err != nil {
			return err
		}
		defer fuse.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, fuse)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the board: %w", err)
	}
	b.First = processOf(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }()
	if err := b.save(); err != nil {
		return err
	}
	if err := groups.enter(b.First.PID); err != nil {
		return err
	}
	if _, err := w.Write([]byte{1}); err != nil {
		return fmt.Errorf("start the board: %w\n%s", err, b.logTail())
	}
	return nil
}

func (b *board) logTail() string {
	text, _ := os.ReadFile(filepath.Join(b.dir, "board.log"))
	return tail(string(text), 20)
}

// waitContainerd waits until the board's containerd answers.
func (b *board) waitContainerd(ctx context.Context) error {
	deadline := time.Now().Add(2 * time.Hour)
	for {
		out, err := "", errors.New("the board is not ready")
		if b.ready() {
			out, err = b.output(ctx, "ctr", "version")
		}
		if err == nil && strings.Contains(out, "Server:") {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
		if !b.First.alive() || time.Now().After(deadline) {
			return fmt.Errorf("board %s: containerd does not come up: %v: %s\n%s", b.Name, err, out, b.logTail())
		}
	}
}

// settle waits until the board is quiet, so that what starting it still costs
// is not paid under the throttle by whatever is timed next.
func settle(ctx context.Context, groups cgroups) error {
	last := groups.cpuSeconds()
	for range 20 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
		now := groups.cpuSeconds()
		if now-last < 0.005 {
			return nil
		}
		last = now
	}
	return nil
}
