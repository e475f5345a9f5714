package bench

import (
	"context"
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// slowBoard is a clock that only moves when something is computed. With a
// share below 1 it behaves like a CFS quota with a period of 100 ms: it runs
// at full speed until the share of the period is used, and then stands still.
type slowBoard struct {
	now   time.Time
	cpu   time.Duration
	share float64
}

const cfsPeriod = 100 * time.Millisecond

func newSlowBoard(share float64) *slowBoard {
	return &slowBoard{now: time.Unix(0, 0), share: share}
}

func (b *slowBoard) Now() time.Time           { return b.now }
func (b *slowBoard) CPU() time.Duration       { return b.cpu }
func (b *slowBoard) ThreadCPU() time.Duration { return b.cpu }

func (b *slowBoard) compute(d time.Duration) {
	slot := time.Duration(b.share * float64(cfsPeriod))
	for d > 0 {
		into := b.now.Sub(time.Unix(0, 0)) % cfsPeriod
		if into >= slot && b.share < 1 {
			b.now = b.now.Add(cfsPeriod - into)
			continue
		}
		step := d
		if b.share < 1 {
			step = min(d, slot-into)
		}
		b.cpu += step
		b.now = b.now.Add(step)
		d -= step
	}
}

func (b *slowBoard) work(name string, cost time.Duration) work {
	return work{name: name, do: func(n int) ([]time.Duration, error) {
		b.compute(time.Duration(n) * cost)
		return nil, nil
	}}
}

func TestScheduleKeepsItsBudget(t *testing.T) {
	for _, share := range []float64{1, 0.5, 0.1, 0.05, 0.03} {
		for _, slower := range []float64{1, 15, 30, 100} {
			for _, budget := range []time.Duration{ShortBudget, DefaultBudget} {
				t.Run(fmt.Sprintf("share %g slower %g budget %s", share, slower, budget), func(t *testing.T) {
					board := newSlowBoard(share)
					enough := effort{values: 60, cpu: 400 * time.Millisecond, wall: 500 * time.Millisecond}
					var list []*step
					for i, cost := range []time.Duration{
						3 * time.Millisecond, time.Millisecond, time.Millisecond, 30 * time.Microsecond, 3 * time.Microsecond,
					} {
						w := board.work(fmt.Sprint("work ", i), time.Duration(float64(cost)*slower))
						list = append(list, &step{title: w.name, weight: 1, measure: newCompute(board, w, time.Nanosecond, quotaWindow,
							enough)})
					}
					start := board.Now()
					s := schedule{clock: board, root: fstest.MapFS{}, list: list, rounds: 2, end: start.Add(budget)}
					require.NoError(t, s.run(t.Context()))

					// The very first operation cannot be foreseen, nor can one more standstill.
					first := time.Duration(3e6 * slower / share)
					assert.LessOrEqual(t, board.Now().Sub(start), max(budget, first)+cfsPeriod)
					// Even 5 % of a core that is 15 times slower lets all of them begin
					// in the short budget.
					if slower/share < 80*budget.Seconds() {
						var r Result
						s.fill(&r)
						assert.Empty(t, s.unfinished)
						assert.InEpsilon(t, share, r.Cores.One, 0.2, "the share of a core was measured")
						for i, cost := range []float64{3e-3, 1e-3, 1e-3, 30e-6, 3e-6} {
							sample, ok := r.Sample(fmt.Sprint("work ", i), CPU)
							require.True(t, ok)
							assert.InEpsilon(t, cost*slower, sample.Median, 0.001)
						}
					}
				})
			}
		}
	}
}

func TestScheduleIsDoneEarlyOnAFastBoard(t *testing.T) {
	board := newSlowBoard(1)
	m := newCompute(board, board.work("quick", time.Microsecond), time.Nanosecond, wallWindow,
		effort{values: 10, cpu: 100 * time.Millisecond, wall: 100 * time.Millisecond})
	s := schedule{
		clock: board, root: fstest.MapFS{}, rounds: 2, end: board.Now().Add(time.Hour),
		list: []*step{{title: "quick", weight: 1, measure: m}},
	}
	require.NoError(t, s.run(t.Context()))
	assert.Less(t, board.CPU(), 200*time.Millisecond)
}

func TestScheduleGivesLeftOverTimeToTheNext(t *testing.T) {
	board := newSlowBoard(1)
	quick := newCompute(board, board.work("quick", time.Millisecond), time.Nanosecond, wallWindow, effort{values: 10})
	thorough := newCompute(board, board.work("thorough", time.Millisecond), time.Nanosecond, wallWindow,
		effort{values: 1e6})
	s := schedule{
		clock: board, root: fstest.MapFS{}, rounds: 1, end: board.Now().Add(10 * time.Second),
		list: []*step{{title: "quick", weight: 9, measure: quick}, {title: "thorough", weight: 1, measure: thorough}},
	}
	require.NoError(t, s.run(t.Context()))
	assert.Greater(t, thorough.cpuSum, 9*time.Second)
}

func TestScheduleSkipsWhatCannotFit(t *testing.T) {
	board := newSlowBoard(1)
	w := board.work("keygen", 5*time.Second)
	st := &step{
		title: "keygen", weight: 1, measure: newCompute(board, w, time.Nanosecond, wallWindow, effort{values: 1}),
		estimate: func() time.Duration { return 5 * time.Second },
	}
	s := schedule{clock: board, root: fstest.MapFS{}, list: []*step{st}, rounds: 1, end: board.Now().Add(4 * time.Second)}
	require.NoError(t, s.run(t.Context()))
	var r Result
	s.fill(&r)
	assert.Zero(t, board.CPU())
	assert.Equal(t, []Warning{{WarnUnfinished, "no time was left for: keygen"}}, r.Warnings)
}

func TestCoarseCPUClockMakesLongerBatches(t *testing.T) {
	board := newSlowBoard(1)
	m := newCompute(board, board.work("w", 100*time.Microsecond), 10*time.Millisecond, wallWindow, effort{values: 5})
	more := func(time.Duration) bool { return true }
	require.NoError(t, m.slice(t.Context(), more, 1))
	assert.GreaterOrEqual(t, time.Duration(m.batch)*100*time.Microsecond, 190*time.Millisecond)
}

func TestComputeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	board := newSlowBoard(1)
	n := 0
	w := work{name: "w", do: func(int) ([]time.Duration, error) {
		if n++; n == 7 {
			cancel()
		}
		board.compute(10 * time.Millisecond)
		return nil, nil
	}}
	m := newCompute(board, w, time.Nanosecond, wallWindow, effort{values: 100})
	err := m.slice(ctx, func(time.Duration) bool { return true }, 1)
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 7, n)
}

func TestDisturbances(t *testing.T) {
	assert.Empty(t, disturbances(0.05, 0, 1))
	assert.Equal(t, []Warning{{WarnDisturbed, "other processes took 30 % of the CPU"}}, disturbances(0.6, 0.02, 2))
	assert.Equal(t, []Warning{{WarnStolen, "the hypervisor took 20 % of the CPU"}}, disturbances(0, 0.2, 1))
	assert.Empty(t, disturbances(1, 1, 0), "nothing is known")
}

func TestQuotaWarning(t *testing.T) {
	// Both were measured in less than a period.
	c := Cores{One: 0.97, All: 1.9}
	got := quotaWarnings(cgroupCPU{periods: 100, throttled: 10}, cgroupCPU{periods: 200, throttled: 105, cores: 0.05}, &c)
	assert.Equal(t, []Warning{{WarnQuota, "the cgroup was throttled in 95 % of the scheduler's periods: its quota is " +
		"0.05 cores"}}, got)
	assert.Equal(t, Cores{One: 0.05, All: 0.05, Quota: 0.05, Throttled: 0.95}, c)
	assert.Empty(t, quotaWarnings(cgroupCPU{periods: 5}, cgroupCPU{periods: 9}, &c))
}

// A disk that hangs must not hold the benchmark, and its writer may not be waited for.
func TestHangingDiskIsLeftAlone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	d := &disk{
		clock: systemClock{}, folder: "/f", pattern: patternFsync, limit: 10, effort: effort{values: 10},
		do: func(i int) error {
			if i == 3 {
				cancel()
				<-release
			}
			return nil
		},
	}
	err := d.slice(ctx, func(time.Duration) bool { return true }, 1)
	require.ErrorIs(t, err, context.Canceled)
	assert.Len(t, d.values, 3)
}

func TestUnsteadyCore(t *testing.T) {
	sample := func(p10, p90 float64, n int) Sample { return Sample{Name: "x", Clock: CPU, P10: p10, P90: p90, N: n} }
	assert.Empty(t, unsteadiness(nil))
	assert.Empty(t, unsteadiness([]Sample{sample(1, 1.1, 30), sample(1, 2, 30), sample(1, 1.2, 30)}), "one measure alone")
	assert.Empty(t, unsteadiness([]Sample{sample(1, 2, 10)}), "too few observations to tell")
	assert.Equal(t, []Warning{{WarnUnsteady, "the core's own speed changed by 60 % from moment to moment: its clock, or " +
		"another user of the same hardware"}},
		unsteadiness([]Sample{sample(1, 1.6, 30), sample(1, 1.6, 30), sample(1, 1.1, 30)}))
}

// stalledClock is a fine clock on a board whose CFS quota stops us for 95 ms
// at the worst moment.
type stalledClock struct {
	slowBoard
	reads int
}

func (c *stalledClock) CPU() time.Duration {
	c.reads++
	if c.reads == 2 {
		c.now = c.now.Add(95 * time.Millisecond)
	}
	c.compute(200 * time.Nanosecond)
	return c.cpu
}

func TestResolutionIsNotFooledByAStandstill(t *testing.T) {
	assert.Less(t, cpuResolution(&stalledClock{slowBoard: *newSlowBoard(1)}), 10*time.Microsecond)
}

// tickClock counts CPU time in ticks of 10 ms, as some old kernels do.
type tickClock struct{ slowBoard }

func (c *tickClock) Now() time.Time {
	c.compute(10 * time.Microsecond)
	return c.now
}

func (c *tickClock) CPU() time.Duration {
	return c.cpu / (10 * time.Millisecond) * (10 * time.Millisecond)
}

func TestResolutionOfATickIsSeen(t *testing.T) {
	assert.Equal(t, 10*time.Millisecond, cpuResolution(&tickClock{*newSlowBoard(1)}))
}

func TestRandomness(t *testing.T) {
	found, err := awaitRandomness(t.Context(), systemClock{}, func(int) error { return nil })
	require.NoError(t, err)
	assert.Empty(t, found)

	found, err = awaitRandomness(t.Context(), systemClock{}, func(int) error { return unix.ENOSYS })
	require.NoError(t, err)
	assert.Empty(t, found, "a kernel from before 3.17")

	board := newSlowBoard(1)
	late := func(flags int) error {
		if flags == unix.GRND_NONBLOCK {
			return unix.EAGAIN
		}
		board.compute(21 * time.Second)
		return nil
	}
	found, err = awaitRandomness(t.Context(), board, late)
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, WarnRandomness, found[0].Kind)
	assert.Contains(t, found[0].Text, "no randomness for the first 21.0 s")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	never := make(chan struct{})
	defer close(never)
	_, err = awaitRandomness(ctx, board, func(flags int) error {
		if flags == unix.GRND_NONBLOCK {
			return unix.EAGAIN
		}
		<-never
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

// Seen on a Raspberry Pi 1: a program's first operation reads its code from the
// SD card. It took 0.7 s of the short form's 1.3, as long was each of the next
// thought to take, and a board was planned for that is seven times slower.
func TestFirstOperationsFromASlowCard(t *testing.T) {
	board := newSlowBoard(1)
	cold := func(name string, first, then time.Duration) work {
		touched := false
		return work{name: name, do: func(n int) ([]time.Duration, error) {
			if !touched {
				board.compute(first)
				touched = true
			}
			board.compute(time.Duration(n) * then)
			return nil, nil
		}}
	}
	enough := shortEffort
	var list []*step
	for _, w := range []work{cold("go", 700*time.Millisecond, 15*time.Millisecond), cold("rsa", 300*time.Millisecond,
		95*time.Millisecond), cold("ecdsa", 100*time.Millisecond, 60*time.Millisecond)} {
		list = append(list, &step{title: w.name, weight: 1, measure: newCompute(board, w, time.Nanosecond, wallWindow,
			enough)})
	}
	for _, st := range list {
		st.needed = true
	}
	s := schedule{clock: board, root: fstest.MapFS{}, list: list, rounds: 2,
		end: board.Now().Add(ShortBudget - ShortBudget/10)}
	require.NoError(t, s.run(t.Context()))
	var r Result
	s.fill(&r)
	assert.Empty(t, s.unfinished)
	for name, want := range map[string]float64{"go": 0.015, "rsa": 0.095, "ecdsa": 0.06} {
		sample, ok := r.Sample(name, CPU)
		require.True(t, ok, name)
		assert.InEpsilon(t, want, sample.Median, 0.01, name)
	}
}

// What decisions rest on is measured warm even where that takes longer than there
// is time.
func TestNeededStepPassesTheEnd(t *testing.T) {
	board := newSlowBoard(1)
	costs := []time.Duration{3 * time.Second, 20 * time.Millisecond}
	w := work{name: "go", do: func(int) ([]time.Duration, error) {
		board.compute(costs[0])
		costs = costs[len(costs)-1:]
		return nil, nil
	}}
	st := &step{title: "go", weight: 1, needed: true, measure: newCompute(board, w, time.Nanosecond, wallWindow,
		effort{values: 5})}
	s := schedule{clock: board, root: fstest.MapFS{}, list: []*step{st}, rounds: 1, end: board.Now().Add(ShortBudget)}
	require.NoError(t, s.run(t.Context()))
	assert.InEpsilon(t, 0.02, st.samples()[0].Median, 0.01)
	assert.Less(t, board.CPU(), 4*time.Second)
}
