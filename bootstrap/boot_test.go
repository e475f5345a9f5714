package bootstrap

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// runningBoard is a board with systemd after a bootstrap that staged.
func runningBoard(t *testing.T) *fakeBoard {
	b := newFakeBoard(t).withSystemd()
	o := b.options()
	o.Program = packaged
	_, err := Run(context.Background(), o)
	require.NoError(t, err)
	put(t, b.layout.KubeletConfig(), "")
	return b
}

// switchOff takes the processes away, as a power cut does.
func (b *fakeBoard) switchOff() *fakeBoard {
	require.NoError(b.t, os.RemoveAll(b.layout.Proc()))
	return b
}

func TestLaterStartsAreStaged(t *testing.T) {
	b := runningBoard(t)
	assert.FileExists(t, b.layout.BootList())
	assert.True(t, manifests.UnitInstalled(b.layout), "the unit stays")
	held, err := manifests.StageAtBoot(b.switchOff().layout)
	require.NoError(t, err)
	assert.Equal(t, plan.Components()[1:], held)
	assert.Equal(t, []string{"etcd"}, b.Manifests())
	s, err := ReadStatus(b.layout)
	require.NoError(t, err)
	assert.Equal(t, "starting", s.State)

	// The power may go again in the middle.
	held, err = manifests.StageAtBoot(b.layout)
	require.NoError(t, err)
	assert.Empty(t, held, "staged already")

	_, err = Check(b.layout, CheckInput{Command: kubeadm.Init})
	assert.ErrorContains(t, err, "not all of it has started yet")

	b.Sick = 3
	b.Seen = nil
	released, err := manifests.ReleaseInOrder(context.Background(), releaseOptions(b))
	require.NoError(t, err)
	assert.Equal(t, plan.Components()[1:], released)
	assert.Len(t, b.Manifests(), 4)
	assert.Contains(t, b.Seen, "etcd,kube-apiserver,kube-scheduler", "one after the other")
	assert.True(t, manifests.UnitInstalled(b.layout), "for the next start")
}

// Beside a kubelet or a control plane that runs, nothing is taken away.
func TestHoldBackOnlyBeforeTheKubelet(t *testing.T) {
	for _, name := range []string{"kubelet", "kube-apiserver", "kube-controller"} {
		b := runningBoard(t).switchOff()
		put(t, b.layout.Proc()+"/77/comm", name+"\n")
		held, err := manifests.StageAtBoot(b.layout)
		require.NoError(t, err)
		assert.Empty(t, held, name)
		assert.Len(t, b.Manifests(), 4)
	}
}

// Without systemd nobody would put them back.
func TestNothingIsHeldBackWithoutTheUnit(t *testing.T) {
	b := newFakeBoard(t)
	_, err := Run(context.Background(), b.options())
	require.NoError(t, err)
	assert.NoFileExists(t, b.layout.BootList())
	held, err := manifests.StageAtBoot(b.layout)
	require.NoError(t, err)
	assert.Empty(t, held)
}

// A manifest that its owner took away is not missed, and one that cannot be
// staged leaves all in place.
func TestHoldBackIncomplete(t *testing.T) {
	b := runningBoard(t).switchOff()
	require.NoError(t, os.Remove(b.layout.Manifest(plan.Scheduler)))
	require.NoError(t, os.Remove(b.layout.Manifest(plan.ControllerManager)))
	require.NoError(t, os.Symlink("/dev/null", b.layout.Manifest(plan.ControllerManager)))
	held, err := manifests.StageAtBoot(b.layout)
	assert.ErrorContains(t, err, "kube-controller-manager.yaml is a symbolic link")
	assert.Equal(t, []string{plan.APIServer}, held)
	assert.Empty(t, manifests.Staged(b.layout))
	assert.FileExists(t, b.layout.Manifest(plan.APIServer))
}

func TestResetAndAbortEndHoldingBack(t *testing.T) {
	b := runningBoard(t)
	removed, left, err := Reset(b.layout, func() error { return nil })
	require.NoError(t, err)
	assert.Contains(t, removed, b.layout.BootList())
	assert.Empty(t, left)
	assert.False(t, manifests.UnitInstalled(b.layout))

	b = runningBoard(t).switchOff()
	_, err = manifests.StageAtBoot(b.layout)
	require.NoError(t, err)
	_, err = Abort(b.layout)
	require.NoError(t, err)
	assert.Len(t, b.Manifests(), 4)
	assert.NoFileExists(t, b.layout.BootList())
	assert.False(t, manifests.UnitInstalled(b.layout))
}

// Units that systemd starts together meet at the lock.
func TestHoldingBackWaitsForTheLock(t *testing.T) {
	b := runningBoard(t).switchOff()
	unlock, err := state.Lock(b.layout)
	require.NoError(t, err)
	time.AfterFunc(10*time.Millisecond, unlock)
	held, err := manifests.StageAtBoot(b.layout)
	require.NoError(t, err)
	assert.Equal(t, plan.Components()[1:], held)
}
