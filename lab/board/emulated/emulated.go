package main

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

	"github.com/kubeadm-arm/kubeadm-arm/lab/emulate"
)

// emulatedBoard is a board with the machine that QEMU has for its kind.
type emulatedBoard struct {
	*board
	kind emulate.Board
}

// ofBoard is the emulated board of a record.
func ofBoard(b *board) (emulatedBoard, error) {
	kind, err := emulate.Find(b.Emulated)
	return emulatedBoard{b, kind}, err
}

func diskFile(n int) string { return "disk" + strconv.Itoa(n) + ".img" }

// size is the board's cores and bytes of memory.
func (b emulatedBoard) size() (cores int, memory int64) {
	cores, memory, _ = b.kind.Whole()
	if b.Limits.CPUs > 0 {
		cores = b.Limits.CPUs
	}
	if b.Limits.Memory > 0 {
		memory = b.Limits.Memory
	}
	return cores, memory
}

// emulatedKinds are those that lab up takes.
func emulatedKinds() []string {
	var names []string
	for _, e := range emulate.Boards() {
		if _, _, ok := e.Whole(); ok {
			names = append(names, e.Name)
		}
	}
	return names
}

// emulatedOptions are what an emulated board is made from.
type emulatedOptions struct {
	kind string
	// dilation is how many seconds here one of the board's takes.
	dilation int
	// speed is that of a board with counted time, empty for the kind's own way.
	speed string
	// disks are the sizes of further disks in bytes.
	disks []int64
}

// newEmulated checks what was asked for and returns a board whose folder is still to
// be made.
func newEmulated(o options, m emulatedOptions, slowDisk disk) (emulatedBoard, error) {
	record, err := o.newBoard()
	if err != nil {
		return emulatedBoard{}, err
	}
	record.Emulated, record.Dilation = m.kind, m.dilation
	b, err := ofBoard(record)
	if err != nil {
		return b, err
	}
	_, memory, ok := b.kind.Whole()
	if !ok {
		return b, fmt.Errorf("board %q: want one of %s", m.kind, strings.Join(emulatedKinds(), ", "))
	}
	if b.Limits.CPU > 0 || b.Limits.Period > 0 || slowDisk.slow() {
		return b, errors.New("an emulated board takes --cpus and --memory of the limits, and is else as slow as QEMU")
	}
	if b.kind.Card() && (b.Limits != limits{} || len(m.disks) > 0) {
		return b, fmt.Errorf("board %s: QEMU has it with one core, %d MiB and no disk but its card", m.kind, memory>>20)
	}
	if err := b.kind.Dilates(m.dilation); err != nil {
		return b, err
	}
	if m.speed != "" {
		if b.Count, err = emulate.ParseSpeed(m.speed); err != nil {
			return b, fmt.Errorf("up: --speed: %w", err)
		}
	}
	for _, n := range m.disks {
		b.Disks = append(b.Disks, extraDisk{Bytes: n})
	}
	return b, needWhole()
}

// upEmulated makes an emulated board and returns when it has started and containerd
// answers. When it fails or ctx ends, nothing is left.
func upEmulated(ctx context.Context, o options, m emulatedOptions, slowDisk disk) (err error) {
	b, err := newEmulated(o, m, slowDisk)
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
	programs, err := extraPrograms(o.programs)
	if err != nil {
		return err
	}
	if err := b.create(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, down(b.board))
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
	if err := b.save(); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	say("board %s is up: %s, Kubernetes %s, address %s", b.Name, b.kind.Label, b.Version, b.NodeIP)
	return nil
}

// createDisks makes the further disks' files.
func (b emulatedBoard) createDisks() error {
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
func (b emulatedBoard) machine() emulate.Machine {
	return emulate.Machine{
		Board: b.kind, Dir: b.Dir, Cores: b.Limits.CPUs, Memory: b.Limits.Memory, Dilation: b.Dilation, Count: b.Count,
	}
}

// start starts QEMU and waits until the board has started and containerd answers.
func (b emulatedBoard) start(ctx context.Context, files map[string][]byte, programs map[string]string) error {
	cache, err := folder("emulated")
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
	if err := b.startMachine(ctx, cache, m); err != nil {
		return err
	}
	if err := emulate.AwaitAgent(ctx, b.Dir, b.First.alive); err != nil {
		return fmt.Errorf("board %s does not come up: %w\n%s\n%s", b.Name, err, b.logTail(), emulate.Console(b.Dir))
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
const startedScript = "systemctl is-system-running --wait >/dev/null; until ctr version >/dev/null 2>&1; do sleep 0.5; done"

// startMachine starts the board's QEMU.
func (b emulatedBoard) startMachine(ctx context.Context, cache string, m emulate.Machine) error {
	cmd, err := m.Prepare(ctx, cache)
	if err != nil {
		return err
	}
	log, err := b.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the board: %w", err)
	}
	b.First = processOf(cmd.Process.Pid)
	go func() { _ = cmd.Wait() }()
	return b.save()
}

// output runs a command on the board and returns what it printed.
func (b emulatedBoard) output(ctx context.Context, args ...string) (string, int, error) {
	var out bytes.Buffer
	code, err := emulate.Run(ctx, b.Dir, emulate.Command{Args: args, Stdout: &out, Stderr: &out})
	return out.String(), code, err
}

// run is lab run on an emulated board.
func (b emulatedBoard) run(args, env []string) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	if !b.First.alive() {
		return exitLab, fmt.Errorf("board %s: it does not run\nhint: lab reboot or lab down --name %s", b.Name, b.Name)
	}
	c := emulate.Command{Args: args, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals}
	code, err := emulate.Run(context.Background(), b.Dir, c)
	if err != nil {
		return exitLab, fmt.Errorf("run %s on board %s: %w", strings.Join(args, " "), b.Name, err)
	}
	return code, nil
}

// rebootOptions are the flags of lab reboot for emulated boards.
type rebootOptions struct {
	orderly        bool
	remove, insert []int
}

// reboot cuts the power, or lets the board shut down, and starts it again. What the
// board had not flushed to its disks is lost with the power.
func (b emulatedBoard) reboot(ctx context.Context, o rebootOptions) error {
	for _, n := range slices.Concat(o.remove, o.insert) {
		if n < 1 || n > len(b.Disks) {
			return fmt.Errorf("board %s: it has %d more disks, and no number %d", b.Name, len(b.Disks), n)
		}
	}
	if o.orderly {
		if err := step(ctx, "shutting board "+b.Name+" down", func() error { return b.shutDown(ctx) }); err != nil {
			return err
		}
	}
	if err := endEmulator(b.board); err != nil {
		return err
	}
	for _, n := range o.remove {
		b.Disks[n-1].Removed = true
	}
	for _, n := range o.insert {
		b.Disks[n-1].Removed = false
	}
	b.CPUSecondsAtUp = 0
	if err := b.save(); err != nil {
		return err
	}
	if err := step(ctx, "starting board "+b.Name, func() error { return b.start(ctx, nil, nil) }); err != nil {
		return err
	}
	say("board %s is up again", b.Name)
	return nil
}

// shutDown has the board's systemd end everything and switch it off.
func (b emulatedBoard) shutDown(ctx context.Context) error {
	if _, code, err := b.output(ctx, "systemctl", "poweroff"); err != nil && !errors.Is(err, emulate.ErrBoardGone) {
		return err
	} else if err == nil && code != 0 {
		return fmt.Errorf("board %s: systemctl poweroff: exit code %d", b.Name, code)
	}
	deadline := time.Now().Add(2 * time.Hour)
	for b.First.alive() {
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

func (b emulatedBoard) usage(ctx context.Context) (guestUsage, error) {
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

// status is an emulated board in lab status. CPU seconds are of the board's own
// clock, since lab up returned or since the last reboot.
func (b emulatedBoard) status() boardStatus {
	s := boardStatus{board: *b.board, Alive: b.First.alive()}
	if !s.Alive {
		return s
	}
	u, err := b.usage(context.Background())
	if err != nil {
		say("%v", err)
		return s
	}
	s.CPUSeconds, s.MemoryBytes, s.Processes = u.CPUSeconds-b.CPUSecondsAtUp, u.MemoryBytes, u.Processes
	s.ByProgram, s.WrittenBytes, s.Cores, s.UptimeSeconds = u.ByProgram, u.WrittenBytes, u.Cores, u.Uptime
	return s
}

// baseDisk returns the disk from which the boards of this kind and version start, and
// makes it the first time.
func (b emulatedBoard) baseDisk(ctx context.Context) (string, error) {
	t := target{Version: b.Version, Arch: b.kind.GOARCH, ARM: b.kind.GOARM}
	programs, err := build(ctx, t)
	if err != nil {
		return "", err
	}
	images, err := wantedImages(ctx, programs, t)
	if err != nil {
		return "", err
	}
	cache, err := folder("emulated")
	if err != nil {
		return "", err
	}
	// One for each of QEMU's user modes: another CPU's boards need not wait.
	unlock, err := lock(ctx, filepath.Join(cache, ".lock-"+b.kind.GOARCH))
	if err != nil {
		return "", err
	}
	defer unlock()
	var system string
	install := func() error { system, err = b.kind.System(ctx, cache); return err }
	if err := step(ctx, "installing Debian "+b.kind.Debian, install); err != nil {
		return "", err
	}
	image, err := b.diskContents(programs, images["pause"].ref)
	if err != nil {
		return "", err
	}
	if image.Archive, err = imageArchive(ctx, programs, system, t); err != nil {
		return "", err
	}
	key, err := b.diskKey(ctx, cache, system, image)
	if err != nil {
		return "", err
	}
	dir, err := folder("emulated", "whole-"+b.kind.Debian+"-"+t.String()+"-"+key)
	if err != nil {
		return "", err
	}
	base := filepath.Join(dir, "disk.img")
	return base, once(base, func(to string) error {
		what := "making the disk of " + b.kind.Name + " with Kubernetes " + b.Version + ", and starting it once"
		return step(ctx, what, func() error { return b.kind.Build(ctx, cache, system, to, image) })
	})
}

// diskContents is what the disk of all boards of this kind holds beyond Debian. What
// belongs to one board is written anew when it starts.
func (b emulatedBoard) diskContents(programs, sandboxImage string) (emulate.Image, error) {
	image := emulate.Image{Files: map[string]string{}, Programs: map[string]string{}, Links: maps.Clone(systemLinks())}
	for _, p := range []string{"kubeadm", "kubelet", "kubectl"} {
		image.Programs["/usr/bin/"+p] = filepath.Join(programs, p)
	}
	common := emulatedBoard{&board{Name: "board", Version: b.Version, NodeIP: defaultNodeIP}, b.kind}
	files, err := common.config(sandboxImage).files()
	if err != nil {
		return image, err
	}
	maps.Copy(image.Files, files)
	maps.Copy(image.Files, systemFiles())
	return image, nil
}

// diskKey changes with everything that a disk is made from.
func (b emulatedBoard) diskKey(ctx context.Context, cache, system string, image emulate.Image) (string, error) {
	guest, err := b.kind.Guest(ctx, cache)
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
func (b emulatedBoard) config(sandboxImage string) config {
	c := b.board.config(sandboxImage)
	c.CgroupDriver, c.Systemd = "systemd", true
	c.ARM = b.kind.GOARCH == "arm" && minorOf(b.Version) >= 31
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
func (b emulatedBoard) ownFiles() (map[string][]byte, error) {
	files := map[string][]byte{"/etc/default/lab-network": []byte("ADDRESS=" + b.NodeIP + "\n")}
	for path, text := range b.identity() {
		files[path] = []byte(text)
	}
	config, err := b.config("").files()
	if err != nil {
		return nil, err
	}
	files[kubeadmConfigPath] = []byte(config[kubeadmConfigPath])
	return files, nil
}
