package board

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

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
	"github.com/kubeadm-arm/kubeadm-arm/lab/deps"
	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// Options are what a board of every kind is made from.
type Options struct {
	Name, Version, NodeIP string
	// Also are versions whose images are imported, too, and whose programs lie below [AlsoFolder].
	Also     []string
	Limits   cgroup.Limits
	Programs []string // files or folders for /usr/local/bin
	Owner    int      // process that the board is for, 0 for nobody
	Network  string   // of boards that reach each other; empty for a board alone
	Endpoint bool     // the network's EndpointName stands for this board
	Bare     bool     // no pod network
}

// New takes what is left of boards whose owner has ended away, since it would
// take CPU time beside the new one, and returns a board whose folder is still to be
// made.
func (o Options) New() (*Board, error) {
	b := &Board{Name: o.Name, Version: o.Version, NodeIP: o.NodeIP, Limits: o.Limits, Network: o.Network,
		Endpoint: o.Endpoint, Bare: o.Bare}
	if b.Network != "" && !NameForm.MatchString(b.Network) {
		return nil, fmt.Errorf("network name %q: want small letters, digits and dashes", b.Network)
	}
	if b.Network == "" && b.Endpoint {
		return nil, errors.New("up: --endpoint is for boards of a network; name one with --network")
	}
	if b.NodeIP == "" && b.Network == "" {
		b.NodeIP = DefaultNodeIP
	}
	if o.Owner != 0 {
		if b.Owner = ProcessOf(o.Owner); !b.Owner.Alive() {
			return nil, fmt.Errorf("up: --for %d: there is no such process", o.Owner)
		}
	}
	if err := downLeft(); err != nil {
		return nil, err
	}
	var err error
	if b.Dir, err = DirOf(o.Name); err != nil {
		return nil, err
	}
	if cache.IsDir(b.Dir) {
		return nil, fmt.Errorf("board %s: there already; see lab status, lab down --name %s", o.Name, o.Name)
	}
	return b, nil
}

// Slowness is what makes a board of namespaces slow, beyond its limits.
type Slowness struct {
	Disk Disk
	// Pace has the board do the work of its CPU share, whatever that costs here.
	Pace bool
}

// Up makes a board and returns when containerd runs in it with all images and
// the limits are set. When it fails or ctx ends, nothing is left.
func Up(ctx context.Context, o Options, s Slowness) (err error) {
	b, err := o.New()
	if err != nil {
		return err
	}
	b.Disk = s.Disk
	groups, err := b.check()
	if err != nil {
		return err
	}
	k, err := kubernetesOf(ctx, b.Version, o.Also)
	if err != nil {
		return err
	}
	if err := b.Create(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Down())
		}
	}()
	if err := b.populate(k, o.Programs); err != nil {
		return err
	}
	if err := b.startWithImages(ctx, groups, k); err != nil {
		return err
	}
	paced, err := b.slowDown(ctx, groups, s.Pace)
	if err != nil {
		return err
	}
	b.CPUSecondsAtUp, b.WrittenBytesAtUp = groups.CPUSeconds(), writtenBytes(groups.PIDs())
	if err := b.Save(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	progress.Log("board %s is up: Kubernetes %s, %s%s, %s, address %s", b.Name, b.Version, b.Limits, paced, b.Disk,
		b.NodeIP)
	return nil
}

// check finds what would keep the board from starting, before anything is built.
func (b *Board) check() (groups cgroup.Groups, err error) {
	if err := b.Limits.Check(); err != nil {
		return groups, err
	}
	if err := b.checkShares(); err != nil {
		return groups, err
	}
	if err := deps.NeedBoards(); err != nil {
		return groups, err
	}
	if groups, err = cgroup.Find(b.Name); err != nil {
		return groups, err
	}
	return groups, groups.Free(b.Dir)
}

// kubernetes is what a board takes from the cache.
type kubernetes struct {
	programs     string            // folder
	also         map[string]string // folders of further versions
	archives     []string          // files of all images
	store        string            // folder of a containerd that has imported them
	sandboxImage string
}

// kubernetesOf builds versions for this machine's CPU unless they are in the cache.
func kubernetesOf(ctx context.Context, version string, also []string) (k kubernetes, err error) {
	k.also = map[string]string{}
	store := "containerd-store"
	for _, v := range append([]string{version}, also...) {
		t := kube.Target{Version: v, Arch: runtime.GOARCH}
		programs, err := kube.Build(ctx, t)
		if err != nil {
			return k, err
		}
		archive, err := kube.ImageArchive(ctx, programs, "/", t)
		if err != nil {
			return k, err
		}
		k.archives = append(k.archives, archive)
		if v != version {
			k.also[v], store = programs, store+"-"+v
			continue
		}
		images, err := kube.WantedImages(ctx, programs, t)
		if err != nil {
			return k, err
		}
		k.programs, k.sandboxImage = programs, images["pause"].Ref
	}
	k.store = filepath.Join(k.programs, store)
	return k, nil
}

// startWithImages starts the board at full speed and waits until containerd has all
// images and the board is quiet.
func (b *Board) startWithImages(ctx context.Context, groups cgroup.Groups, k kubernetes) error {
	imported := cache.IsDir(k.store)
	if imported {
		if err := linkStore(k.store, filepath.Join(b.Dir, "containerd")); err != nil {
			return err
		}
	}
	if err := b.prepareDisk(ctx); err != nil {
		return err
	}
	progress.Log("starting board %s", b.Name)
	if err := b.boot(ctx, groups); err != nil {
		return err
	}
	if !imported {
		if err := progress.Step(ctx, "importing images",
			func() error { return b.importImages(ctx, k.archives, k.store) }); err != nil {
			return err
		}
	}
	return settle(ctx, groups)
}

// slowDown sets the board's limits, and has it paced where that is wanted. It returns
// what that found, for people.
func (b *Board) slowDown(ctx context.Context, groups cgroup.Groups, paced bool) (found string, err error) {
	if err := groups.Limit(b.Limits); err != nil {
		return "", err
	}
	if !paced || !b.Limits.Sliced() {
		return "", nil
	}
	p, err := b.newPacer()
	if err != nil {
		return "", err
	}
	if err := p.begin(ctx); err != nil {
		return "", err
	}
	return " (" + p.pace.String() + ")", b.startPacer()
}

// boot starts the board's processes at full speed and waits for containerd.
func (b *Board) boot(ctx context.Context, groups cgroup.Groups) error {
	if err := groups.Create(); err != nil {
		return err
	}
	if err := b.start(ctx, groups); err != nil {
		return err
	}
	if err := b.waitContainerd(ctx); err != nil {
		return err
	}
	return b.introduce(ctx)
}

// start runs the board's process 1 in namespaces of its own.
func (b *Board) start(ctx context.Context, groups cgroup.Groups) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := b.OpenLog()
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
	cmd := exec.Command(exe, "inside", b.Dir)
	cmd.ExtraFiles = []*os.File{r}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID |
			syscall.CLONE_NEWIPC,
	}
	if b.Disk.Slow() {
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
	b.First = ProcessOf(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }()
	if err := b.Save(); err != nil {
		return err
	}
	if err := groups.Enter(b.First.PID); err != nil {
		return err
	}
	if err := b.plugIn(ctx); err != nil {
		return err
	}
	if _, err := w.Write([]byte{1}); err != nil {
		return fmt.Errorf("start the board: %w\n%s", err, b.LogTail())
	}
	return nil
}

// waitContainerd waits until the board's containerd answers.
func (b *Board) waitContainerd(ctx context.Context) error {
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
		if !b.First.Alive() || time.Now().After(deadline) {
			return fmt.Errorf("board %s: containerd does not come up: %v: %s\n%s", b.Name, err, out, b.LogTail())
		}
	}
}

// settle waits until the board is quiet, so that what starting it still costs
// is not paid under the throttle by whatever is timed next.
func settle(ctx context.Context, groups cgroup.Groups) error {
	last := groups.CPUSeconds()
	for range 20 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
		now := groups.CPUSeconds()
		if now-last < 0.005 {
			return nil
		}
		last = now
	}
	return nil
}

// Reboot cuts the power and starts the board again with the files it had. What
// was written but not yet synced is still there afterwards, because the host's
// page cache keeps its power.
func (b *Board) Reboot(ctx context.Context) error {
	groups, err := cgroup.Find(b.Name)
	if err != nil {
		return err
	}
	known, err := b.readPace()
	if err != nil {
		return err
	}
	if err := b.endPacer(); err != nil {
		return err
	}
	if err := b.powerOff(groups); err != nil {
		return err
	}
	if err := groups.Remove(); err != nil {
		return err
	}
	progress.Log("starting board %s", b.Name)
	if err := b.boot(ctx, groups); err != nil {
		return err
	}
	limits := b.Limits
	if known != nil {
		limits.CPU = known.Quota
	}
	if err := groups.Limit(limits); err != nil {
		return err
	}
	if known != nil {
		if err := b.startPacer(); err != nil {
			return err
		}
	}
	// Its cgroups are new and count from nothing.
	b.CPUSecondsAtUp, b.WrittenBytesAtUp = groups.CPUSeconds(), writtenBytes(groups.PIDs())
	if err := b.Save(); err != nil {
		return err
	}
	progress.Log("board %s is up again", b.Name)
	return nil
}

// Throttle changes the limits of a running board.
func (b *Board) Throttle(l cgroup.Limits) error {
	groups, err := cgroup.Find(b.Name)
	if err != nil {
		return err
	}
	b.Limits = l
	if err := b.checkShares(); err != nil {
		return err
	}
	if err := groups.Limit(l); err != nil {
		return err
	}
	return b.Save()
}
