package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// stall keeps the board from working, as a host does that has turned to others, or a
// board that throttles. Its arguments are places: texts with | between, one of which the
// file --in will hold. Each of them, in this order, is stalled at. It prints a line with
// the board's time, in seconds, for each stall.
func stall(args []string) error {
	f := flag.NewFlagSet("stall", flag.ContinueOnError)
	length := f.Duration("for", 30*time.Second, "how long")
	share := f.Float64("share", 0, "what the rest keeps of each core, from 0 to less than 1")
	file := f.String("in", "", "where the places are looked for")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *share < 0 || *share >= 1 || *length < 0 {
		return errors.New("stall: want a length, and a share from 0 to less than 1")
	}
	for places := f.Args(); len(places) > 0; {
		text, err := os.ReadFile(*file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		passed := passed(string(text), places)
		if passed == 0 {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		now, err := uptime()
		if err != nil {
			return err
		}
		// Places that were passed while the board was slowed have had their stall.
		fmt.Printf("%.1f %s\n", now, strings.Join(places[:passed], ", "))
		places = places[passed:]
		still := func() error { return freeze(*length) }
		if *share > 0 {
			still = func() error { return slow(*length, *share) }
		}
		if err := still(); err != nil {
			return err
		}
	}
	return nil
}

// passed is how many of the places lie behind: up to the last that a text holds.
func passed(text string, places []string) int {
	for i, place := range slices.Backward(places) {
		if slices.ContainsFunc(strings.Split(place, "|"), func(t string) bool { return strings.Contains(text, t) }) {
			return i + 1
		}
	}
	return 0
}

// freeze has all other processes stand still (cgroup.freeze in the kernel's
// admin-guide/cgroup-v2.rst). The board is idle meanwhile, which costs no time where
// that is counted.
func freeze(length time.Duration) (err error) {
	const root, own = "/sys/fs/cgroup", "/sys/fs/cgroup/lab-stall"
	if err := os.MkdirAll(own, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(own+"/cgroup.procs", []byte("0"), 0); err != nil {
		return fmt.Errorf("leave the processes that are to stand still: %w", err)
	}
	groups, err := filepath.Glob(root + "/*/cgroup.freeze")
	if err != nil {
		return err
	}
	for _, file := range groups {
		if filepath.Dir(file) == own {
			continue
		}
		if err := os.WriteFile(file, []byte("1"), 0); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.WriteFile(file, []byte("0"), 0)) }()
	}
	time.Sleep(length)
	return nil
}

// slow leaves the rest of the board a share of each core: a thread for each of them runs
// before all other threads (SCHED_FIFO, sched(7)).
func slow(length time.Duration, share float64) error {
	// Without this the kernel leaves others a twentieth.
	const limit = "/proc/sys/kernel/sched_rt_runtime_us"
	before, err := os.ReadFile(limit)
	if err != nil {
		return err
	}
	if err := os.WriteFile(limit, []byte("-1"), 0); err != nil {
		return err
	}
	errs := make([]error, runtime.NumCPU())
	var group sync.WaitGroup
	for core := range errs {
		group.Go(func() { errs[core] = occupy(core, length, share) })
	}
	group.Wait()
	return errors.Join(append(errs, os.WriteFile(limit, before, 0))...)
}

// occupy keeps a core busy in turns of 100 ms, of which the rest gets its share. The
// thread ends with it.
func occupy(core int, length time.Duration, share float64) error {
	const turn = 100 * time.Millisecond
	runtime.LockOSThread()
	mask := [16]uint64{1 << core}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY,
		0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	if errno != 0 {
		return fmt.Errorf("choose core %d: %w", core, errno)
	}
	const fifo = 1
	priority := int32(50)
	_, _, errno = syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, fifo, uintptr(unsafe.Pointer(&priority)))
	if errno != 0 {
		return fmt.Errorf("run before all others: %w", errno)
	}
	// Not time.Sleep: what wakes that is another thread, which has to wait like the rest.
	rest := syscall.NsecToTimespec(int64(share * float64(turn)))
	x := uint64(1)
	for end := time.Now().Add(length); time.Now().Before(end); {
		for busy := time.Now().Add(time.Duration((1 - share) * float64(turn))); time.Now().Before(busy); {
			x = spin(x)
		}
		_ = syscall.Nanosleep(&rest, nil) // a signal only makes it shorter
	}
	runtime.KeepAlive(x)
	return nil
}

// spin takes a millisecond or so. QEMU has to do much for each jump and each look at the
// clock, and little for what lies between.
func spin(x uint64) uint64 {
	for range 1 << 12 {
		x = x<<1 ^ x>>3 + 1
		x = x<<2 ^ x>>5 + 3
		x = x<<1 ^ x>>7 + 5
		x = x<<3 ^ x>>9 + 7
		x = x<<1 ^ x>>3 + 9
		x = x<<2 ^ x>>5 + 11
		x = x<<1 ^ x>>7 + 13
		x = x<<3 ^ x>>9 + 15
	}
	return x
}
