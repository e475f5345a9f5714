package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// board is a throwaway board. Its folder holds all its files and board.json,
// which is written before anything is started, so that whatever was left by a
// killed lab can be found and removed.
type board struct {
	Name    string  `json:"name"`
	Version string  `json:"kubernetes"`
	CPU     float64 `json:"cpu"`
	NodeIP  string  `json:"nodeIP"`
	// PID is the board's process 1 as this machine sees it, and Started its
	// start time in clock ticks, lest another process be taken for it.
	PID     int    `json:"pid"`
	Started uint64 `json:"started"`
	// SandboxImage is the pause image containerd uses.
	SandboxImage string `json:"sandboxImage"`
	dir          string
}

var nameForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

func boardDir(name string) (string, error) {
	if !nameForm.MatchString(name) {
		return "", fmt.Errorf("board name %q: want small letters, digits and dashes, as in a hostname", name)
	}
	boards, err := folder("boards")
	return filepath.Join(boards, name), err
}

func loadBoard(name string) (*board, error) {
	dir, err := boardDir(name)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "board.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("board %s: not up", name)
	}
	if err != nil {
		return nil, err
	}
	b := &board{dir: dir}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("board %s: read board.json: %w", name, err)
	}
	return b, nil
}

func (b *board) save() error {
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, "board.json"), append(text, '\n'), 0o644)
}

// alive tells whether the board's process 1 still runs.
func (b *board) alive() bool {
	return b.PID > 0 && startTime(b.PID) == b.Started && b.Started != 0
}

// startTime is field 22 of /proc/PID/stat, 0 when there is no such process.
func startTime(pid int) uint64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return 0
	}
	n, _ := strconv.ParseUint(fields[19], 10, 64)
	return n
}

// upOptions are the flags of lab up.
type upOptions struct {
	name, version, nodeIP string
	limits                limits
	programs              []string
}

// up makes a board and returns when containerd runs in it with all images and
// the limits are set. When it fails or is interrupted, nothing is left.
func up(o upOptions) (err error) {
	dir, err := boardDir(o.name)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		return fmt.Errorf("board %s: there already; see lab status, lab down --name %s", o.name, o.name)
	}
	if err := needDebianPrograms(); err != nil {
		return err
	}
	t := target{Version: o.version, Arch: hostArch()}
	programs, err := build(t)
	if err != nil {
		return err
	}
	archive, pause, err := imageArchive(programs, t)
	if err != nil {
		return err
	}
	groups, err := findCgroups(o.name)
	if err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(interrupted)

	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	b := &board{Name: o.name, Version: o.version, CPU: o.limits.CPU, NodeIP: o.nodeIP, SandboxImage: pause, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, down(b))
		}
	}()
	if err := b.save(); err != nil {
		return err
	}
	if err := b.furnish(programs, o.programs); err != nil {
		return err
	}
	store, err := importedStore(t)
	if err != nil {
		return err
	}
	fresh := !isDir(store)
	if !fresh {
		if err := copyTree(store+"/.", filepath.Join(dir, "containerd")); err != nil {
			return err
		}
	}
	if err := groups.create(); err != nil {
		return err
	}
	say("starting board %s", o.name)
	if err := b.start(groups); err != nil {
		return err
	}
	if err := b.waitFor("containerd", interrupted); err != nil {
		return err
	}
	if fresh {
		say("importing images")
		if err := b.importImages(archive, store); err != nil {
			return err
		}
	}
	select {
	case <-interrupted:
		return errors.New("interrupted")
	default:
	}
	if o.limits.Device == "" {
		o.limits.Device = deviceOf(dir)
	}
	if err := groups.limit(o.limits); err != nil {
		return err
	}
	say("board %s is up: Kubernetes %s, %s, address %s", b.Name, b.Version, cpuText(o.limits.CPU), b.NodeIP)
	return nil
}

func cpuText(cpu float64) string {
	if cpu <= 0 {
		return "all CPUs"
	}
	return fmt.Sprintf("%g %% of one core", cpu*100)
}

// deviceOf is the MAJ:MIN of the disk under a folder. blkio wants the whole
// disk, not a partition.
func deviceOf(dir string) string {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return ""
	}
	dev := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	if link, err := filepath.EvalSymlinks("/sys/dev/block/" + dev); err == nil {
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(link), "dev")); err == nil {
			if _, err := os.Stat(filepath.Join(link, "partition")); err == nil {
				return strings.TrimSpace(string(text))
			}
		}
	}
	return dev
}

// start runs the board's process 1 in namespaces of its own.
func (b *board) start(groups cgroups) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(b.dir, "board.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	// The child waits for a byte, so that it is in its cgroups before it makes
	// them the root of its cgroup namespace.
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	cmd := exec.Command(exe, "inside", b.Name)
	cmd.ExtraFiles = []*os.File{r}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC,
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the board: %w", err)
	}
	b.PID = cmd.Process.Pid
	b.Started = startTime(b.PID)
	if err := b.save(); err != nil {
		return err
	}
	if err := groups.enter(b.PID); err != nil {
		return err
	}
	if _, err := w.Write([]byte{1}); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }()
	return nil
}

// waitFor waits until a service of the board answers.
func (b *board) waitFor(service string, interrupted <-chan os.Signal) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		if out, err := b.output("ctr", "version"); err == nil && strings.Contains(out, "Server:") {
			return nil
		}
		select {
		case <-interrupted:
			return errors.New("interrupted")
		case <-time.After(200 * time.Millisecond):
		}
		if !b.alive() || time.Now().After(deadline) {
			text, _ := os.ReadFile(filepath.Join(b.dir, "board.log"))
			return fmt.Errorf("wait for %s on board %s: it does not come up:\n%s", service, b.Name, tail(string(text), 20))
		}
	}
}

// importImages imports the archive and keeps a copy of the store for the next
// board. containerd is stopped for that, so that the copy is whole.
func (b *board) importImages(archive, store string) error {
	inBoard := filepath.Join(b.dir, "root", "var/tmp/images.tar")
	if err := copyTree(archive, inBoard); err != nil {
		return err
	}
	defer os.Remove(inBoard)
	if out, err := b.output("ctr", "-n", "k8s.io", "images", "import", "/var/tmp/images.tar"); err != nil {
		return fmt.Errorf("import images: %w: %s", err, out)
	}
	if out, err := b.output("systemctl", "stop", "containerd"); err != nil {
		return fmt.Errorf("stop containerd: %w: %s", err, out)
	}
	if err := copyTree(filepath.Join(b.dir, "containerd"), store+".new"); err != nil {
		return err
	}
	if err := os.Rename(store+".new", store); err != nil {
		return err
	}
	if out, err := b.output("systemctl", "start", "containerd"); err != nil {
		return fmt.Errorf("start containerd: %w: %s", err, out)
	}
	return b.waitFor("containerd", nil)
}

// down takes a board away: its processes, mounts, namespaces, cgroups, files.
// Killing process 1 of the PID namespace makes the kernel kill all others in
// it; the mounts live in a namespace that goes with the last of them.
func down(b *board) error {
	groups, err := findCgroups(b.Name)
	if err != nil {
		return err
	}
	if b.alive() {
		if err := syscall.Kill(b.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end board %s: %w", b.Name, err)
		}
	}
	// The cgroups know every process of the board, also one that `lab run`
	// started from outside and whose parent is gone.
	for range 300 {
		pids := groups.pids()
		if len(pids) == 0 {
			break
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := groups.remove(); err != nil {
		return err
	}
	var failed error
	for range 50 {
		if failed = os.RemoveAll(b.dir); failed == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("remove the files of board %s: %w", b.Name, failed)
}

// boards lists all boards whose folder is there.
func boards() ([]*board, error) {
	dir, err := folder("boards")
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*board
	for _, e := range entries {
		b, err := loadBoard(e.Name())
		if err != nil {
			// Killed between making the folder and writing board.json.
			b = &board{Name: e.Name(), dir: filepath.Join(dir, e.Name())}
		}
		all = append(all, b)
	}
	return all, nil
}
