package bench

import (
	"context"
	"time"
)

// work is something that costs CPU time and can be repeated.
type work struct {
	name  string
	bytes float64 // per operation: figures are bytes per second; 0: seconds per operation
	// parts name the threads whose CPU time do returns apart, in that order.
	parts []string
	// lanes is how many operations do(1) performs at once; 0 counts as 1.
	lanes int
	// long work is not warmed up, and left to itself when the time is over.
	long bool
	do   func(n int) ([]time.Duration, error)
}

const (
	// batchCPU is the CPU time of one observation at least: long against the
	// cost of reading clocks, short against the 5 ms that a quota of 5 % allows
	// in each period.
	batchCPU = 2 * time.Millisecond
	// wallWindow is the time of one wall clock observation at least. CFS quotas
	// work in periods of 100 ms: in less than two of them a median would tell
	// either of running or of standing still.
	wallWindow = 200 * time.Millisecond
	// maxGrowth bounds the first guesses at a batch's size.
	maxGrowth = 16
)

// compute repeats a work in batches and keeps one observation for each.
type compute struct {
	work
	clock  clock
	target time.Duration // CPU time of a batch
	effort effort

	batch   int  // operations in a batch, once it is known
	settled bool // batch is known

	cpuValues []float64
	parted    [][]float64
	wallOf    []float64
	window    window

	cpuSum, wallSum time.Duration
	ops             int
	longest         time.Duration // wall time of a batch
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

func newCompute(c clock, w work, resolution time.Duration, e effort) *compute {
	if w.lanes == 0 {
		w.lanes = 1
	}
	return &compute{
		work: w, clock: c, effort: e, batch: 1, settled: w.long,
		target: max(batchCPU, 20*resolution), parted: make([][]float64, len(w.parts)),
	}
}

// enough tells whether the given part of the effort has been made.
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
			m.settle(wall, used)
			continue
		}
		m.record(wall, used, parts)
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

// settle finds the size of a batch. What it saw is thrown away: the first
// operations fill caches and tables.
func (m *compute) settle(wall, used time.Duration) {
	m.longest = wall
	if used >= m.target/2 {
		m.settled = true
	}
	growth := float64(maxGrowth)
	if used > 0 {
		growth = min(growth, float64(m.target)/float64(used))
	}
	if growth > 1 {
		m.batch = int(float64(m.batch)*growth + 0.5)
		m.longest = time.Duration(float64(wall) * growth)
	}
}

func (m *compute) record(wall, used time.Duration, parts []time.Duration) {
	ops := m.batch * m.lanes
	m.longest = max(m.longest, wall)
	m.cpuSum += used
	m.wallSum += wall
	m.ops += ops
	m.cpuValues = append(m.cpuValues, m.value(used, ops))
	for i, p := range parts {
		m.parted[i] = append(m.parted[i], m.value(p, ops))
	}
	m.window.wall += wall
	m.window.ops += ops
	if m.window.wall >= wallWindow {
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
	if len(m.cpuValues) == 0 {
		return nil
	}
	unit := SecondsPerOp
	if m.bytes > 0 {
		unit = BytesPerSecond
	}
	if len(m.wallOf) == 0 {
		m.closeWindow()
	}
	all := []Sample{newSample(m.name, Wall, unit, m.wallOf, m.ops)}
	if len(m.parts) == 0 {
		return append(all, newSample(m.name, CPU, unit, m.cpuValues, m.ops))
	}
	for i, part := range m.parts {
		all = append(all, newSample(m.name+"/"+part, CPU, unit, m.parted[i], m.ops))
	}
	return all
}
