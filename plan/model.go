package plan

import (
	"math"
	"time"
)

// The model of a start. On the reference board the API server is ready 2.2 s
// after its manifest appears. A slower board needs more than in proportion,
// because probes, retries and the kubelet's own work take their share while it
// starts: measured 141 s at 5 % of a core, a slowdown of 20.
const (
	referenceStart = 2.2
	startExponent  = 1.35
)

// apiServerStart predicts the seconds from release to ready.
func apiServerStart(slowdown float64) float64 {
	return referenceStart * math.Pow(slowdown, startExponent)
}

// Shares of the API server's start that the others took in the same runs.
const (
	etcdShare              = 0.25
	controllerManagerShare = 0.4
	schedulerShare         = 0.5
)

func expect(component string, slowdown float64) time.Duration {
	share := map[string]float64{Etcd: etcdShare, APIServer: 1, ControllerManager: controllerManagerShare, Scheduler: schedulerShare}[component]
	return seconds(share * apiServerStart(slowdown)).Round(time.Second)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// roundUp rounds d up to a multiple of unit.
func roundUp(d, unit time.Duration) time.Duration {
	if rest := d % unit; rest > 0 {
		return d + unit - rest
	}
	return d
}
