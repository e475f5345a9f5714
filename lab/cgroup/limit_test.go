package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuota(t *testing.T) {
	for _, c := range []struct {
		limits        limits
		quota, period int64 // microseconds
	}{
		{limits{}, -1, 100_000},
		{limits{CPU: 0.05}, 5000, 100_000},
		{limits{CPU: 2}, 200_000, 100_000},
		{limits{CPU: 0.05, Period: 20 * time.Millisecond}, 1000, 20_000},
		{limits{CPU: 0.003, Period: time.Second}, 3000, 1_000_000},
	} {
		quota, period := c.limits.quota()
		assert.Equal(t, c.quota, quota, "%v", c.limits)
		assert.Equal(t, c.period, period, "%v", c.limits)
		assert.NoError(t, c.limits.check())
	}
}

func TestLimitsTheKernelRefuses(t *testing.T) {
	assert.ErrorContains(t, limits{CPU: 0.003}.check(), "longer --period")
	assert.ErrorContains(t, limits{CPU: 1, Period: 2 * time.Second}.check(), "1ms to 1s")
	assert.ErrorContains(t, limits{CPUs: -1}.check(), "number of CPUs")
}

func TestParseCPUList(t *testing.T) {
	got, err := parseCPUList("0-2,4")
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 2, 4}, got)
	for _, text := range []string{"", "3-1", "x", "0,", "-1", "0-99999999"} {
		_, err := parseCPUList(text)
		assert.Error(t, err, text)
	}
}
