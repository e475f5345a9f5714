package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestInvalidRunsAreNotJudged(t *testing.T) {
	for name, r := range map[string]run{
		"slices":        {host: host{SliceCosts: []float64{1.2, 3.5, 3.4}}},
		"one bad slice": {host: host{SliceCosts: []float64{1.2, 1.3, 1.2, 6.1}}},
		"stolen":        {host: host{Lost: 0.11}},
	} {
		assert.NotEmpty(t, r.invalid(), name)
		r.Invalid = r.invalid()
		r.Tool, r.Missed, r.Restarts = arm, []string{"etcd fell silent"}, map[string]int{"etcd": 3}
		assert.NoError(t, expectations{memory: 40}.check([]run{r}), name)
	}
	assert.Empty(t, run{host: host{SliceCosts: []float64{1.1, 1.5, 2.9}, Lost: 0.05}}.invalid())
	assert.Empty(t, run{}.invalid())
}

// The texts are of `head -n 1 /proc/stat` and `cat /proc/pressure/io /proc/pressure/memory`,
// Linux 6.18.
func TestStandstill(t *testing.T) {
	before := parseStandstill("cpu  164643 0 28904 898083 1197 0 387 160 0 0\n",
		"some avg10=0.00 avg60=0.04 avg300=0.05 total=13457589\nfull avg10=0.00 avg60=0.04 avg300=0.00 total=6062359\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
	assert.Equal(t, standstill{Stolen: 1.6, IO: 13.457589}, before)
	lost := standstill{Stolen: 3.1, IO: 14, Memory: 2}.minus(before)
	assert.Equal(t, "1.5 s of CPU time stolen, 0.5 s of waiting for a disk, 2.0 s for memory", lost.String())
	assert.InDelta(t, 4.04, lost.seconds(), 0.01)
	assert.Zero(t, parseStandstill("", "some nothing", "cpu  1 2 3\n"))
}
