package report

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// run is a report of one measure, "x" in seconds by CPU time.
func run(values ...float64) Report {
	r := New(time.Unix(0, 0))
	sorted := benchSample("x", values)
	r.Bench = &bench.Result{Schema: bench.Schema, Samples: []bench.Sample{sorted}}
	return r
}

func benchSample(name string, values []float64) bench.Sample {
	o := observation{values: values}
	return bench.Sample{
		Name: name, Clock: bench.CPU, Unit: bench.SecondsPerOp, Values: values, N: len(values),
		Median: o.sample().Values[len(values)/2], Spread: 0.01,
	}
}

// around returns n values near the center, reproducibly.
func around(seed uint64, center, width float64, n int) []float64 {
	random := rand.New(rand.NewPCG(seed, 1))
	values := make([]float64, n)
	for i := range values {
		values[i] = center * (1 + width*(random.Float64()-0.5))
	}
	return values
}

func compareCell(t *testing.T, a, b Group) Cell {
	t.Helper()
	c, err := Compare(a, b)
	require.NoError(t, err)
	require.Len(t, c.Rows, 1)
	return c.Rows[0].Cells[1]
}

func TestCompareTellsDifferenceFromNoise(t *testing.T) {
	one := func(r Report) Group { return Group{"g", []Report{r}} }
	slow := compareCell(t, one(run(around(1, 1, 0.1, 50)...)), one(run(around(2, 1.5, 0.1, 50)...)))
	assert.Equal(t, Slower, slow.Verdict)
	assert.InDelta(t, 1.5, slow.Ratio, 0.03)
	assert.Less(t, slow.P, 0.001)
	for _, c := range []struct {
		cell Cell
		want string
	}{
		{Cell{Ratio: 1.5, Verdict: Slower}, "slower: +50 %"},
		{Cell{Ratio: 0.04, Verdict: Faster}, "25.0 times faster"},
		{Cell{Ratio: 40, Verdict: Faster}, "40.0 times faster"},
		{Cell{Ratio: 0.97, Verdict: Noise, Why: "p = 0.40"}, "noise: -3 % (p = 0.40)"},
		{Cell{Ratio: 3, Verdict: Unknown, Why: "too few"}, "unknown: 3.0 times (too few)"},
	} {
		assert.Equal(t, c.want, c.cell.Judgement())
	}

	fast := compareCell(t, one(run(around(1, 1, 0.1, 50)...)), one(run(around(2, 0.25, 0.1, 50)...)))
	assert.Equal(t, Faster, fast.Verdict)

	same := compareCell(t, one(run(around(1, 1, 0.1, 50)...)), one(run(around(2, 1, 0.1, 50)...)))
	assert.Equal(t, Noise, same.Verdict)

	// Significant by the test, and yet not more than the next run would show.
	near := compareCell(t, one(run(around(1, 1, 0.02, 50)...)), one(run(around(2, 1.05, 0.02, 50)...)))
	assert.Less(t, near.P, 0.001)
	assert.Equal(t, Noise, near.Verdict)
	assert.Equal(t, "less than the 10 % that single runs differ by", near.Why)

	few := compareCell(t, one(run(1, 1.01)), one(run(5, 5.01)))
	assert.Equal(t, Unknown, few.Verdict)
	assert.Equal(t, "2 and 2 observations are too few to tell", few.Why)
}

func TestManyRunsTellSmallDifferences(t *testing.T) {
	runs := func(center float64) Group {
		g := Group{Name: "g"}
		for i := range uint64(6) {
			g.Reports = append(g.Reports, run(around(i, center, 0.02, 50)...))
		}
		return g
	}
	cell := compareCell(t, runs(1), runs(1.05))
	assert.Equal(t, Slower, cell.Verdict)
	assert.Equal(t, 6, cell.N)
	assert.Equal(t, Noise, compareCell(t, runs(1), runs(1)).Verdict)
}

// A noisy run needs a larger difference.
func TestSpreadRaisesTheBar(t *testing.T) {
	calm, noisy := run(around(1, 1, 0.02, 50)...), run(around(2, 1.3, 0.02, 50)...)
	noisy.Bench.Samples[0].Spread = 0.25
	cell := compareCell(t, Group{"a", []Report{calm}}, Group{"b", []Report{noisy}})
	assert.Equal(t, Noise, cell.Verdict)
	assert.Equal(t, "less than the 50 % that single runs differ by", cell.Why)
}

func TestCompareSpeedsTheOtherWayRound(t *testing.T) {
	a, b := run(around(1, 1e6, 0.02, 50)...), run(around(2, 3e6, 0.02, 50)...)
	a.Bench.Samples[0].Unit, b.Bench.Samples[0].Unit = bench.BytesPerSecond, bench.BytesPerSecond
	assert.Equal(t, Faster, compareCell(t, Group{"a", []Report{a}}, Group{"b", []Report{b}}).Verdict)
}

func TestCompareSteps(t *testing.T) {
	start := func(seconds float64, failed string) Report {
		r := New(time.Unix(0, 0))
		r.Steps = []Step{{Name: "wait for etcd", Seconds: seconds, Error: failed}}
		r.Outcome = &Outcome{OK: failed == "", Seconds: 2 * seconds}
		return r
	}
	c, err := Compare(Group{"a", []Report{start(10, "")}}, Group{"b", []Report{start(20, "")}})
	require.NoError(t, err)
	require.Len(t, c.Rows, 2)
	assert.Equal(t, "step/wait for etcd", c.Rows[0].Name)
	assert.Equal(t, Unknown, c.Rows[0].Cells[1].Verdict, "one start each shows nothing")
	assert.InDelta(t, 2, c.Rows[0].Cells[1].Ratio, 0)
	assert.Equal(t, "step/all together", c.Rows[1].Name)

	c, err = Compare(Group{"a", []Report{start(10, "")}}, Group{"b", []Report{start(20, "it stuck")}})
	require.NoError(t, err)
	assert.Zero(t, c.Rows[0].Cells[1].N, "a failed step took no time that could be compared")
	assert.Equal(t, "–", c.Rows[0].Cells[1].Judgement())
}

func TestCompareIgnoresTheFolder(t *testing.T) {
	at := func(folder string) Group {
		r := run(around(1, 1, 0.02, 50)...)
		r.Bench.Samples[0].Name = bench.DiskSample(folder, "fsync")
		return Group{folder, []Report{r}}
	}
	c, err := Compare(at("/mnt/ssd"), at("/var/lib/etcd"))
	require.NoError(t, err)
	require.Len(t, c.Rows, 1)
	assert.Equal(t, "disk/fsync", c.Rows[0].Name)
	assert.Equal(t, Noise, c.Rows[0].Cells[1].Verdict)
}

func TestCompareWarns(t *testing.T) {
	a, b := run(1), run(1)
	b.Bench.Short = true
	a.Bench.Warnings = []bench.Warning{{Kind: bench.WarnDisturbed, Text: "other processes took 30 % of the CPU"}}
	c, err := Compare(Group{"a", []Report{a}}, Group{"b", []Report{b}})
	require.NoError(t, err)
	assert.Equal(t, []string{"a: other processes took 30 % of the CPU", "short and full forms are compared: full, short"},
		c.Warnings)
}

func TestCompareRefuses(t *testing.T) {
	_, err := Compare(Group{"a", []Report{run(1)}})
	assert.EqualError(t, err, "compare reports: got 1, want 2 or more")
	_, err = Compare(Group{"a", []Report{run(1)}}, Group{Name: "b"})
	assert.EqualError(t, err, `compare reports: "b" has none`)
	c, err := Compare(Group{"a", []Report{New(time.Unix(0, 0))}}, Group{"b", []Report{New(time.Unix(0, 0))}})
	require.NoError(t, err)
	assert.Empty(t, c.Rows)
}

func TestComparisonGolden(t *testing.T) {
	pi := example(t)
	amd, err := ReadFile("testdata/amd64.json")
	require.NoError(t, err)
	c, err := Compare(Group{"Pi 1", []Report{pi}}, Group{"amd64", []Report{amd}})
	require.NoError(t, err)
	var text, md bytes.Buffer
	require.NoError(t, c.Text(&text))
	golden(t, "compare.txt", text.Bytes())
	require.NoError(t, c.Markdown(&md))
	golden(t, "compare.md", md.Bytes())
}
