package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// stall keeps everything else on the board from running, as a host does that has
// turned to others, or a board that throttles: a thread for each core runs before all
// other threads (SCHED_FIFO, sched(7)).
func stall(args []string) error {
	f := flag.NewFlagSet("stall", flag.ContinueOnError)
	length := f.Duration("for", 30*time.Second, "how long")
	share := f.Float64("share", 0, "what the rest keeps of each core, from 0 to less than 1")
	texts := f.String("when", "", "wait until the file --in holds one of these texts, with | between")
	file := f.String("in", "", "see --when")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *share < 0 || *share >= 1 || *length < 0 {
		return errors.New("stall: want a length, and a share from 0 to less than 1")
	}
	for *texts != "" && !holds(*file, strings.Split(*texts, "|")) {
		time.Sleep(20 * time.Millisecond)
	}
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
		group.Go(func() { errs[core] = occupy(core, *length, *share) })
	}
	group.Wait()
	return errors.Join(append(errs, os.WriteFile(limit, before, 0))...)
}

// holds tells whether a file holds one of the texts.
func holds(file string, texts []string) bool {
	seen, err := os.ReadFile(file)
	return err == nil && slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(string(seen), t) })
}

// occupy keeps a core busy in turns of 100 ms, of which the rest gets its share.
func occupy(core int, length time.Duration, share float64) error {
	const turn = 100 * time.Millisecond
	runtime.LockOSThread()
	mask := [16]uint64{1 << core}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))); errno != 0 {
		return fmt.Errorf("choose core %d: %w", core, errno)
	}
	const fifo = 1
	priority := int32(50)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, fifo, uintptr(unsafe.Pointer(&priority))); errno != 0 {
		return fmt.Errorf("run before all others: %w", errno)
	}
	for end := time.Now().Add(length); time.Now().Before(end); {
		busy := time.Now().Add(time.Duration((1 - share) * float64(turn)))
		for time.Now().Before(busy) {
		}
		if share > 0 {
			time.Sleep(time.Duration(share * float64(turn)))
		}
	}
	return nil
}
