package board

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSlowDiskTakesItsTime(t *testing.T) {
	image, err := os.Create(filepath.Join(t.TempDir(), "image"))
	require.NoError(t, err)
	defer image.Close()
	synctest.Test(t, func(t *testing.T) {
		f := &slowFile{image: image, Disk: Disk{Flush: 20 * time.Millisecond, Rate: 1 << 20}}
		begin := time.Now()
		n, errno := f.Write(context.Background(), nil, make([]byte, 1<<19), 4096)
		assert.Zero(t, errno)
		assert.EqualValues(t, 1<<19, n)
		assert.Equal(t, 500*time.Millisecond, time.Since(begin))

		// One thing after the other: four flushes at once take four times as long.
		begin = time.Now()
		done := make(chan bool)
		for range 4 {
			go func() { f.Fsync(context.Background(), nil, 0); done <- true }()
		}
		for range 4 {
			<-done
		}
		assert.Equal(t, 80*time.Millisecond, time.Since(begin))

		// An idle disk saves up nothing.
		time.Sleep(time.Hour)
		begin = time.Now()
		f.Fsync(context.Background(), nil, 0)
		assert.Equal(t, 20*time.Millisecond, time.Since(begin))
	})
}

func TestDiskNobodyMounts(t *testing.T) {
	assert.False(t, Disk{}.Slow())
	assert.True(t, Disk{Rate: 1}.Slow())
	assert.Error(t, ServeDisk([]string{"one"}))
	assert.Error(t, ServeDisk([]string{"/nonexistent", "1", "1"}))
}
