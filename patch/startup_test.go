package patch

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestWithoutAStartupProbe: the time goes to the liveness probe.
func TestWithoutAStartupProbe(t *testing.T) {
	const startup = "    startupProbe:\n      httpGet: {path: /health, port: 2381}\n      failureThreshold: 24\n"
	for _, x := range []struct {
		name  string
		text  string
		s     Settings
		delay int32
	}{
		{"none", small, Settings{Startup: &Probe{InitialDelay: 10, Period: 20, FailureThreshold: 6}}, 130},
		{"period by default", small, Settings{Startup: &Probe{FailureThreshold: 6}}, 60},
		{"only a timeout", small, Settings{Startup: &Probe{Timeout: 6}}, 0},
		{"a longer delay of its own", small, Settings{Startup: &Probe{FailureThreshold: 6},
			Liveness: &Probe{InitialDelay: 70}}, 70},
		{"beyond all bounds", small, Settings{Startup: &Probe{Period: 1 << 20, FailureThreshold: 1 << 20}}, math.MaxInt32},
		{"a startup probe", small + startup, Settings{Startup: &Probe{Period: 20, FailureThreshold: 30}}, 0},
		{"a kubelet that knows none", small + startup, Settings{Startup: &Probe{Period: 20, FailureThreshold: 30},
			NoStartupProbe: true}, 600},
		{"null", small + "    startupProbe:\n", Settings{Startup: &Probe{Period: 20, FailureThreshold: 30}}, 600},
	} {
		t.Run(x.name, func(t *testing.T) {
			out, _ := requireLaws(t, []byte(x.text), x.s)
			c := decodePod(t, out).Spec.Containers[0]
			assert.Equal(t, x.delay, c.LivenessProbe.InitialDelaySeconds)
			if c.StartupProbe != nil {
				assert.Equal(t, x.delay > 0, c.StartupProbe.FailureThreshold == 24, "either the one or the other")
			}
		})
	}
	liveness := &Probe{Reasons: map[string]string{initialDelay: "a", period: "b"}}
	got := Probe{FailureThreshold: 1, Reason: "r"}.asDelay(liveness, true)
	assert.Equal(t, map[string]string{initialDelay: "r; this kubelet takes no notice of startup probes, so the liveness " +
		"probe waits instead", period: "b"}, got.Reasons)
	assert.Equal(t, "a", liveness.Reasons[initialDelay], "the settings are not written to")
}
