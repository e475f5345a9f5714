package bench

import (
	"context"
	"runtime"
	"time"
)

// work is something that costs CPU time and can be repeated.
type work struct {
	name  string
	bytes float64 // per operation: figures are bytes per second; 0: seconds per operation
	// parts name the threads whose CPU time do returns apart, in that order.
	parts []string
	// ops is how many operations do(1) performs; 0 counts as 1.
	ops int
	// parallel work uses all cores.
	parallel bool
	// long work is not warmed up, and left to itself when the time is over.
	long bool
	do   func(n int) ([]time.Duration, error)
}

const (
	// batchCPU is the CPU time of one observation at least: long against the
	// cost of reading clocks, short against the 5 ms that a quota of 5 % allows
	// in each period.
	batchCPU = 2 * time.Millisecond
	// parallelBatch is that of work on all cores, for each of them: against it the
	// time that a sleeping core takes to wake up has to be short, too.
	parallelBatch = 40 * time.Millisecond
	// wallWindow is the time of one wall clock observation at least, and
	// quotaWindow that of a process with a CFS quota: quotas work in periods of
	// 100 ms, and in less than two of them one sees either running or standing still.
	wallWindow  = 10 * time.Millisecond
	quotaWindow = 200 * time.Millisecond
	// maxGrowth bounds the first guesses at a batch's size.
	maxGrowth = 16
)

// compute repeats a work in batches and keeps one observation for each.
type compute struct {
	work
	clock  clock
	target time.Duration // CPU time of a batch at least
	span   time.Duration // wall time of a window at least
	effort effort

	batch   int  // do's argument, once it is known
	settled bool // batch is known

	cpuValues []float64
	parted    [][]float64
	wallOf    []float64
	window    window

	// cold is what settle saw at last, used where there was no time for more.
	cold *observation

	cpuSum, wallSum time.Duration
	opSum           int
	longest         time.Duration // wall time of a batch
}

type observation struct {
	wall, used time.Duration
	parts      []time.Duration
	batch      int
}

type window struct {
	wall time.Duration
	ops  int
}

// effort is when a measure has done enough, though there would be time left.
type effort struct {
	values    int
	cpu, wall time.Duration
}

func newCompute(c clock, w work, resolution, span time.Duration, e effort) *compute {
	if w.ops == 0 {
		w.ops = 1
	}
	target := max(batchCPU, 20*resolution)
	if w.parallel {
		target = max(target, time.Duration(runtime.NumCPU())*parallelBatch)
		e.values = min(e.values, 24)
	}
	return &compute{
		work: w, clock: c, effort: e, batch: 1, settled: w.long,
		target: target, span: span, parted: make([][]float64, len(w.parts)),
	}
}

// enough reports whether the given part of the effort has been made.
func (m *compute) enough(part float64) bool {
	return float64(len(m.cpuValues)) >= part*float64(m.effort.values) &&
		float64(m.cpuSum) >= part*float64(m.effort.cpu) &&
		float64(m.wallSum) >= part*float64(m.effort.wall)
}

func (m *compute) slice(ctx context.Context, more func(next time.Duration) bool, part float64) error {
	now, cpu := m.clock.Now(), m.clock.CPU()
	for !m.enough(part) && more(m.longest) {
		if err := ctx.Err(); err != nil {
			return err
		}
		parts, err := m.runBatch(ctx)
		if err != nil {
			return err
		}
		// The end of a batch is the start of the next, so that no standstill
		// falls between two of them.
		nextNow, nextCPU := m.clock.Now(), m.clock.CPU()
		wall, used := nextNow.Sub(now), nextCPU-cpu
		now, cpu = nextNow, nextCPU
		if !m.settled {
			m.settle(observation{wall, used, parts, m.batch})
			continue
		}
		m.record(observation{wall, used, parts, m.batch})
	}
	return nil
}

func (m *compute) runBatch(ctx context.Context) ([]time.Duration, error) {
	if !m.long {
		return m.do(m.batch)
	}
	finished := make(chan error, 1)
	go func() {
		_, err := m.do(m.batch)
		finished <- err
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case err := <-finished:
		return nil, err
	}
}

// settle finds the size of a batch. What it saw is put aside: the first
// operations fill caches and tables.
func (m *compute) settle(o observation) {
	m.cold = &o
	m.longest = o.wall
	if o.used >= m.target/2 {
		m.settled = true
	}
	growth := float64(maxGrowth)
	if o.used > 0 {
		growth = min(growth, float64(m.target)/float64(o.used))
	}
	if growth > 1 {
		m.batch = int(float64(m.batch)*growth + 0.5)
		m.longest = time.Duration(float64(o.wall) * growth)
	}
}

func (m *compute) record(o observation) {
	ops := o.batch * m.work.ops
	if m.opSum == 0 {
		// The first operations also read the program from the disk.
		m.longest = o.wall
	}
	m.longest = max(m.longest, o.wall)
	m.cpuSum += o.used
	m.wallSum += o.wall
	m.opSum += ops
	m.cpuValues = append(m.cpuValues, m.value(o.used, ops))
	for i, p := range o.parts {
		m.parted[i] = append(m.parted[i], m.value(p, ops))
	}
	m.window.wall += o.wall
	m.window.ops += ops
	if m.window.wall >= m.span {
		m.closeWindow()
	}
}

func (m *compute) closeWindow() {
	m.wallOf = append(m.wallOf, m.value(m.window.wall, m.window.ops))
	m.window = window{}
}

func (m *compute) value(d time.Duration, ops int) float64 {
	seconds := max(d, 1).Seconds() // a clock that did not move must not divide by zero
	if m.bytes > 0 {
		return m.bytes * float64(ops) / seconds
	}
	return seconds / float64(ops)
}

// samples is empty where nothing was observed.
func (m *compute) samples() []Sample {
	if len(m.cpuValues) == 0 && m.cold != nil {
		m.record(*m.cold)
	}
	if len(m.cpuValues) == 0 {
		return nil
	}
	unit := SecondsPerOp
	if m.bytes > 0 {
		unit = BytesPerSecond
	}
	walls := m.wallOf
	if len(walls) == 0 {
		walls = []float64{m.value(m.window.wall, m.window.ops)}
	}
	all := []Sample{newSample(m.name, Wall, unit, walls, m.opSum)}
	if len(m.parts) == 0 {
		return append(all, newSample(m.name, CPU, unit, m.cpuValues, m.opSum))
	}
	for i, part := range m.parts {
		all = append(all, newSample(m.name+"/"+part, CPU, unit, m.parted[i], m.opSum))
	}
	return all
}
