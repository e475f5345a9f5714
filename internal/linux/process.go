package linux

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Proc is the path of a process file system: "/proc" but for tests.
type Proc string

// dir is a process's folder.
func (p Proc) dir(pid int) string { return filepath.Join(string(p), strconv.Itoa(pid)) }

// A Process is one program that runs.
type Process struct {
	PID int
	// Parent is the process that made it, or took it over.
	Parent int
	// Started is in clock ticks since the board started; together with PID it is
	// unique until the next start.
	Started uint64
	// CPU is user and system time so far.
	CPU time.Duration
	// State is the letter of proc_pid_stat(5): R, S, D, Z, …
	State byte
}

// Zombie reports whether the process has ended and only its parent has not noticed.
func (p Process) Zombie() bool { return p.State == 'Z' }

// mostTicks keeps sums of CPU times from overflowing: a hundred years.
const mostTicks = 100 * 365 * 24 * 60 * 60 * userHZ / 2

// ParseProcess reads /proc/PID/stat (proc_pid_stat(5)). The second field is the
// program's name in parentheses and may itself hold spaces and parentheses, so
// the fields are counted from the last one.
func ParseProcess(stat []byte) (Process, error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 1 || end < open {
		return Process{}, fmt.Errorf("parse process stat: no name in parentheses")
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(stat[:open])))
	if err != nil {
		return Process{}, fmt.Errorf("parse process stat: pid: %w", err)
	}
	// fields[0] is field 3 (state) of the manual page.
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 20 {
		return Process{}, fmt.Errorf("parse process stat: %d fields after the name, want 20", len(fields))
	}
	var n [3]uint64
	for i, at := range []int{11, 12, 19} { // utime, stime, starttime: fields 14, 15, 22
		if n[i], err = strconv.ParseUint(string(fields[at]), 10, 64); err != nil {
			return Process{}, fmt.Errorf("parse process stat: field %d: %w", at+3, err)
		}
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return Process{}, fmt.Errorf("parse process stat: field 4: %w", err)
	}
	const tick = time.Second / userHZ
	ticks := min(n[0], mostTicks) + min(n[1], mostTicks)
	return Process{
		PID: pid, Parent: parent, Started: n[2], State: fields[0][0],
		CPU: time.Duration(ticks) * tick,
	}, nil
}

// Process reads the process of that id. The error is an *os.PathError where there is
// none.
func (p Proc) Process(pid int) (Process, error) {
	text, err := ReadFile(filepath.Join(p.dir(pid), "stat"))
	if err != nil {
		return Process{}, err
	}
	return ParseProcess(text)
}

// Exists reports whether there is a process of that id.
func (p Proc) Exists(pid int) bool {
	_, err := os.Lstat(p.dir(pid))
	return err == nil
}

// Threads returns the ids of a process's threads.
func (p Proc) Threads(pid int) []string { return Numbers(filepath.Join(p.dir(pid), "task")) }

// BootID is another one after each start of the board (proc_sys_kernel(5)); empty
// where the kernel has none.
func (p Proc) BootID() string {
	text, err := ReadFile(filepath.Join(string(p), "sys/kernel/random/boot_id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Uptime is the time since the board started, in seconds (proc_uptime(5)); 0 where
// the kernel does not report.
func (p Proc) Uptime() float64 {
	text, _ := ReadFile(filepath.Join(string(p), "uptime"))
	first, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(strings.TrimSpace(first), 64)
	if err != nil {
		return 0
	}
	return seconds
}

// Named returns the ids of root's and its container runtimes' processes by name.
// The kernel cuts a name after 15 bytes (proc_pid_comm(5)).
func (p Proc) Named(names ...string) map[string][]int {
	found := map[string][]int{}
	for _, id := range Numbers(string(p)) {
		pid, err := strconv.Atoi(id)
		if err != nil {
			continue
		}
		comm, err := ReadFile(filepath.Join(p.dir(pid), "comm"))
		if err != nil {
			continue
		}
		name := strings.TrimSpace(string(comm))
		if !slices.Contains(names, name) {
			continue
		}
		process, err := p.Process(pid)
		if err != nil {
			process = Process{PID: pid}
		}
		if p.Trusted(process) {
			found[name] = append(found[name], pid)
		}
	}
	return found
}

// Trusted reports whether root started a process, and not a user who gave one of his
// own that name: what a process calls itself proves nothing. It runs as root, or a
// container runtime of root's made it under another user (kubeadm's feature gate
// RootlessControlPlane). The folder p itself is root's.
func (p Proc) Trusted(process Process) bool {
	root, err := ownerOf(string(p))
	if err != nil {
		return false
	}
	if p.runsAs(process.PID, root) {
		return true
	}
	if process.Parent <= 1 || !p.runsAs(process.Parent, root) {
		return false
	}
	comm, err := ReadFile(filepath.Join(p.dir(process.Parent), "comm"))
	return err == nil && slices.ContainsFunc([]string{"containerd-shim", "conmon", "docker-contain"},
		func(shim string) bool { return bytes.HasPrefix(comm, []byte(shim)) })
}

// runsAs reports whether a process has a user for its effective one, who owns its
// folder in /proc, whether the process may be dumped or not (proc(5)).
func (p Proc) runsAs(pid int, user uint32) bool {
	owner, err := ownerOf(p.dir(pid))
	return err == nil && owner == user
}

func ownerOf(path string) (uint32, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return 0, err
	}
	return s.Uid, nil
}
