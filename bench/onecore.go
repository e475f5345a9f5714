package bench

import (
	"errors"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// keepOnOneCore keeps all threads of this process, also those that are made meanwhile, on
// the core that the caller runs on, until release is called.
//
// What takes turns on several threads, as the two sides of a handshake do, is else on one
// core or on two as the kernel likes, and each turn finds its caches elsewhere and waits
// for a core to wake up: on a virtual machine the same handshakes took half as long again,
// and a tenth more or less from run to run.
//
// It fails where /proc is not mounted, or on a kernel that knows no affinity
// (sched_setaffinity(2)); then nothing is changed.
func keepOnOneCore() (release func(), err error) {
	core, err := currentCore()
	if err != nil {
		return nil, err
	}
	var usual unix.CPUSet
	if err := unix.SchedGetaffinity(0, &usual); err != nil {
		return nil, err
	}
	if err := moveThreads(&core); err != nil {
		return nil, errors.Join(err, moveThreads(&usual))
	}
	return func() { _ = moveThreads(&usual) }, nil
}

// moveThreads gives every thread of this process a set of cores. A thread has its maker's,
// so one that was made by another that had not got it yet is found by looking again.
func moveThreads(to *unix.CPUSet) error {
	moved := map[string]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		again := false
		for _, t := range threads {
			tid, err := strconv.Atoi(t.Name())
			if err != nil || moved[t.Name()] {
				continue
			}
			// ESRCH: it has ended.
			if err := unix.SchedSetaffinity(tid, to); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			moved[t.Name()], again = true, true
		}
		if !again {
			return nil
		}
	}
}

// currentCore is the core that the caller runs on (getcpu(2)).
func currentCore() (core unix.CPUSet, err error) {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return core, errno
	}
	core.Set(int(cpu))
	return core, nil
}
