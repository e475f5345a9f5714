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
