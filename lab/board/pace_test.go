package board

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
)

func TestPaceGivesWhatTheSlicesCost(t *testing.T) {
	p := pace{Whole: 0.1}
	assert.InDelta(t, 0.05, p.take(0.1, 0.05), 1e-9, "as at full speed")
	assert.InDelta(t, 0.05, p.take(0.09, 0.05), 1e-9, "never less than the share")
	p = pace{Whole: 0.1}
	assert.InDelta(t, 0.10, p.take(0.2, 0.05), 1e-9)
	assert.InDelta(t, 0.10, p.take(0.2, 0.05), 1e-9)
	assert.InDelta(t, 0.10, p.take(9, 0.05), 1e-9, "one stall changes nothing")
	assert.InDelta(t, 0.10, p.take(0.2, 0.05), 1e-9)
	for range paceSmooth {
		p.take(0.4, 0.05)
	}
	assert.InDelta(t, 0.20, p.Quota, 1e-9, "a host that stays slow does")
	for range paceSmooth {
		p.take(90, 0.05)
	}
	assert.InDelta(t, cgroup.FullCore, p.Quota, 1e-9, "no more than one core")
	assert.Equal(t, "paced: 100 % of a core do it, work in slices costs 900 times as much here", p.String())
}

// A board was up in a bad second, in which the piece of work took almost twice its CPU
// time at full speed, too, and was half as fast as its share for as long as it was up.
func TestPaceForgetsABadStart(t *testing.T) {
	var p pace
	p.wholly(0.2)
	for range paceSmooth {
		p.take(0.2, 0.05)
	}
	assert.InDelta(t, 0.05, p.Quota, 1e-9)
	p.wholly(0.1)
	p.wholly(0.3)
	p.wholly(0)
	assert.InDelta(t, 0.1, p.Whole, 1e-9)
	assert.InDelta(t, 0.1, p.take(0.2, 0.05), 1e-9, "also by what was measured before")
}

func TestPaceKeepsALargerShare(t *testing.T) {
	p := pace{Whole: 0.1}
	assert.InDelta(t, 1.5, p.take(0.3, 1.5), 1e-9)
}

func TestBoardPaced(t *testing.T) {
	name := upBoard(t, "--cpu", "10%", "--pace")
	measured := func() pace {
		var all []Status
		require.NoError(t, json.Unmarshal([]byte(labOK(t, "status", "--name", name, "--json")), &all))
		require.Len(t, all, 1)
		require.NotNil(t, all[0].Pace)
		assert.True(t, all[0].Pacer.Alive())
		return *all[0].Pace
	}
	first := measured()
	assert.Len(t, first.Costs, paceSmooth)
	assert.Positive(t, first.Whole)
	assert.GreaterOrEqual(t, first.Quota, 0.1)
	groups, err := cgroup.Find(name)
	require.NoError(t, err)
	assert.InDelta(t, first.Quota, quotaOf(t, groups), 0.001)
	require.Eventually(t, func() bool { return len(measured().Costs) > paceSmooth }, time.Hour, time.Second,
		"it goes on measuring")
	labOK(t, "reboot", "--name", name)
	assert.GreaterOrEqual(t, len(measured().Costs), paceSmooth)
}

// A board with a whole core, or without a limit, has no slices; lab panicked there.
func TestBoardWithNothingToPace(t *testing.T) {
	name := upBoard(t, "--cpu", "100%", "--pace")
	var all []Status
	require.NoError(t, json.Unmarshal([]byte(labOK(t, "status", "--name", name, "--json")), &all))
	require.Len(t, all, 1)
	assert.Nil(t, all[0].Pace)
	assert.False(t, all[0].Pacer.Alive())
	labOK(t, "reboot", "--name", name)
}

// quotaOf reads a board's quota, in cores.
func quotaOf(t *testing.T, groups cgroup.Groups) float64 {
	var quota, period float64
	if groups.V2 {
		_, err := fmt.Sscan(readFile(t, filepath.Join(groups.Dir("cpu"), "cpu.max")), &quota, &period)
		require.NoError(t, err)
		return quota / period
	}
	_, err := fmt.Sscan(readFile(t, filepath.Join(groups.Dir("cpu"), "cpu.cfs_quota_us"))+" "+readFile(t,
		filepath.Join(groups.Dir("cpu"), "cpu.cfs_period_us")), &quota, &period)
	require.NoError(t, err)
	return quota / period
}

func readFile(t *testing.T, path string) string {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(text)
}
