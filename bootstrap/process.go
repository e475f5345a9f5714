package bootstrap

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A process is one running program of the board.
type process struct {
	PID int
	// Parent is the process that made it, or took it over.
	Parent int
	// Started is in clock ticks since boot, which together with PID names a
	// process for ever.
	Started uint64
	// CPU is user and system time so far.
	CPU time.Duration
	// State is the letter of proc_pid_stat(5): R, S, D, Z, …
	State byte
}

// userHZ is the unit of the times in /proc/PID/stat; the kernel fixes it at
// 100 for user space on every architecture this program runs on (proc(5)).
const userHZ = 100

// mostTicks keeps sums of CPU times from overflowing: a hundred years.
const mostTicks = 100 * 365 * 24 * 60 * 60 * userHZ / 2

// parseStat reads /proc/PID/stat (proc_pid_stat(5)). The second field is the
// program's name in parentheses and may itself hold spaces and parentheses, so
// the fields are counted from the last one.
func parseStat(stat []byte) (process, error) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 1 || end < open {
		return process{}, fmt.Errorf("parse process stat: no name in parentheses")
	}
	pid, err := strconv.Atoi(string(bytes.TrimSpace(stat[:open])))
	if err != nil {
		return process{}, fmt.Errorf("parse process stat: pid: %w", err)
	}
	// fields[0] is field 3 (state) of the manual page.
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 20 {
		return process{}, fmt.Errorf("parse process stat: %d fields after the name, want 20", len(fields))
	}
	var n [3]uint64
	for i, at := range []int{11, 12, 19} { // utime, stime, starttime: fields 14, 15, 22
		if n[i], err = strconv.ParseUint(string(fields[at]), 10, 64); err != nil {
			return process{}, fmt.Errorf("parse process stat: field %d: %w", at+3, err)
		}
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return process{}, fmt.Errorf("parse process stat: field 4: %w", err)
	}
	const tick = time.Second / userHZ
	ticks := min(n[0], mostTicks) + min(n[1], mostTicks)
	return process{
		PID: pid, Parent: parent, Started: n[2], State: fields[0][0],
		CPU: time.Duration(ticks) * tick,
	}, nil
}

// finder looks for processes again and again, always in the same /proc. On a slow
// board, reading all of it costs more than a health request. The zero finder has not
// looked yet.
type finder struct {
	// kernel are the ids without a command line, most of them the kernel's own threads.
	// They are left out, but for every few times: a process that ended can have been
	// one, and its id comes again.
	kernel map[string]bool
	scans  int
}

// forgetEvery is after how many scans those without a command line are read again.
const forgetEvery = 8

// newest returns the newest process below proc (the /proc folder) whose first
// argument ends in the given program name. Shell wrappers do not count.
func (f *finder) newest(proc, program string) (process, bool) {
	if f.scans%forgetEvery == 0 {
		f.kernel = map[string]bool{}
	}
	f.scans++
	var newest process
	found := false
	for _, id := range numbersIn(proc) {
		if f.kernel[id] {
			continue
		}
		p, ok, nameless := processAt(filepath.Join(proc, id), program)
		if nameless {
			f.kernel[id] = true
		}
		if ok && (!found || p.Started > newest.Started) {
			newest, found = p, true
		}
	}
	return newest, found
}

// again is newest for a component that was seen before: as long as that process
// lives, it is the one, and the others need not be read.
func (f *finder) again(proc, program string, last Observation) (process, bool) {
	if last.Running {
		p, ok, _ := processAt(filepath.Join(proc, strconv.Itoa(last.PID)), program)
		if ok && p.Started == last.Started {
			return p, true
		}
	}
	return f.newest(proc, program)
}

// processAt reads the folder of one process, if it runs the program and has not
// ended. nameless says that it has no command line.
func processAt(dir, program string) (p process, ok, nameless bool) {
	cmdline, err := readKernelFile(filepath.Join(dir, "cmdline"))
	if err != nil || len(cmdline) == 0 {
		return process{}, false, err == nil
	}
	first, _, _ := bytes.Cut(cmdline, []byte{0})
	if filepath.Base(string(first)) != program {
		return process{}, false, false
	}
	stat, err := readKernelFile(filepath.Join(dir, "stat"))
	if err != nil {
		return process{}, false, false // it ended in between
	}
	p, err = parseStat(stat)
	return p, err == nil && p.State != 'Z' && trusted(filepath.Dir(dir), p), false
}

// trusted tells whether it was root who started a process, and not a user who called
// one of his so: what a process calls itself proves nothing. It runs as root, or a
// container runtime made it, as one whose user is another (kubeadm's feature gate
// RootlessControlPlane). proc is the /proc folder, which is root's.
func trusted(proc string, p process) bool {
	root, err := ownerOf(proc)
	if err != nil {
		return false
	}
	if runsAs(proc, p.PID, root) {
		return true
	}
	if p.Parent <= 1 || !runsAs(proc, p.Parent, root) {
		return false
	}
	comm, err := readKernelFile(filepath.Join(proc, strconv.Itoa(p.Parent), "comm"))
	return err == nil && (bytes.HasPrefix(comm, []byte("containerd-shim")) || bytes.HasPrefix(comm, []byte("conmon")) || bytes.HasPrefix(comm, []byte("docker-contain")))
}

// runsAs tells whether a process has a user for its effective one. That owns its folder
// in /proc, whatever the process does to be dumped or not (proc(5)).
func runsAs(proc string, pid int, user uint32) bool {
	owner, err := ownerOf(filepath.Join(proc, strconv.Itoa(pid)))
	return err == nil && owner == user
}

func ownerOf(path string) (uint32, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return 0, err
	}
	return s.Uid, nil
}
