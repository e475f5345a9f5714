package main

import (
	"encoding/json"
	"fmt"
	"math"
	"sort"
)

// tried is one of several benchmarks of a board.
type tried struct {
	text []byte
	// cost is the mean of the logarithms of its CPU times, divided by the quota.
	cost float64
	// missing is how many measures had no time.
	missing int
}

func tryOf(text []byte) (tried, error) {
	var r struct {
		Bench struct {
			Cores struct {
				Quota float64 `json:"quota"`
			} `json:"cores"`
			Samples []struct {
				Clock  string  `json:"clock"`
				Unit   string  `json:"unit"`
				Median float64 `json:"median"`
			} `json:"samples"`
			Warnings []struct {
				Kind string `json:"kind"`
			} `json:"warnings"`
		} `json:"bench"`
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return tried{}, fmt.Errorf("read the benchmark: %w", err)
	}
	t := tried{text: text}
	n := 0.0
	for _, s := range r.Bench.Samples {
		if s.Clock == "cpu" && s.Unit == "s/op" && s.Median > 0 {
			t.cost += math.Log(s.Median)
			n++
		}
	}
	if n > 0 {
		t.cost /= n
	}
	if q := r.Bench.Cores.Quota; q > 0 && q < 1 {
		t.cost -= math.Log(q)
	}
	for _, w := range r.Bench.Warnings {
		if w.Kind == "unfinished" {
			t.missing++
		}
	}
	return t, nil
}

// middle is the one of middle cost among those that miss least.
func middle(all []tried) []byte {
	sort.SliceStable(all, func(i, k int) bool {
		if all[i].missing != all[k].missing {
			return all[i].missing < all[k].missing
		}
		return all[i].cost < all[k].cost
	})
	n := 1
	for n < len(all) && all[n].missing == all[0].missing {
		n++
	}
	return all[(n-1)/2].text
}

// middleReport adds a board's report and returns the one among those so far whose
// API server took the middle time, of two the shorter.
func (c *calibration) middleReport(b board, r boardReport) boardReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := append(c.reports[b.name], r)
	sort.SliceStable(all, func(i, k int) bool {
		return all[i].waited("kube-apiserver") < all[k].waited("kube-apiserver")
	})
	c.reports[b.name] = all
	return all[(len(all)-1)/2]
}
