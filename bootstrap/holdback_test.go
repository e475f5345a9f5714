package bootstrap

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	assert.FileExists(t, b.layout.HeldBack())
	assert.True(t, b.layout.unitThere(), "the unit stays")
	held, err := HoldBack(b.switchOff().layout)
	require.NoError(t, err)
	assert.Equal(t, plan.Components()[1:], held)
	assert.Equal(t, []string{"etcd"}, b.manifests())
	s, err := ReadStatus(b.layout)
	require.NoError(t, err)
	assert.Equal(t, "starting", s.State)

	// The power may go again in the middle.
	held, err = HoldBack(b.layout)
	require.NoError(t, err)
	assert.Empty(t, held, "staged already")

	_, err = Check(b.layout, CheckInput{})
	assert.ErrorContains(t, err, "not all of it has started yet")

	b.sick = 3
	b.seen = nil
	released, err := Release(context.Background(), releaseOptions(b))
	require.NoError(t, err)
	assert.Equal(t, plan.Components()[1:], released)
	assert.Len(t, b.manifests(), 4)
	assert.Contains(t, b.seen, "etcd,kube-apiserver,kube-scheduler", "one after the other")
	assert.True(t, b.layout.unitThere(), "for the next start")
}

// Beside a kubelet or a control plane that runs, nothing is taken away.
func TestHoldBackOnlyBeforeTheKubelet(t *testing.T) {
	for _, name := range []string{"kubelet", "kube-apiserver", "kube-controller"} {
		b := runningBoard(t).switchOff()
		put(t, b.layout.Proc()+"/77/comm", name+"\n")
		held, err := HoldBack(b.layout)
		require.NoError(t, err)
		assert.Empty(t, held, name)
		assert.Len(t, b.manifests(), 4)
	}
}

// Without systemd nobody would put them back.
func TestNothingIsHeldBackWithoutTheUnit(t *testing.T) {
	b := newFakeBoard(t)
	_, err := Run(context.Background(), b.options())
	require.NoError(t, err)
	assert.NoFileExists(t, b.layout.HeldBack())
	held, err := HoldBack(b.layout)
	require.NoError(t, err)
	assert.Empty(t, held)
}

func TestHeldBackNamesOnlyComponents(t *testing.T) {
	b := newFakeBoard(t)
	require.NoError(t, b.layout.openState())
	put(t, b.layout.HeldBack(), "../../etc/shadow\nkube-scheduler\n\nkube-scheduler kubelet")
	names, err := b.layout.heldBack()
	require.NoError(t, err)
	assert.Equal(t, []string{plan.Scheduler}, names)
}

// A manifest that its owner took away is not missed, and one that cannot be
// staged leaves all in place.
func TestHoldBackIncomplete(t *testing.T) {
	b := runningBoard(t).switchOff()
	require.NoError(t, os.Remove(b.layout.Manifest(plan.Scheduler)))
	require.NoError(t, os.Remove(b.layout.Manifest(plan.ControllerManager)))
	require.NoError(t, os.Symlink("/dev/null", b.layout.Manifest(plan.ControllerManager)))
	held, err := HoldBack(b.layout)
	assert.ErrorContains(t, err, "kube-controller-manager.yaml is a symbolic link")
	assert.Equal(t, []string{plan.APIServer}, held)
	assert.Empty(t, b.layout.stagedNow())
	assert.FileExists(t, b.layout.Manifest(plan.APIServer))
}

func TestResetAndAbortEndHoldingBack(t *testing.T) {
	b := runningBoard(t)
	removed, left, err := Reset(b.layout, func() error { return nil })
	require.NoError(t, err)
	assert.Contains(t, removed, b.layout.HeldBack())
	assert.Empty(t, left)
	assert.False(t, b.layout.unitThere())

	b = runningBoard(t).switchOff()
	_, err = HoldBack(b.layout)
	require.NoError(t, err)
	_, err = Abort(b.layout)
	require.NoError(t, err)
	assert.Len(t, b.manifests(), 4)
	assert.NoFileExists(t, b.layout.HeldBack())
	assert.False(t, b.layout.unitThere())
}
