package main

import (
	"fmt"
	"slices"
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
