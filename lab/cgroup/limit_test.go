package cgroup

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuota(t *testing.T) {
	for _, c := range []struct {
		limits        Limits
		quota, period int64 // microseconds
	}{
		{Limits{}, -1, 100_000},
		{Limits{CPU: 0.05}, 5000, 100_000},
		{Limits{CPU: 2}, 200_000, 100_000},
		{Limits{CPU: 0.05, Period: 20 * time.Millisecond}, 1000, 20_000},
		{Limits{CPU: 0.003, Period: time.Second}, 3000, 1_000_000},
	} {
		quota, period := c.limits.quota()
		assert.Equal(t, c.quota, quota, "%v", c.limits)
		assert.Equal(t, c.period, period, "%v", c.limits)
		assert.NoError(t, c.limits.Check())
	}
}

func TestLimitsTheKernelRefuses(t *testing.T) {
	assert.ErrorContains(t, Limits{CPU: 0.003}.Check(), "longer --period")
	assert.ErrorContains(t, Limits{CPU: 1, Period: 2 * time.Second}.Check(), "1ms to 1s")
	assert.ErrorContains(t, Limits{CPUs: -1}.Check(), "number of CPUs")
}

func TestParseCPUList(t *testing.T) {
	got, err := ParseCPUList("0-2,4")
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 2, 4}, got)
	for _, text := range []string{"", "3-1", "x", "0,", "-1", "0-99999999"} {
		_, err := ParseCPUList(text)
		assert.Error(t, err, text)
	}
}
