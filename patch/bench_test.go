package patch

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkFourManifests patches the four manifests of a control plane; the goal
// is under 20 ms and 10 MB on an ordinary machine.
func BenchmarkFourManifests(b *testing.B) {
	var texts [][]byte
	for _, c := range components() {
		texts = append(texts, read(b, "../testdata/manifests/v1.37.2/plain/"+c+".yaml"))
	}
	s := everything()
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if _, _, err := Apply(text, s); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// TestMemoryOfFourManifests holds the goal of 10 MB; allocations do not depend
// on how fast a machine is.
func TestMemoryOfFourManifests(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, c := range components() {
		text := read(t, "../testdata/manifests/v1.37.2/plain/"+c+".yaml")
		_, _, err := Apply(text, everything())
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10e6))
}
