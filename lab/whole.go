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

// A whole board is a machine that QEMU emulates: Debian with systemd on a disk,
// containerd with all images, Kubernetes built for its CPU.

// extraDisk is a disk beyond the board's own. On the board it is
// /dev/disk/by-id/virtio-lab-disk-N, N counting from 1.
type extraDisk struct {
	Bytes   int64 `json:"bytes"`
	Removed bool  `json:"removed,omitempty"`
}

func diskFile(n int) string { return "disk" + strconv.Itoa(n) + ".img" }

func (b *board) whole() bool { return b.Emulated != "" }

// size is the board's cores and bytes of memory.
func (b *board) size(e emulate.Board) (cores int, memory int64) {
	cores, memory, _ = e.Whole()
	if b.Limits.CPUs > 0 {
		cores = b.Limits.CPUs
	}
	if b.Limits.Memory > 0 {
		memory = b.Limits.Memory
	}
	return cores, memory
}

// wholeBoards are the kinds that lab up takes.
func wholeBoards() []string {
	var names []string
	for _, e := range emulate.Boards() {
		if _, _, ok := e.Whole(); ok {
			names = append(names, e.Name)
		}
	}
	return names
}

// upWhole makes a whole board and returns when it has started and containerd
// answers. When it fails or ctx ends, nothing is left.
func upWhole(ctx context.Context, o upOptions) (err error) {
	dir, owner, err := o.begin()
	if err != nil {
		return err
	}
	e, err := emulate.Find(o.board)
	if err != nil {
		return err
	}
	_, memory, ok := e.Whole()
	if !ok {
		return fmt.Errorf("board %q: want one of %s", o.board, strings.Join(wholeBoards(), ", "))
	}
	if o.limits.CPU > 0 || o.limits.Period > 0 || o.disk.slow() {
		return errors.New("an emulated board takes --cpus and --memory of the limits, and is else as slow as QEMU")
	}
	if e.Card() && (o.limits != limits{} || len(o.disks) > 0) {
		return fmt.Errorf("board %s: QEMU has it with one core, %d MiB and no disk but its card", o.board, memory>>20)
	}
	if err := e.Dilates(o.dilation); err != nil {
		return err
	}
	count := 0
	if o.speed != "" {
		if count, err = emulate.ParseSpeed(o.speed); err != nil {
			return fmt.Errorf("up: --speed: %w", err)
		}
	}
	if err := needWhole(); err != nil {
		return err
	}
	b := &board{Name: o.name, Version: o.version, NodeIP: o.nodeIP, Limits: o.limits, Emulated: o.board, Dilation: o.dilation, Count: count, Owner: owner, dir: dir}
	for _, n := range o.disks {
		b.Disks = append(b.Disks, extraDisk{Bytes: n})
	}
	base, err := wholeBase(ctx, e, b.Version)
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
	for i, d := range b.Disks {
		f, err := os.Create(filepath.Join(dir, diskFile(i+1)))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(d.Bytes), f.Close()); err != nil {
			return err
		}
	}
	if err := b.startNew(ctx, e, base, files, programs); err != nil {
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
	say("board %s is up: %s, Kubernetes %s, address %s", b.Name, e.Label, b.Version, b.NodeIP)
	return nil
}

// machine is what QEMU emulates for the board, without its further disks.
func (b *board) machine(e emulate.Board) emulate.Machine {
	return emulate.Machine{Board: e, Dir: b.dir, Cores: b.Limits.CPUs, Memory: b.Limits.Memory, Dilation: b.Dilation, Count: b.Count}
}

// startWhole starts QEMU and waits until the board has started and containerd
// answers.
func (b *board) startWhole(ctx context.Context, e emulate.Board, clock string, files map[string][]byte, programs map[string]string) error {
	cache, err := folder("emulated")
	if err != nil {
		return err
	}
	m := b.machine(e)
	m.Files, m.Programs, m.Clock = files, programs, clock
	for i, d := range b.Disks {
		if !d.Removed {
			m.Disks = append(m.Disks, emulate.Disk{Serial: "lab-disk-" + strconv.Itoa(i+1), File: diskFile(i + 1)})
		}
	}
	if err := b.startMachine(ctx, cache, m); err != nil {
		return err
	}
	if err := emulate.AwaitAgent(ctx, b.dir, b.First.alive); err != nil {
		return fmt.Errorf("board %s does not come up: %w\n%s\n%s", b.Name, err, b.logTail(), emulate.Console(b.dir))
	}
	out, code, err := b.wholeOutput(ctx, "sh", "-c", startedScript)
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d: %s", code, out)
	}
	if err != nil {
		return fmt.Errorf("board %s: wait for containerd: %w", b.Name, err)
	}
	return nil
}

// startedScript waits on a whole board until it has started everything.
const startedScript = "systemctl is-system-running --wait >/dev/null; until ctr version >/dev/null 2>&1; do sleep 0.5; done"

// startMachine starts the board's QEMU.
func (b *board) startMachine(ctx context.Context, cache string, m emulate.Machine) error {
	cmd, err := m.Prepare(ctx, cache)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(b.dir, "board.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
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

// wholeOutput runs a command on a whole board and returns what it printed.
func (b *board) wholeOutput(ctx context.Context, args ...string) (string, int, error) {
	var out bytes.Buffer
	code, err := emulate.Run(ctx, b.dir, emulate.Command{Args: args, Stdout: &out, Stderr: &out})
	return out.String(), code, err
}

// runWhole is lab run on a whole board.
func (b *board) runWhole(args, env []string) (int, error) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	if !b.First.alive() {
		return exitLab, fmt.Errorf("board %s: it does not run\nhint: lab reboot or lab down --name %s", b.Name, b.Name)
	}
	code, err := emulate.Run(context.Background(), b.dir, emulate.Command{Args: args, Env: env, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals})
	if err != nil {
		return exitLab, fmt.Errorf("run %s on board %s: %w", strings.Join(args, " "), b.Name, err)
	}
	return code, nil
}

// rebootOptions are the flags of lab reboot for whole boards.
type rebootOptions struct {
	orderly        bool
	remove, insert []int
	// clock is what the battery clock says then.
	clock string
}

// rebootWhole cuts the power, or lets the board shut down, and starts it again.
// What the board had not flushed to its disks is lost with the power.
func (b *board) rebootWhole(ctx context.Context, o rebootOptions) error {
	for _, n := range slices.Concat(o.remove, o.insert) {
		if n < 1 || n > len(b.Disks) {
			return fmt.Errorf("board %s: it has %d more disks, and no number %d", b.Name, len(b.Disks), n)
		}
	}
	e, err := emulate.Find(b.Emulated)
	if err != nil {
		return err
	}
	if o.orderly {
		if err := step(ctx, "shutting board "+b.Name+" down", func() error { return b.shutDown(ctx) }); err != nil {
			return err
		}
	}
	if err := endEmulator(b); err != nil {
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
	if err := step(ctx, "starting board "+b.Name, func() error { return b.startWhole(ctx, e, o.clock, nil, nil) }); err != nil {
		return err
	}
	say("board %s is up again", b.Name)
	return nil
}

// shutDown has the board's systemd end everything and switch it off.
func (b *board) shutDown(ctx context.Context) error {
	if _, code, err := b.wholeOutput(ctx, "systemctl", "poweroff"); err != nil && !errors.Is(err, emulate.ErrBoardGone) {
		return err
	} else if err == nil && code != 0 {
		return fmt.Errorf("board %s: systemctl poweroff: exit code %d", b.Name, code)
	}
	deadline := time.Now().Add(2 * time.Hour)
	for b.First.alive() {
		if time.Now().After(deadline) {
			return fmt.Errorf("board %s: it has not shut down within 2 hours\nhint: lab reboot without --orderly\n%s", b.Name, emulate.Console(b.dir))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// endEmulator cuts a whole board's power: its QEMU, and one that a killed lab
// could not write down, which has the board's folder as its working directory.
func endEmulator(b *board) error {
	processes, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		return err
	}
	var found []process
	if b.whole() && b.First.alive() {
		found = append(found, b.First)
	}
	for _, path := range processes {
		cwd, err := os.Readlink(path)
		if err != nil || cwd != b.dir {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if pid, errPID := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && errPID == nil && bytes.HasPrefix(line, []byte("qemu-system-")) {
			found = append(found, processOf(pid))
		}
	}
	deadline := time.Now().Add(time.Minute)
	for _, p := range found {
		for p.alive() {
			if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("end board %s: %w", b.Name, err)
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("end board %s: process %d does not end", b.Name, p.PID)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

// wholeUsage is what the guest's program prints when asked for its usage.
type wholeUsage struct {
	CPUSeconds   float64            `json:"cpuSeconds"`
	Uptime       float64            `json:"uptimeSeconds"`
	Cores        int                `json:"cores"`
	ByProgram    map[string]float64 `json:"cpuSecondsByProgram"`
	WrittenBytes int64              `json:"writtenBytes"`
	MemoryBytes  int64              `json:"memoryBytes"`
	Processes    int                `json:"processes"`
}

func (b *board) usage(ctx context.Context) (wholeUsage, error) {
	// A busy board takes its time.
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Hour, errors.New("the board does not answer"))
	defer cancel()
	var u wholeUsage
	out, code, err := b.wholeOutput(ctx, "/usr/lib/lab/guest", "usage")
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

// wholeStatus is a whole board in lab status. CPU seconds are of the board's own
// clock, since lab up returned or since the last reboot.
func (b *board) wholeStatus() boardStatus {
	s := boardStatus{board: *b, Alive: b.First.alive()}
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

// wholeBase returns the disk from which whole boards of a kind start, and makes
// it the first time.
func wholeBase(ctx context.Context, e emulate.Board, version string) (string, error) {
	t := target{Version: version, Arch: e.GOARCH, ARM: e.GOARM}
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
	unlock, err := lock(ctx, filepath.Join(cache, ".lock-"+e.GOARCH))
	if err != nil {
		return "", err
	}
	defer unlock()
	var system string
	if err := step(ctx, "installing Debian "+e.Debian, func() error { system, err = e.System(ctx, cache); return err }); err != nil {
		return "", err
	}
	archive, err := imageArchive(ctx, programs, system, t)
	if err != nil {
		return "", err
	}
	image := emulate.Image{Files: map[string]string{}, Programs: map[string]string{}, Links: maps.Clone(wholeLinks()), Archive: archive}
	for _, p := range []string{"kubeadm", "kubelet", "kubectl"} {
		image.Programs["/usr/bin/"+p] = filepath.Join(programs, p)
	}
	// What belongs to one board is written anew when it starts.
	common, err := configs(&board{Name: "board", Version: version, NodeIP: "10.88.0.2", Emulated: e.Name}, images["pause"].ref, false)
	if err != nil {
		return "", err
	}
	for path, text := range common {
		image.Files["/etc/"+path] = text
	}
	maps.Copy(image.Files, wholeFiles())
	guest, err := e.Guest(ctx, cache)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal([]any{image.Files, image.Links, filepath.Base(system), filepath.Base(guest), wholeRecipe})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	dir, err := folder("emulated", "whole-"+e.Debian+"-"+t.String()+"-"+hex.EncodeToString(sum[:6]))
	if err != nil {
		return "", err
	}
	base := filepath.Join(dir, "disk.img")
	return base, once(base, func(to string) error {
		return step(ctx, "making the disk of "+e.Name+" with Kubernetes "+version+", and starting it once", func() error {
			return e.Build(ctx, cache, system, to, image)
		})
	})
}

// wholeRecipe counts the ways in which disks were made.
const wholeRecipe = 1

// ownFiles are what one board has of its own.
func (b *board) ownFiles() (map[string][]byte, error) {
	files := map[string][]byte{
		"/etc/hostname":            []byte(b.Name + "\n"),
		"/etc/hosts":               []byte("127.0.0.1 localhost\n::1 localhost\n" + b.NodeIP + " " + b.Name + "\n"),
		"/etc/resolv.conf":         []byte("# nobody listens there: the board has no network beyond itself, and CoreDNS wants a line\nnameserver " + b.NodeIP + "\n"),
		"/etc/machine-id":          []byte(machineID() + "\n"),
		"/etc/default/lab-network": []byte("ADDRESS=" + b.NodeIP + "\n"),
	}
	more, err := configs(b, "", false)
	if err != nil {
		return nil, err
	}
	files["/etc/kubeadm-lab.yaml"] = []byte(more["kubeadm-lab.yaml"])
	return files, nil
}
