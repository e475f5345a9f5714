package bench

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// measure is one step of the benchmark. It can be interrupted and continued.
type measure interface {
	// slice goes on measuring until more says no, or the given part (0 to 1) of
	// what would be enough is reached. More takes how long the next
	// operation will probably last.
	slice(ctx context.Context, more func(next time.Duration) bool, part float64) error
	// samples are what was measured so far, empty if nothing was.
	samples() []Sample
}

// step is a measure with its place in the schedule.
type step struct {
	measure
	title  string
	weight float64 // share of the time
	only   int     // the one round it takes part in, 0 for all
	// needed marks what decisions rest on: it ends with something measured, whatever
	// its first operation took.
	needed bool
	// saturates marks the step that tells how many cores a program gets.
	saturates bool
	// estimate reports how long one operation will probably take, from what was
	// measured before; nil where that does not matter.
	estimate func() time.Duration

	wall, own               time.Duration // while it ran, and our own CPU time
	others, steal, capacity float64       // CPU seconds while it ran
}

// schedule gives each step a share of the time that is left, in order, so
// that time that one does not need goes to those after it. With several rounds
// each step runs in several places of the run, which also shows a board that
// grows slower while it gets warm.
type schedule struct {
	clock    clock
	root     fs.FS
	progress func(step string, done, total int)
	list     []*step
	rounds   int
	end      time.Time
	// enough reports between two rounds whether to leave out those that remain; nil: no.
	enough func() bool

	longest    time.Duration // wall time of a batch so far
	loaded     []CPUClock    // clocks while all cores were busy
	unfinished []string
}

func (s *schedule) run(ctx context.Context) error {
	// One thread at a time, unless a step says otherwise: on a board with one
	// core the two sides of a handshake take turns too.
	cores := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(cores)

	total, done := 0, 0
	var weights float64
	for round := 1; round <= s.rounds; round++ {
		for _, st := range s.list {
			if st.in(round) {
				total++
				weights += st.weight
			}
		}
	}
	for round := 1; round <= s.rounds; round++ {
		for _, st := range s.list {
			if !st.in(round) {
				continue
			}
			s.report(st.title, done, total)
			c, computes := st.measure.(*compute)
			one := computes && !c.parallel
			if one {
				runtime.GOMAXPROCS(1)
			} else {
				runtime.GOMAXPROCS(cores)
			}
			left := s.end.Sub(s.clock.Now())
			release := func() {}
			if computes && len(c.parts) > 0 {
				// Where it cannot be done, the kernel's choice is as good as any.
				if undo, err := keepOnOneCore(); err == nil {
					release = undo
				}
			}
			until := s.clock.Now().Add(time.Duration(float64(left) * st.weight / weights))
			weights -= st.weight
			part := float64(round) / float64(s.rounds)
			if st.only != 0 {
				part = 1
			}
			err := s.slice(ctx, st, until, part)
			release()
			if err != nil {
				s.noteMissing()
				return err
			}
			if computes && !c.long {
				s.longest = max(s.longest, c.longest)
			}
			if st.saturates {
				s.loaded = readClocks(s.root)
			}
			done++
		}
		if round < s.rounds && s.enough != nil && s.observed() && s.enough() {
			break
		}
	}
	s.report("", total, total)
	s.noteMissing()
	return nil
}

// observed reports whether every step of the rounds so far has observed something,
// beyond the first operations that a batch's size is found with.
func (s *schedule) observed() bool {
	for _, st := range s.list {
		if c, ok := st.measure.(*compute); ok && len(c.cpuValues) == 0 {
			return false
		}
	}
	return true
}

func (st *step) in(round int) bool { return st.only == 0 || st.only == round }

func (s *schedule) report(title string, done, total int) {
	if s.progress != nil {
		s.progress(title, done, total)
	}
}

func (s *schedule) slice(ctx context.Context, st *step, until time.Time, part float64) error {
	start, startCPU := s.clock.Now(), s.clock.CPU()
	before, statErr := s.cpuTimes()
	first := true
	c, computes := st.measure.(*compute)
	d, disks := st.measure.(*disk)
	half := start.Add(s.end.Sub(start) / 2)
	err := st.slice(ctx, func(next time.Duration) bool {
		switch {
		case st.estimate != nil:
			next = max(next, st.estimate())
		case next == 0:
			// Nothing is known of it.
			next = s.longest
		}
		if computes && st.needed && len(c.cpuValues) == 0 {
			return true
		}
		now := s.clock.Now()
		if now.Add(next).After(s.end) {
			return false
		}
		if disks && len(d.values) < d.least && now.Before(half) {
			return true
		}
		// The first operation may pass its share of the time: one observation
		// is worth more than none.
		if first {
			first = false
			return true
		}
		return now.Before(until)
	}, part)
	if !computes {
		return err
	}
	after, afterErr := s.cpuTimes()
	wall, own := s.clock.Now().Sub(start), s.clock.CPU()-startCPU
	// The overhead around the batches is in here too: a quota stops that as well.
	st.wall += wall
	st.own += own
	if statErr == nil && afterErr == nil {
		// A slice is a few of the kernel's ticks long, so single differences may
		// be below 0; their sum is what counts.
		st.others += after.Busy - before.Busy - own.Seconds()
		st.steal += after.Steal - before.Steal
		st.capacity += wall.Seconds() * float64(after.CPUs)
	}
	return err
}

func (s *schedule) cpuTimes() (linux.CPUTimes, error) {
	text, err := fs.ReadFile(s.root, "proc/stat")
	if err != nil {
		return linux.CPUTimes{}, err
	}
	return linux.ParseCPUTimes(text)
}

func (s *schedule) noteMissing() {
	for _, st := range s.list {
		if len(st.samples()) == 0 {
			s.unfinished = append(s.unfinished, st.title)
		}
	}
}

// Others of less than this part of the CPU are normal: the kernel's own threads.
const (
	disturbing = 0.10
	stealing   = 0.05
)

// fill writes what was measured into r.
func (s *schedule) fill(r *Result) {
	var one, all struct{ cpu, wall time.Duration }
	var others, steal, capacity float64
	for _, st := range s.list {
		samples := st.samples()
		for _, w := range disturbances(st.others, st.steal, st.capacity) {
			for i := range samples {
				samples[i].Warnings = append(samples[i].Warnings, w)
			}
		}
		r.Samples = append(r.Samples, samples...)
		others += st.others
		steal += st.steal
		capacity += st.capacity
		if c, ok := st.measure.(*compute); ok {
			switch {
			// The two sides of a handshake also wait for each other.
			case !c.parallel && len(c.parts) == 0:
				one.cpu += st.own
				one.wall += st.wall
			case st.saturates:
				all.cpu += st.own
				all.wall += st.wall
			}
		}
	}
	if one.wall > 0 {
		r.Cores.One = one.cpu.Seconds() / one.wall.Seconds()
	}
	if r.Runtime.CPUs <= 1 {
		r.Cores.All = r.Cores.One
	}
	if all.wall > 0 {
		r.Cores.All = all.cpu.Seconds() / all.wall.Seconds()
	}
	if capacity > 0 {
		r.Others = max(0, others/capacity)
	}
	r.Warnings = append(r.Warnings, disturbances(others, steal, capacity)...)
	r.Warnings = append(r.Warnings, unsteadiness(r.Samples)...)
	for _, title := range s.unfinished {
		r.Warnings = append(r.Warnings, Warning{WarnUnfinished, "no time was left for: " + title})
	}
}

func disturbances(others, steal, capacity float64) []Warning {
	if capacity <= 0 {
		return nil
	}
	var found []Warning
	if part := others / capacity; part >= disturbing {
		found = append(found, Warning{WarnDisturbed, fmt.Sprintf("other processes took %.0f %% of the CPU", 100*part)})
	}
	if part := steal / capacity; part >= stealing {
		found = append(found, Warning{WarnStolen, fmt.Sprintf("the hypervisor took %.0f %% of the CPU", 100*part)})
	}
	return found
}

// unsteady is how much slower than its best tenth a core's worst tenth may be.
// Undisturbed boards stay below half of it.
const unsteady = 0.25

// unsteadiness looks at CPU time, which other processes do not lengthen: what
// does is a clock that changes, or somebody else on the same hardware.
func unsteadiness(samples []Sample) []Warning {
	var ratios []float64
	for _, s := range samples {
		if s.Clock != CPU || s.N < 20 || s.P10 <= 0 {
			continue
		}
		ratios = append(ratios, s.P90/s.P10-1)
	}
	if len(ratios) == 0 {
		return nil
	}
	slices.Sort(ratios)
	if typical := quantile(ratios, 0.5); typical > unsteady {
		return []Warning{{WarnUnsteady, fmt.Sprintf("the core's own speed changed by %.0f %% from moment to moment: its "+
			"clock, or another user of the same hardware", 100*typical)}}
	}
	return nil
}
