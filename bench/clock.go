package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock is the door to time, so that tests can run a slow board in no time.
type clock interface {
	// Now is the wall clock with a monotonic reading.
	Now() time.Time
	// CPU is the CPU time used by the whole process so far.
	CPU() time.Duration
	// ThreadCPU is the CPU time used by the calling thread so far.
	ThreadCPU() time.Duration
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

// CPU reads the sum that getrusage(2) reports as user plus system time, from
// clock_gettime(2) because that one counts nanoseconds.
func (systemClock) CPU() time.Duration { return cpuClock(unix.CLOCK_PROCESS_CPUTIME_ID) }

func (systemClock) ThreadCPU() time.Duration { return cpuClock(unix.CLOCK_THREAD_CPUTIME_ID) }

func cpuClock(id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		// Both clocks exist since Linux 2.6.12; without them nothing here has a meaning.
		panic("bench: clock_gettime: " + err.Error())
	}
	return time.Duration(ts.Nano())
}

// cpuResolution spins until the CPU clock has moved a few times and returns its
// smallest step. Kernels for some old boards have no better scheduler clock
// than the tick, whatever clock_getres(2) says.
func cpuResolution(c clock) time.Duration {
	const steps, tick = 3, 10 * time.Millisecond
	// A CFS quota can stop us at any moment for almost 100 ms, so time that
	// passes does not mean that the clock stands still.
	const patience = 5 * 100 * time.Millisecond
	smallest := tick
	start := c.Now()
	last := c.CPU()
	for seen := 0; seen < steps && c.Now().Sub(start) < patience; {
		now := c.CPU()
		if now == last {
			continue
		}
		smallest = min(smallest, now-last)
		last = now
		seen++
	}
	return smallest
}
