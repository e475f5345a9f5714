package plan

import (
	"fmt"
	"math"
	"time"
)

// A Model predicts how long a component takes from the moment its manifest
// appears until it is healthy. What it does meanwhile is a mix of the Go work
// that the benchmark has a unit of, of TLS handshakes, and of small writes that
// etcd waits for. Its coefficients are fitted to measured bootstraps; see
// Calibrated.
type Model struct {
	// Handshakes is the part of the CPU work, 0 to 1, that goes as fast as
	// handshakes with RSA keys do: when it begins to serve, an API server dials itself
	// dozens of times, with a certificate of its own that always has such a key. The rest
	// goes as fast as the Go work unit.
	Handshakes float64
	// Parallel is the part of the CPU work, 0 to 1, that all cores share.
	Parallel float64
	// Starts are the components', and that of the whole bootstrap under Bootstrap.
	Starts map[string]Start
}

// Bootstrap is the name of the whole bootstrap in a Model.
const Bootstrap = "bootstrap"

// A Start is a time on the reference board and how it grows.
type Start struct {
	// Fixed seconds pass on every board: the kubelet's and the probes' own periods.
	Fixed float64
	// Seconds of work are on one core of the reference board.
	Seconds float64
	// Power of the slowdown by which the time grows. It is above 1 where what the
	// board does besides (probes, retries, the kubelet's own rounds) comes by the
	// clock, and so takes the more of the work away the slower the board is.
	Power float64
	// Writes is how many small synchronous writes are waited for.
	Writes float64
}

// Predict returns seconds.
func (m Model) Predict(what string, s Speed) float64 {
	start := m.Starts[what]
	return start.Fixed + start.Seconds*math.Pow(m.Slowdown(s), start.Power) + start.Writes*s.Fsync
}

// Slowdown is how much longer than one core of the reference board this board
// takes for the mix; it is below 1 with several cores of its speed.
func (m Model) Slowdown(s Speed) float64 {
	work, _ := s.Slowdown()
	handshakes := work
	if known(s.HandshakeRSA) {
		handshakes = math.Max(1, s.HandshakeRSA/Reference().HandshakeRSA)
	}
	cores := math.Min(math.Max(1, s.Cores), mostCores)
	return ((1-m.Handshakes)*work + m.Handshakes*handshakes) * (1 - m.Parallel + m.Parallel/cores)
}

// mostCores is how many cores the boards had that the model was fitted to: what
// more of them bring has not been measured, and is not counted on.
const mostCores = 2

// describe says how the prediction came about.
func (m Model) describe(what string, s Speed) string {
	start := m.Starts[what]
	text := fmt.Sprintf("%.2g s of work on one core of the reference board times %.1f to the power of %.2f",
		start.Seconds, m.Slowdown(s), start.Power)
	if start.Fixed > 0 {
		text = fmt.Sprintf("%.2g s, and ", start.Fixed) + text
	}
	if start.Writes > 0 && s.Fsync > 0 {
		text += fmt.Sprintf(", and %.0f writes of %s", start.Writes, short(s.Fsync))
	}
	return text + "; fitted to measured starts"
}

// expect predicts how long a component will take.
func (m *maker) expect(what string) time.Duration {
	return seconds(Calibrated().Predict(what, m.f.Speed)).Round(time.Second)
}

func known(x float64) bool { return x > 0 && !math.IsNaN(x) && !math.IsInf(x, 0) }
