package bench

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// coresOf is how many cores a new thread may run on.
func coresOf(t *testing.T) int {
	t.Helper()
	n := make(chan int)
	go func() {
		runtime.LockOSThread() // without unlocking: the thread ends with its goroutine
		var set unix.CPUSet
		_ = unix.SchedGetaffinity(0, &set)
		n <- set.Count()
	}()
	return <-n
}

func TestKeepOnOneCore(t *testing.T) {
	before := coresOf(t)
	release, err := keepOnOneCore()
	require.NoError(t, err)
	for range 10 {
		assert.Equal(t, 1, coresOf(t), "also of threads that are made meanwhile")
	}
	release()
	for range 10 {
		assert.Equal(t, before, coresOf(t))
	}
}
