package board

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestParseStatTimes(t *testing.T) {
	name, seconds, ok := parseStatTimes("77 (a) (b c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 1 0 583245 1 1")
	assert.True(t, ok)
	assert.Equal(t, "a) (b c", name)
	assert.InDelta(t, 2.0, seconds, 1e-9)
	for _, text := range []string{"", "77", "77 (x", "77 (x) S 1", "77 )x( S 1 2 3 4 5 6 7 8 9 10 11 12 13",
		"1 (x) S 1 2 3 4 5 6 7 8 9 a b 12 13"} {
		_, _, ok := parseStatTimes(text)
		assert.False(t, ok, text)
	}
}

func FuzzParseStatTimes(f *testing.F) {
	f.Add("77 (a) (b c) S 1 77 77 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 1 0 583245 1 1")
	f.Fuzz(func(t *testing.T, text string) {
		if _, seconds, ok := parseStatTimes(text); ok {
			assert.GreaterOrEqual(t, seconds, 0.0)
		}
	})
}

func TestProcessIsKnownByItsStart(t *testing.T) {
	me := ProcessOf(os.Getpid())
	assert.True(t, me.Alive())
	assert.False(t, Process{me.PID, me.Started + 1}.Alive(), "another process with the same number")
	assert.False(t, Process{}.Alive())
}
