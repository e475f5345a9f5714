package linux

import (
	"bytes"
	"path/filepath"
	"strconv"
)

// A Finder looks for processes by their program, again and again. On a slow board,
// reading all of /proc costs more than a health request.
type Finder struct {
	Proc Proc
	// nameless are the ids without a command line, most of them the kernel's own
	// threads. They are skipped in all but every eighth scan: a process that has
	// ended looks the same, and its id is given to another one.
	nameless map[string]bool
	scans    int
}

// rereadEvery is after how many scans the nameless ids are read again.
const rereadEvery = 8

// Newest returns the newest process whose first argument ends in the given program
// name. Shell wrappers do not count.
func (f *Finder) Newest(program string) (newest Process, found bool) {
	if f.scans%rereadEvery == 0 {
		f.nameless = map[string]bool{}
	}
	f.scans++
	for _, id := range Numbers(string(f.Proc)) {
		if f.nameless[id] {
			continue
		}
		pid, err := strconv.Atoi(id)
		if err != nil {
			continue
		}
		p, ok, nameless := f.read(pid, program)
		if nameless {
			f.nameless[id] = true
		}
		if ok && (!found || p.Started > newest.Started) {
			newest, found = p, true
		}
	}
	return newest, found
}

// Again is Newest for a program whose process was last seen before: as long as that
// one lives it is the answer, and the others need not be read. A zero last has not
// been seen.
func (f *Finder) Again(program string, last Process) (Process, bool) {
	if last.PID != 0 {
		if p, ok, _ := f.read(last.PID, program); ok && p.Started == last.Started {
			return p, true
		}
	}
	return f.Newest(program)
}

// read reads one process, if it runs the program and has not ended. nameless says
// that it has no command line.
func (f *Finder) read(pid int, program string) (p Process, ok, nameless bool) {
	cmdline, err := ReadFile(filepath.Join(f.Proc.dir(pid), "cmdline"))
	if err != nil || len(cmdline) == 0 {
		return Process{}, false, err == nil
	}
	first, _, _ := bytes.Cut(cmdline, []byte{0})
	if filepath.Base(string(first)) != program {
		return Process{}, false, false
	}
	p, err = f.Proc.Process(pid)
	if err != nil {
		return Process{}, false, false // it ended in between
	}
	return p, !p.Zombie() && f.Proc.Trusted(p), false
}
