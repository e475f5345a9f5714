package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A run on a throttled board shows something about the tool only while this machine
// is about as fast as ever. A board with counted time has none of these bounds.
const (
	// tries are the runs of a tool before it is given up.
	tries = 3
	// costMedian and costMost bound what work in the slices of a paced board costs, in
	// times of its CPU time at full speed: 1.1 to 1.5 on a quiet machine, and ten times
	// on one that turns to others between any two slices.
	costMedian, costMost = 3.0, 6.0
	// lostMost bounds the part of a run for which this machine was kept from working.
	lostMost = 0.1
)

// invalid says why a run shows nothing about the tool; empty if it does.
func (r run) invalid() string {
	if costs := slices.Clone(r.SliceCosts); len(costs) > 0 {
		middle, most := medianNumber(costs), slices.Max(costs)
		if middle > costMedian || most > costMost {
			return fmt.Sprintf("work in the board's slices cost %.1f times its CPU time at full speed, and up to "+
				"%.1f times; valid are %.0f and %.0f",
				middle, most, costMedian, costMost)
		}
	}
	if r.Lost > lostMost {
		return fmt.Sprintf("this machine was kept from working for %.0f %% of the time; valid are %.0f %%", 100*r.Lost,
			100*lostMost)
	}
	return ""
}

// valid runs a tool until a run is valid, three times at most. All of them are
// returned where none is.
func (d *demo) valid(t tool) (all []run, err error) {
	for range tries {
		r, err := d.once(t)
		if d.kind == "" && err == nil {
			r.Invalid = r.invalid()
		}
		all = append(all, r)
		if err != nil || r.Invalid == "" {
			return []run{r}, err
		}
		d.log.Printf("%s: this run is not valid and shows nothing: %s", t.Name, r.Invalid)
	}
	return all, nil
}

// standstill is how long this machine, not the board, has been kept from working, in
// seconds since it started. What cannot be read is 0.
type standstill struct {
	// Stolen is the time of all CPUs that a hypervisor gave to others (proc_stat(5)).
	Stolen float64
	// IO and Memory are how long something waited for a disk, or for memory
	// (Documentation/accounting/psi.rst).
	IO, Memory float64
}

func readStandstill() standstill {
	text := func(path string) string {
		b, _ := os.ReadFile(path)
		return string(b)
	}
	return parseStandstill(text("/proc/stat"), text("/proc/pressure/io"), text("/proc/pressure/memory"))
}

// some is the first line of a pressure file; its total is in microseconds.
var some = regexp.MustCompile(`(?m)^some .*total=(\d+)$`)

func parseStandstill(stat, io, memory string) standstill {
	pressure := func(text string) float64 {
		m := some.FindStringSubmatch(text)
		if m == nil {
			return 0
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		return n / 1e6
	}
	s := standstill{IO: pressure(io), Memory: pressure(memory)}
	line, _, _ := strings.Cut(stat, "\n")
	if fields := strings.Fields(line); len(fields) > 8 && fields[0] == "cpu" {
		n, _ := strconv.ParseFloat(fields[8], 64)
		s.Stolen = n / 100 // USER_HZ
	}
	return s
}

// minus is what was lost since an earlier moment.
func (s standstill) minus(before standstill) standstill {
	return standstill{s.Stolen - before.Stolen, s.IO - before.IO, s.Memory - before.Memory}
}

// seconds is what was lost in all.
func (s standstill) seconds() float64 { return s.Stolen + s.IO + s.Memory }

// String describes it.
func (s standstill) String() string {
	return fmt.Sprintf("%.1f s of CPU time stolen, %.1f s of waiting for a disk, %.1f s for memory", s.Stolen, s.IO,
		s.Memory)
}
