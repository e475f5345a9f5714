package plan

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestModel(t *testing.T) {
	m := Model{Handshakes: 0.25, Parallel: 0.5, Starts: map[string]Start{APIServer: {Seconds: 2, Power: 2, Writes: 100}}}
	s := Reference()
	assert.InDelta(t, 1, m.Slowdown(s), 1e-9)
	assert.InDelta(t, 2+100*s.Fsync, m.Predict(APIServer, s), 1e-9)
	s = s.Times(4)
	s.Fsync = 0.05
	assert.InDelta(t, 2*16+100*0.05, m.Predict(APIServer, s), 1e-9)
	s.Cores = 2
	assert.InDelta(t, 3, m.Slowdown(s), 1e-9, "half of the work on two cores")
	s.Cores = 0.05
	assert.InDelta(t, 4, m.Slowdown(s), 1e-9, "a quota is in the times already")
	s.HandshakeRSA *= 3
	assert.InDelta(t, 0.75*4+0.25*12, m.Slowdown(s), 1e-9)
	s.HandshakeRSA = 0
	assert.InDelta(t, 4, m.Slowdown(s), 1e-9, "what was not measured is as slow as the rest")
}

// Whatever the data says: slower boards are never expected to be quicker, and
// nothing at all is expected of a board of which nothing is known but slowness.
func TestCalibratedIsMonotonic(t *testing.T) {
	for _, what := range append(Components(), Bootstrap) {
		before := 0.0
		for n := 1.0; n < 100; n *= 1.5 {
			now := Calibrated().Predict(what, slow(n))
			assert.Greater(t, now, before, what)
			before = now
		}
		assert.Greater(t, Calibrated().Predict(what, Speed{}), Calibrated().Predict(what, Reference().Times(5)), what)
	}
}
