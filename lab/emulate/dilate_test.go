package emulate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// That a second takes so many seconds then is shown by make rk3328.
func TestDilationThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		board    string
		dilation int
		want     string
	}{
		{"rk3328", 0, "time dilation 0: want 1 to 64"},
		{"rk3328", -3, "time dilation -3: want 1 to 64"},
		{"rk3328", 65, "time dilation 65: want 1 to 64"},
		{"raspberrypi1", 2, "board raspberrypi1: time dilation: QEMU makes no device tree for it"},
	} {
		b, err := Find(c.board)
		require.NoError(t, err)
		assert.EqualError(t, b.Dilates(c.dilation), c.want)
		assert.NoError(t, b.Dilates(1))
	}
}
