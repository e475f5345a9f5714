// Package emulated is emulated boards with Kubernetes: Debian with systemd on a disk,
// containerd with all images, Kubernetes built for their CPU. QEMU itself is the matter
// of package emulate.
package emulated

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
	"github.com/kubeadm-arm/kubeadm-arm/lab/deps"
	"github.com/kubeadm-arm/kubeadm-arm/lab/emulate"
	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// Board is a board with the machine that QEMU has for its kind.
type Board struct {
	*board.Board
	kind emulate.Board
	// clock is what the battery clock says at the next start.
	clock string
}

// Of is the emulated board of a record.
func Of(b *board.Board) (Board, error) {
	kind, err := emulate.Find(b.Emulated)
	return Board{Board: b, kind: kind}, err
}

func diskFile(n int) string { return "disk" + strconv.Itoa(n) + ".img" }

// size is the board's cores and bytes of memory.
func (b Board) size() (cores int, memory int64) {
	cores, memory, _ = b.kind.WithDisk()
	if b.Limits.CPUs > 0 {
		cores = b.Limits.CPUs
	}
	if b.Limits.Memory > 0 {
		memory = b.Limits.Memory
	}
	return cores, memory
}

// Kinds are those that lab up takes.
func Kinds() []string {
	var names []string
	for _, e := range emulate.Boards() {
		if _, _, ok := e.WithDisk(); ok {
			names = append(names, e.Name)
		}
	}
	return names
}

// Options are what an emulated board is made from.
type Options struct {
	Kind string
	// Dilation is how many seconds here one of the board's takes.
	Dilation int
	// Speed is that of a board with counted time, empty for the kind's own way.
	Speed string
	// Disks are the sizes of further disks in bytes.
	Disks []int64
}

// newBoard checks what was asked for and returns a board whose folder is still to
// be made.
func newBoard(o board.Options, m Options, slowDisk board.Disk) (Board, error) {
	record, err := o.New()
	if err != nil {
		return Board{}, err
	}
	record.Emulated, record.Dilation = m.Kind, m.Dilation
	b, err := Of(record)
	if err != nil {
		return b, err
	}
	_, memory, ok := b.kind.WithDisk()
	if !ok {
		return b, fmt.Errorf("board %q: want one of %s", m.Kind, strings.Join(Kinds(), ", "))
	}
	if b.Limits.CPU > 0 || b.Limits.Period > 0 || slowDisk.Slow() {
		return b, errors.New("an emulated board takes --cpus and --memory of the limits, and is else as slow as QEMU")
	}
	if b.kind.Card() && (b.Limits != cgroup.Limits{} || len(m.Disks) > 0) {
		return b, fmt.Errorf("board %s: QEMU has it with one core, %d MiB and no disk but its card", m.Kind, memory>>20)
	}
	if err := b.kind.Dilates(m.Dilation); err != nil {
		return b, err
	}
	if m.Speed != "" {
		if b.Count, err = emulate.ParseSpeed(m.Speed); err != nil {
			return b, fmt.Errorf("up: --speed: %w", err)
		}
	}
	for _, n := range m.Disks {
		b.Disks = append(b.Disks, board.ExtraDisk{Bytes: n})
	}
	return b, deps.NeedEmulated()
}

// Up makes an emulated board and returns when it has started and containerd
// answers. When it fails or ctx ends, nothing is left.
func Up(ctx context.Context, o board.Options, m Options, slowDisk board.Disk) (err error) {
	b, err := newBoard(o, m, slowDisk)
	if err != nil {
		return err
	}
	base, err := b.baseDisk(ctx)
	if err != nil {
		return err
	}
	files, err := b.ownFiles()
	if err != nil {
		return err
	}
	programs, err := board.ExtraPrograms(o.Programs)
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
	if err := b.createDisks(); err != nil {
		return err
	}
	if err := b.startNew(ctx, base, files, programs); err != nil {
		return err
	}
	u, err := b.usage(ctx)
	if err != nil {
		return err
	}
	b.CPUSecondsAtUp = u.CPUSeconds
	if err := b.Save(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	progress.Log("board %s is up: %s, Kubernetes %s, address %s", b.Name, b.kind.Label, b.Version, b.NodeIP)
	return nil
}

// createDisks makes the further disks' files.
func (b Board) createDisks() error {
	for i, d := range b.Disks {
		f, err := os.Create(filepath.Join(b.Dir, diskFile(i+1)))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(d.Bytes), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// machine is what QEMU emulates for the board, without its further disks.
func (b Board) machine() emulate.Machine {
	return emulate.Machine{
		Board: b.kind, Dir: b.Dir, Cores: b.Limits.CPUs, Memory: b.Limits.Memory,
		Dilation: b.Dilation, Count: b.Count, Clock: b.clock,
	}
}

// start starts QEMU and waits until the board has started and containerd answers.
func (b Board) start(ctx context.Context, files map[string][]byte, programs map[string]string) error {
	folder, err := cache.Folder("emulated")
	if err != nil {
		return err
	}
	m := b.machine()
	m.Files, m.Programs = files, programs
	for i, d := range b.Disks {
		if !d.Removed {
			m.Disks = append(m.Disks, emulate.Disk{Serial: "lab-disk-" + strconv.Itoa(i+1), File: diskFile(i + 1)})
		}
	}
	if err := b.startMachine(ctx, folder, m); err != nil {
		return err
	}
	if err := emulate.AwaitAgent(ctx, b.Dir, b.First.Alive); err != nil {
		return fmt.Errorf("board %s does not come up: %w\n%s\n%s", b.Name, err, b.LogTail(), emulate.Console(b.Dir))
	}
	out, code, err := b.output(ctx, "sh", "-c", startedScript)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %s", code, out)
	}
	if err != nil {
		return fmt.Errorf("board %s: wait for containerd: %w", b.Name, err)
	}
	return nil
}

// startedScript waits on an emulated board until it has started everything.
const startedScript = "systemctl is-system-running --wait >/dev/null; " +
	"until ctr version >/dev/null 2>&1; do sleep 0.5; done"

// startMachine starts the board's QEMU.
func (b Board) startMachine(ctx context.Context, folder string, m emulate.Machine) error {
	cmd, err := m.Prepare(ctx, folder)
	if err != nil {
		return err
	}
	log, err := b.OpenLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the board: %w", err)
	}
	b.First = board.ProcessOf(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }()
	return b.Save()
}

// output runs a command on the board and returns what it printed.
func (b Board) output(ctx context.Context, args ...string) (string, int, error) {
	var out bytes.Buffer
	code, err := emulate.Run(ctx, b.Dir, emulate.Command{Args: args, Stdout: &out, Stderr: &out})
	return out.String(), code, err
}

// Run is lab run on an emulated board.
func (b Board) Run(args, env []string) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1,
		syscall.SIGUSR2)
	if !b.First.Alive() {
		return board.ExitLab, fmt.Errorf("board %s: it does not run\nhint: lab reboot or lab down --name %s", b.Name,
			b.Name)
	}
	c := emulate.Command{Args: args, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals}
	code, err := emulate.Run(context.Background(), b.Dir, c)
	if err != nil {
		return board.ExitLab, fmt.Errorf("run %s on board %s: %w", strings.Join(args, " "), b.Name, err)
	}
	return code, nil
}

// RebootOptions are the flags of lab reboot for emulated boards.
type RebootOptions struct {
	Orderly        bool
	Remove, Insert []int
	// Clock is what the battery clock says then; see [emulate.Machine].
	Clock string
}

// Reboot cuts the power, or lets the board shut down, and starts it again. What the
// board had not flushed to its disks is lost with the power.
func (b Board) Reboot(ctx context.Context, o RebootOptions) error {
	for _, n := range slices.Concat(o.Remove, o.Insert) {
		if n < 1 || n > len(b.Disks) {
			return fmt.Errorf("board %s: it has %d more disks, and no number %d", b.Name, len(b.Disks), n)
		}
	}
	if o.Orderly {
		if err := progress.Step(ctx, "shutting board "+b.Name+" down",
			func() error { return b.shutDown(ctx) }); err != nil {
			return err
		}
	}
	if err := b.EndEmulator(); err != nil {
		return err
	}
	for _, n := range o.Remove {
		b.Disks[n-1].Removed = true
	}
	for _, n := range o.Insert {
		b.Disks[n-1].Removed = false
	}
	b.CPUSecondsAtUp, b.clock = 0, o.Clock
	if err := b.Save(); err != nil {
		return err
	}
	if err := progress.Step(ctx, "starting board "+b.Name, func() error { return b.start(ctx, nil, nil) }); err != nil {
		return err
	}
	progress.Log("board %s is up again", b.Name)
	return nil
}

// shutDown has the board's systemd end everything and switch it off.
func (b Board) shutDown(ctx context.Context) error {
	if _, code, err := b.output(ctx, "systemctl", "poweroff"); err != nil && !errors.Is(err, emulate.ErrBoardGone) {
		return err
	} else if err == nil && code != 0 {
		return fmt.Errorf("board %s: systemctl poweroff: exit code %d", b.Name, code)
	}
	deadline := time.Now().Add(2 * time.Hour)
	for b.First.Alive() {
		if time.Now().After(deadline) {
			return fmt.Errorf("board %s: it has not shut down within 2 hours\nhint: lab reboot without --orderly\n%s",
				b.Name, emulate.Console(b.Dir))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// guestUsage is what the guest's program prints when asked for its usage.
type guestUsage struct {
	CPUSeconds   float64            `json:"cpuSeconds"`
	Uptime       float64            `json:"uptimeSeconds"`
	Cores        int                `json:"cores"`
	ByProgram    map[string]float64 `json:"cpuSecondsByProgram"`
	WrittenBytes int64              `json:"writtenBytes"`
	MemoryBytes  int64              `json:"memoryBytes"`
	Processes    int                `json:"processes"`
}

func (b Board) usage(ctx context.Context) (guestUsage, error) {
	// A busy board takes its time.
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Hour, errors.New("the board does not answer"))
	defer cancel()
	var u guestUsage
	out, code, err := b.output(ctx, "/usr/lib/lab/guest", "usage")
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %s", code, out)
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &u)
	}
	if err != nil {
		return u, fmt.Errorf("ask board %s for its usage: %w", b.Name, err)
	}
	return u, nil
}

// Status is an emulated board in lab status. CPU seconds are of the board's own
// clock, since lab up returned or since the last reboot. A board that has not answered
// when ctx ends is silent.
func (b Board) Status(ctx context.Context) board.Status {
	s := board.Status{Board: *b.Board, Alive: b.First.Alive()}
	if !s.Alive {
		return s
	}
	u, err := b.usage(ctx)
	if err != nil {
		progress.Log("%v", err)
		s.Silent = true
		return s
	}
	s.CPUSeconds, s.MemoryBytes, s.Processes = u.CPUSeconds-b.CPUSecondsAtUp, u.MemoryBytes, u.Processes
	s.ByProgram, s.WrittenBytes, s.Cores, s.UptimeSeconds = u.ByProgram, u.WrittenBytes, u.Cores, u.Uptime
	return s
}

// baseDisk returns the disk from which the boards of this kind and version start, and
// makes it the first time.
func (b Board) baseDisk(ctx context.Context) (string, error) {
	t := kube.Target{Version: b.Version, Arch: b.kind.GOARCH, ARM: b.kind.GOARM}
	programs, err := kube.Build(ctx, t)
	if err != nil {
		return "", err
	}
	images, err := kube.WantedImages(ctx, programs, t)
	if err != nil {
		return "", err
	}
	folder, err := cache.Folder("emulated")
	if err != nil {
		return "", err
	}
	// One for each of QEMU's user modes: another CPU's boards need not wait.
	unlock, err := cache.Lock(ctx, filepath.Join(folder, ".lock-"+b.kind.GOARCH))
	if err != nil {
		return "", err
	}
	defer unlock()
	var system string
	install := func() error { system, err = b.kind.System(ctx, folder); return err }
	if err := progress.Step(ctx, "installing Debian "+b.kind.Debian, install); err != nil {
		return "", err
	}
	image, err := b.diskContents(programs, images["pause"].Ref)
	if err != nil {
		return "", err
	}
	if image.Archive, err = kube.ImageArchive(ctx, programs, system, t); err != nil {
		return "", err
	}
	key, err := b.diskKey(ctx, folder, system, image)
	if err != nil {
		return "", err
	}
	dir, err := cache.Folder("emulated", "whole-"+b.kind.Debian+"-"+t.String()+"-"+key)
	if err != nil {
		return "", err
	}
	base := filepath.Join(dir, "disk.img")
	return base, cache.Once(base, func(to string) error {
		what := "making the disk of " + b.kind.Name + " with Kubernetes " + b.Version + ", and starting it once"
		return progress.Step(ctx, what, func() error { return b.kind.Build(ctx, folder, system, to, image) })
	})
}

// diskContents is what the disk of all boards of this kind holds beyond Debian. What
// belongs to one board is written anew when it starts.
func (b Board) diskContents(programs, sandboxImage string) (emulate.Image, error) {
	image := emulate.Image{Files: map[string]string{}, Programs: map[string]string{}, Links: maps.Clone(systemLinks())}
	for _, p := range []string{"kubeadm", "kubelet", "kubectl"} {
		image.Programs["/usr/bin/"+p] = filepath.Join(programs, p)
	}
	common := Board{Board: &board.Board{Name: "board", Version: b.Version, NodeIP: board.DefaultNodeIP}, kind: b.kind}
	files, err := common.config(sandboxImage).Files()
	if err != nil {
		return image, err
	}
	maps.Copy(image.Files, files)
	maps.Copy(image.Files, systemFiles())
	return image, nil
}

// diskKey changes with everything that a disk is made from.
func (b Board) diskKey(ctx context.Context, folder, system string, image emulate.Image) (string, error) {
	guest, err := b.kind.Guest(ctx, folder)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal([]any{image.Files, image.Links, filepath.Base(system), filepath.Base(guest), diskRecipe})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6]), nil
}

// diskRecipe counts the ways in which disks were made.
const diskRecipe = 1

// config is that of a board with Debian's systemd.
func (b Board) config(sandboxImage string) board.Config {
	c := b.Board.Config(sandboxImage)
	c.CgroupDriver, c.Systemd = "systemd", true
	c.ARM = b.kind.GOARCH == "arm" && kube.Minor(b.Version) >= 31
	if cores, memory := b.size(); cores < 2 || memory < 1700<<20 {
		// What the article's boards lack of kubeadm's least.
		c.Ignore = "NumCPU, Mem"
	}
	if b.kind.GOARM == "6" {
		// Kernels for one core have no cpusets, which the kubelet does without.
		c.Ignore += ", SystemVerification"
	}
	return c
}

// ownFiles are what one board has of its own.
func (b Board) ownFiles() (map[string][]byte, error) {
	files := map[string][]byte{"/etc/default/lab-network": []byte("ADDRESS=" + b.NodeIP + "\n")}
	for path, text := range b.Identity() {
		files[path] = []byte(text)
	}
	config, err := b.config("").Files()
	if err != nil {
		return nil, err
	}
	files[board.KubeadmConfig] = []byte(config[board.KubeadmConfig])
	return files, nil
}
