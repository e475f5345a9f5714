package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/report"
)

const data = "../../testdata/calibration"

// The coefficients in package plan are those that a fit to the kept data gives.
func TestCalibratedIsTheFit(t *testing.T) {
	points, err := readPoints(data)
	require.NoError(t, err)
	got, want := plan.Calibrated(), fitModel(points)
	// Floating point differs a little between CPUs.
	assert.InDelta(t, want.Handshakes, got.Handshakes, 0.101)
	assert.InDelta(t, want.Parallel, got.Parallel, 0.101)
	for _, what := range whats() {
		assert.InEpsilon(t, want.Starts[what].Seconds, got.Starts[what].Seconds, 0.02, what)
		assert.InEpsilon(t, want.Starts[what].Power, got.Starts[what].Power, 0.02, what)
		assert.InDelta(t, want.Starts[what].Fixed, got.Starts[what].Fixed, 0.51, what)
		assert.InDelta(t, want.Starts[what].Writes, got.Starts[what].Writes, 41, what)
	}
}

// What the model is worth: boards that a fit has not seen.
func TestNineOfTenUnseenBoardsWithinAFactorOfOneAndAHalf(t *testing.T) {
	points, err := readPoints(data)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(points), leastPoints)
	models := leaveOneOut(points)
	for _, what := range []string{plan.APIServer, plan.Bootstrap} {
		n, of := within(good, what, points, models)
		assert.GreaterOrEqual(t, 10*n, 9*of, "%s: %d of %d", what, n, of)
	}
}

// made are bootstraps that follow a model but for noise.
func made(m plan.Model, noise float64) []point {
	r := rand.New(rand.NewPCG(1, 2))
	var points []point
	for i, n := range []float64{1, 1, 2, 2, 4, 4, 10, 10, 20, 20, 33, 33, 4, 10} {
		s := plan.Reference().Times(n)
		s.Cores = float64(1 + i%2)
		if i%5 == 4 {
			s.HandshakeRSA *= 3
		}
		if i >= 12 {
			s.Fsync = 0.040
		}
		p := point{name: fmt.Sprint(i), speed: s, seconds: map[string]float64{}}
		for what := range m.Starts {
			p.seconds[what] = m.Predict(what, s) * (1 + noise*r.Float64())
		}
		points = append(points, p)
	}
	return points
}

func TestFitFindsWhatMadeTheData(t *testing.T) {
	m := plan.Model{Handshakes: 0.2, Parallel: 0.5, Starts: map[string]plan.Start{}}
	for _, what := range whats() {
		m.Starts[what] = plan.Start{Fixed: 3, Seconds: 2, Power: 1.2, Writes: 100}
	}
	got := fitModel(made(m, 0))
	assert.InDelta(t, 0.2, got.Handshakes, 0.1)
	assert.InDelta(t, 0.5, got.Parallel, 0.1)
	assert.InDelta(t, 3, got.Starts[plan.APIServer].Fixed, 0.5)
	assert.InEpsilon(t, 2, got.Starts[plan.APIServer].Seconds, 0.05)
	assert.InEpsilon(t, 1.2, got.Starts[plan.APIServer].Power, 0.05)
	assert.InDelta(t, 100, got.Starts[plan.APIServer].Writes, 40)
}

// Where the work alone explains the times, nothing else is believed.
func TestFitDoesNotExplainNoise(t *testing.T) {
	m := plan.Model{Starts: map[string]plan.Start{}}
	for _, what := range whats() {
		m.Starts[what] = plan.Start{Seconds: 3, Power: 1.1}
	}
	got := fitModel(made(m, 0))
	assert.Zero(t, got.Handshakes)
	assert.Zero(t, got.Parallel)
	assert.Zero(t, got.Starts[plan.APIServer].Writes)
	assert.Zero(t, got.Starts[plan.APIServer].Fixed)
	points := made(m, 0.2)
	n, of := within(1.5, plan.APIServer, points, leaveOneOut(points))
	assert.Equal(t, of, n)
}

func TestReportsThatAreNoCalibrationAreRefused(t *testing.T) {
	_, err := pointOf("x", report.Report{})
	assert.ErrorContains(t, err, "no report of a bootstrap that succeeded")
	assert.ErrorContains(t, run(t.TempDir(), "", ""), "holds 0 bootstraps")
}
