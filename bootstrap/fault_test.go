package bootstrap

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/internal/fault"
)

// TestAFaultPutsManifestsBack: wherever the program itself fails, no manifest stays
// staged and no kubelet stays paused.
func TestAFaultPutsManifestsBack(t *testing.T) {
	staged := 0
	for at := 1; ; at++ {
		b := newFakeBoard(t)
		o := b.options()
		paused := 0
		o.Pause = func(int) (await.Pause, error) {
			paused++
			return await.Pause{Renew: func() {}, End: func() { paused-- }}, nil
		}
		n, faulted := 0, false
		o.Tell = func(Event) {
			if n++; n == at {
				faulted = true
				if len(manifests.Staged(b.layout)) > 0 {
					staged++
				}
				panic("made by this test")
			}
		}
		_, err := Run(t.Context(), o)
		if !faulted {
			require.NoError(t, err)
			break
		}
		var broken *fault.Error
		require.ErrorAs(t, err, &broken, "at event %d", at)
		assert.Empty(t, manifests.Staged(b.layout), "at event %d", at)
		assert.Zero(t, paused, "at event %d", at)
	}
	assert.Positive(t, staged, "some faults were made while manifests were staged")
}
