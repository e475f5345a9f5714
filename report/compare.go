package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// Group is one side of a comparison: a board or a setting, with one report or
// several runs of it.
type Group struct {
	Name    string
	Reports []Report
}

// Comparison sets groups side by side. The first is what the others are
// compared with.
type Comparison struct {
	Names []string `json:"names"`
	Rows  []Row    `json:"rows"`
	// Warnings are reasons to be careful with all of it.
	Warnings []string `json:"warnings,omitempty"`
}

// Row is one measure.
type Row struct {
	Name  string `json:"name"`
	Clock string `json:"clock"`
	Unit  string `json:"unit"`
	Cells []Cell `json:"cells"` // one for each group
}

// Verdict is what a comparison with the first group says.
type Verdict string

// The verdicts.
const (
	Faster  Verdict = "faster"
	Slower  Verdict = "slower"
	Noise   Verdict = "noise"   // the difference is none, or not more than chance and disturbance make
	Unknown Verdict = "unknown" // too few observations to tell
)

// Cell is one measure of one group.
type Cell struct {
	// N is the number of observations, 0 if the group did not measure this.
	N int `json:"n"`
	// Median is in the row's unit; Low and High bound it with 95 % confidence,
	// and are 0 where there are too few observations for that.
	Median float64 `json:"median"`
	Low    float64 `json:"low,omitempty"`
	High   float64 `json:"high,omitempty"`
	// Ratio is Median divided by the first group's, 0 if one is not known.
	Ratio float64 `json:"ratio,omitempty"`
	// P is the chance of a difference like this between two samples of the same
	// thing (Mann-Whitney U test), 1 for the first group.
	P       float64 `json:"p"`
	Verdict Verdict `json:"verdict,omitempty"`
	// Why explains Noise and Unknown, empty for the others.
	Why string `json:"why,omitempty"`
}

const (
	confidence = 0.95
	// enoughRuns is from how many runs on each side on the runs' medians are
	// the observations: fewer can never become significant at 5 %.
	enoughRuns = 4
	// unlike is how far two runs of the same board on the same day may lie
	// apart. The observations of one run share its luck, so that a test of them
	// finds significant what the next run takes back. More runs remove this.
	unlike = 0.10
)

// Compare needs two groups or more, each with a report or more.
//
// With four runs or more in both groups, each run's median is one observation,
// and significance is all that counts. With fewer, the observations within the
// runs are compared, and a difference must also be larger than runs of the
// same board differ from each other: 10 %, or more where they were noisier.
func Compare(groups ...Group) (Comparison, error) {
	if len(groups) < 2 {
		return Comparison{}, fmt.Errorf("compare reports: got %d, want 2 or more", len(groups))
	}
	var c Comparison
	for _, g := range groups {
		if len(g.Reports) == 0 {
			return Comparison{}, fmt.Errorf("compare reports: %q has none", g.Name)
		}
		c.Names = append(c.Names, g.Name)
		c.Warnings = append(c.Warnings, g.warnings()...)
	}
	c.Warnings = append(c.Warnings, mismatches(groups)...)
	for _, id := range measures(groups) {
		row := Row{Name: id.name, Clock: id.clock, Unit: id.unit}
		first := groups[0].observe(id)
		for i, g := range groups {
			o := first
			if i > 0 {
				o = g.observe(id)
			}
			cell := o.cell()
			if i == 0 {
				cell.P = 1
			} else {
				cell.compareWith(first, o, id.unit)
			}
			row.Cells = append(row.Cells, cell)
		}
		c.Rows = append(c.Rows, row)
	}
	return c, nil
}

// measureID is what two reports must agree on to be comparable.
type measureID struct{ name, clock, unit string }

// stepPrefix begins the names of bootstrap steps among the measures.
const stepPrefix = "step/"

// measures lists all measures in the order in which they first appear, steps last.
func measures(groups []Group) []measureID {
	var ids []measureID
	add := func(id measureID) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, g := range groups {
		for _, r := range g.Reports {
			for _, s := range r.samples() {
				add(measureID{shared(s.Name), s.Clock, s.Unit})
			}
		}
	}
	for _, g := range groups {
		for _, r := range g.Reports {
			for _, s := range r.Steps {
				add(measureID{stepPrefix + s.Name, bench.Wall, bench.SecondsPerOp})
			}
			if r.Outcome != nil && r.Outcome.OK {
				add(measureID{stepPrefix + total, bench.Wall, bench.SecondsPerOp})
			}
		}
	}
	return ids
}

// total is the name of the whole bootstrap among the steps.
const total = "all together"

func (r Report) samples() []bench.Sample {
	if r.Bench == nil {
		return nil
	}
	return r.Bench.Samples
}

// shared takes the folder out of a disk's measure: the same pattern in
// /mnt/ssd of one board and /var/lib/etcd of another is what one compares.
// The first folder of each report counts.
func shared(name string) string {
	if rest, ok := strings.CutPrefix(name, "disk/"); ok {
		pattern, _, _ := strings.Cut(rest, "/")
		return "disk/" + pattern
	}
	return name
}

// observation is what a group knows about one measure.
type observation struct {
	values []float64
	n      int
	byRun  bool    // values are the medians of runs
	spread float64 // relative, the widest within a run
}

func (g Group) observe(id measureID) observation {
	var o observation
	var medians []float64
	for _, r := range g.Reports {
		if name, ok := strings.CutPrefix(id.name, stepPrefix); ok {
			if seconds, ok := r.stepSeconds(name); ok {
				medians = append(medians, seconds)
				o.values = append(o.values, seconds)
				o.n++
			}
			continue
		}
		for _, s := range r.samples() {
			if shared(s.Name) == id.name && s.Clock == id.clock && s.Unit == id.unit && s.N > 0 {
				medians = append(medians, s.Median)
				o.values = append(o.values, s.Values...)
				o.n += s.N
				o.spread = max(o.spread, s.Spread)
				break
			}
		}
	}
	if len(medians) >= enoughRuns || strings.HasPrefix(id.name, stepPrefix) {
		return observation{values: medians, n: len(medians), byRun: true}
	}
	return o
}

func (r Report) stepSeconds(name string) (float64, bool) {
	if name == total {
		if r.Outcome == nil || !r.Outcome.OK {
			return 0, false
		}
		return r.Outcome.Seconds, true
	}
	for _, s := range r.Steps {
		if s.Name == name && s.Error == "" {
			return s.Seconds, true
		}
	}
	return 0, false
}

func (o observation) sample() *benchmath.Sample {
	// NewSample sorts what it is given.
	return benchmath.NewSample(slices.Clone(o.values), &benchmath.DefaultThresholds)
}

func (o observation) cell() Cell {
	if len(o.values) == 0 {
		return Cell{}
	}
	summary := benchmath.AssumeNothing.Summary(o.sample(), confidence)
	c := Cell{N: o.n, Median: summary.Center}
	if !math.IsInf(summary.Lo, 0) && !math.IsInf(summary.Hi, 0) {
		c.Low, c.High = summary.Lo, summary.Hi
	}
	return c
}

func (c *Cell) compareWith(first, o observation, unit string) {
	if len(first.values) == 0 || len(o.values) == 0 {
		return
	}
	base := first.cell().Median
	if base == 0 {
		c.Verdict, c.Why = Unknown, "the first is 0"
		return
	}
	c.Ratio = c.Median / base
	test := benchmath.AssumeNothing.Compare(first.sample(), o.sample())
	c.P = test.P
	change := math.Abs(math.Log(c.Ratio))
	byRun := first.byRun && o.byRun
	floor := max(unlike, 2*first.spread, 2*o.spread)
	switch {
	case min(len(first.values), len(o.values)) < enoughRuns:
		c.Verdict, c.Why = Unknown, fmt.Sprintf("%d and %d observations are too few to tell", len(first.values),
			len(o.values))
	case test.P >= test.Alpha:
		c.Verdict, c.Why = Noise, fmt.Sprintf("p = %.2f", test.P)
	case !byRun && change < math.Log1p(floor):
		c.Verdict, c.Why = Noise, fmt.Sprintf("less than the %.0f %% that single runs differ by", 100*floor)
	case (c.Ratio < 1) == (unit == bench.SecondsPerOp):
		c.Verdict = Faster
	default:
		c.Verdict = Slower
	}
}

// warnings are the benchmark's own warnings about the runs of a group.
func (g Group) warnings() []string {
	var found []string
	for i, r := range g.Reports {
		if r.Bench == nil {
			continue
		}
		name := g.Name
		if len(g.Reports) > 1 {
			name = fmt.Sprintf("%s, run %d", g.Name, i+1)
		}
		for _, w := range r.Bench.Warnings {
			if w.Kind != bench.WarnUnfinished {
				found = append(found, name+": "+w.Text)
			}
		}
	}
	return found
}

// mismatches are differences that are not the boards'.
func mismatches(groups []Group) []string {
	var found []string
	for _, what := range []struct {
		name string
		of   func(Report) string
	}{
		{"the benchmark was built with different versions of Go", func(r Report) string {
			if r.Bench == nil {
				return ""
			}
			return r.Bench.Runtime.Version
		}},
		{"the benchmark was built for different kinds of CPU", func(r Report) string {
			if r.Bench == nil {
				return ""
			}
			return r.Bench.Runtime.Arch + r.Bench.Runtime.ARM
		}},
		{"short and full forms are compared", func(r Report) string {
			if r.Bench == nil {
				return ""
			}
			return map[bool]string{true: "short", false: "full"}[r.Bench.Short]
		}},
		{"different versions of kubeadm ran", func(r Report) string { return r.Versions["kubeadm"] }},
	} {
		var values []string
		for _, g := range groups {
			for _, r := range g.Reports {
				if v := what.of(r); v != "" && !slices.Contains(values, v) {
					values = append(values, v)
				}
			}
		}
		if len(values) > 1 {
			found = append(found, what.name+": "+strings.Join(values, ", "))
		}
	}
	return found
}
