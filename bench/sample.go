package bench

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// The clocks a sample can have been taken with.
const (
	CPU  = "cpu"  // CPU time of the process or thread: the speed of the core
	Wall = "wall" // elapsed time: the speed of the board as it is loaded now
)

// The units a sample can have. They are base units; formatting is for the reader's edge.
const (
	SecondsPerOp   = "s/op" // less is better
	BytesPerSecond = "B/s"  // more is better
)

// maxValues bounds what a sample keeps, so that a report stays small.
const maxValues = 101

// Sample is one measured quantity.
type Sample struct {
	// Name is a path such as "tls-v2/mutual/rsa-2048/x25519mlkem768/server".
	Name string `json:"name"`
	// Clock is CPU or Wall. Name and Clock together are unique in a Result.
	Clock string `json:"clock"`
	// Unit is SecondsPerOp or BytesPerSecond.
	Unit string `json:"unit"`
	// Values are the observations. With more than 101 of them these are their
	// percentiles 0 to 100 instead, in rising order.
	Values []float64 `json:"values"`
	// N counts the observations that were made, Ops the operations in them.
	N   int `json:"n"`
	Ops int `json:"ops"`
	// Median and the percentiles are of all N observations, in Unit. On a
	// disturbed board the better tail, P10 of a time or P90 of a speed, is closer
	// to what the core itself can do.
	Median float64 `json:"median"`
	P10    float64 `json:"p10"`
	P90    float64 `json:"p90"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
	// Spread is the median absolute deviation divided by the median.
	Spread   float64   `json:"spread"`
	Warnings []Warning `json:"warnings,omitempty"`
}

// Warning is a reason to trust a figure less.
type Warning struct {
	// Kind is one of the Warn constants.
	Kind string `json:"kind"`
	// Text is a sentence for people, lower case, without a full stop.
	Text string `json:"text"`
}

// Kinds of warnings.
const (
	WarnFew          = "few"          // too few observations for the statistics
	WarnNoisy        = "noisy"        // the observations differ a lot
	WarnDrift        = "drift"        // the first and the second half differ
	WarnDisturbed    = "disturbed"    // other processes used the CPU
	WarnStolen       = "stolen"       // the hypervisor ran something else
	WarnUnsteady     = "unsteady"     // the core itself was faster and slower, for no reason seen from here
	WarnQuota        = "quota"        // the CFS quota of a cgroup stopped us
	WarnUndervoltage = "undervoltage" // the firmware saw too little voltage
	WarnThrottled    = "throttled"    // the clock was lowered: heat, voltage or a limit
	WarnMemory       = "memory"       // memory is short: the kernel may have been reclaiming or swapping
	WarnInMemory     = "in-memory"    // a folder lies in memory, its writes say nothing about a disk
	WarnRandomness   = "randomness"   // the kernel had no randomness yet
	WarnUnfinished   = "unfinished"   // left out or cut short for lack of time
)

// newSample computes the statistics.
func newSample(name, clock, unit string, values []float64, ops int) Sample {
	s := Sample{Name: name, Clock: clock, Unit: unit, N: len(values), Ops: ops}
	if len(values) == 0 {
		return s
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	s.Median = quantile(sorted, 0.5)
	s.P10 = quantile(sorted, 0.1)
	s.P90 = quantile(sorted, 0.9)
	s.P99 = quantile(sorted, 0.99)
	s.Max = sorted[len(sorted)-1]
	s.Spread = spread(sorted, s.Median)
	s.Warnings = sampleWarnings(values, s)
	s.Values = slices.Clone(values)
	if len(values) > maxValues {
		s.Values = make([]float64, maxValues)
		for i := range s.Values {
			s.Values[i] = quantile(sorted, float64(i)/(maxValues-1))
		}
	}
	for i, v := range s.Values {
		s.Values[i] = round(v)
	}
	return s
}

// round keeps five digits: more would only make reports longer.
func round(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	if err != nil {
		return v
	}
	return short
}

// quantile interpolates between the two order statistics next to q.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

func spread(sorted []float64, median float64) float64 {
	if median == 0 {
		return 0
	}
	deviations := make([]float64, len(sorted))
	for i, v := range sorted {
		deviations[i] = math.Abs(v - median)
	}
	slices.Sort(deviations)
	return quantile(deviations, 0.5) / median
}

func sampleWarnings(inOrder []float64, s Sample) []Warning {
	const few, noisy, drifted = 5, 0.15, 0.10
	if s.N < few {
		return []Warning{{WarnFew, fmt.Sprintf("only %s", plural(s.N, "observation"))}}
	}
	var found []Warning
	if s.Spread > noisy {
		found = append(found, Warning{WarnNoisy, fmt.Sprintf("half of the observations are more than %.0f %% off the median",
			100*s.Spread)})
	}
	if s.N >= 4*few {
		half := len(inOrder) / 2
		first, second := slices.Clone(inOrder[:half]), slices.Clone(inOrder[half:])
		slices.Sort(first)
		slices.Sort(second)
		a, b := quantile(first, 0.5), quantile(second, 0.5)
		if a > 0 && math.Abs(b/a-1) > max(drifted, 2*s.Spread) {
			found = append(found, Warning{WarnDrift, fmt.Sprintf("the median moved by %+.0f %% while it was being measured",
				100*(b/a-1))})
		}
	}
	return found
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
