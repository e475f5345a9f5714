package patch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a component is given in all is the longer one of the owner's time and the
// plan's, whatever becomes of the numbers that make it up.
func TestTotals(t *testing.T) {
	plan := Probe{Period: 30, FailureThreshold: 12, Reason: "6m0s to start"}
	for _, c := range []struct {
		name                      string
		havePeriod, have          int
		set                       []string
		wantPeriod, wantThreshold int
	}{
		{"kubeadm's own four minutes", 10, 24, nil, 30, 12},
		{"an owner's 17 minutes in kubeadm's configuration", 10, 102, nil, 30, 34},
		{"not a multiple of the new period", 10, 101, nil, 30, 34},
		{"a longer period of the owner's", 60, 24, nil, 60, 24},
		{"a longer period, a short time", 60, 2, nil, 60, 6},
		{"the owner's patch sets the period", 10, 24, []string{period}, 10, 36},
		{"the owner's patch sets the threshold", 10, 102, []string{failureThreshold}, 10, 102},
		{"the owner's patch sets a small threshold", 10, 3, []string{failureThreshold}, 30, 3},
		{"the owner's patch sets both", 10, 102, []string{period, failureThreshold}, 10, 102},
	} {
		text := fmt.Sprintf("%s    startupProbe:\n      failureThreshold: %d\n      httpGet: {path: /livez, port: 2381}\n  "+
			"    periodSeconds: %d\n", small, c.have, c.havePeriod)
		wish := plan
		wish.UserSet = c.set
		out, _, err := Apply([]byte(text), Settings{Startup: &wish})
		require.NoError(t, err, c.name)
		got := decodePod(t, out).Spec.Containers[0].StartupProbe
		assert.Equal(t, []int32{int32(c.wantPeriod), int32(c.wantThreshold)}, []int32{got.PeriodSeconds,
			got.FailureThreshold}, c.name)
	}
	_, changes, err := Apply([]byte(small+"    startupProbe:\n      failureThreshold: 102\n      httpGet: {path: "+
		"/livez, port: 2381}\n      periodSeconds: 10\n"), Settings{Startup: &plan})
	require.NoError(t, err)
	assert.Equal(t, "17m0s in all, as the manifest had it; it would have been: 6m0s to start", changes[0].Reason)
}

// For any numbers: the total is the longer one, and at most a period more; a
// second time there is nothing to do.
func TestTotalsAreTheLongerOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		p, n := 1+r.IntN(60), 1+r.IntN(400)
		wish := Probe{Period: 1 + r.IntN(60), FailureThreshold: 1 + r.IntN(100)}
		got := wish.total(p, n)
		longer := max(p*n, wish.Period*wish.FailureThreshold)
		all := got.Period * got.FailureThreshold
		require.GreaterOrEqual(t, all, longer, "%d x %d, %v", p, n, wish)
		require.Less(t, all, longer+got.Period, "%d x %d, %v", p, n, wish)
		require.GreaterOrEqual(t, got.Period, p)
		again := wish.total(got.Period, got.FailureThreshold)
		require.Equal(t, []int{got.Period, got.FailureThreshold}, []int{again.Period, again.FailureThreshold})
	}
}
