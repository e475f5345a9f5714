package await

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

func waiterOn(b *boardtest.Board) *Waiter {
	return &Waiter{Layout: b.Layout, Now: time.Now, Processes: linux.Finder{Proc: linux.Proc(b.Layout.Proc())}}
}

func listener(seen func(string)) Listener {
	return Listener{Seen: seen, Note: func(string) {}, Restarts: func(int) {}}
}

// TestProbersOfRealManifests: every manifest that a real kubeadm wrote says where
// its component is to be asked. Up to v1.15 etcd's does not; it is asked with the
// certificate for health checks, wherever the owner keeps certificates (it was
// looked for in /etc/kubernetes/pki only, and the bootstrap ended there).
func TestProbersOfRealManifests(t *testing.T) {
	folders, err := filepath.Glob("../../testdata/manifests/v*/*")
	require.NoError(t, err)
	require.NotEmpty(t, folders)
	for _, dir := range folders {
		t.Run(strings.TrimPrefix(dir, "../../testdata/manifests/"), func(t *testing.T) {
			text, err := os.Open(filepath.Join(dir, "kubeadm.yaml"))
			require.NoError(t, err)
			defer text.Close()
			owner, err := kubeadm.ReadConfig(text, "kubeadm.yaml")
			require.NoError(t, err)
			b := boardtest.New(t)
			b.MakePKI()
			pki := b.Layout.At("/etc/kubernetes/pki")
			if to := b.Layout.Certificates(owner, kubeadm.Args{}); to != pki {
				require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
				require.NoError(t, os.Rename(pki, to))
			}
			a := waiterOn(b)
			a.Certificates = b.Layout.Certificates(owner, kubeadm.Args{})
			for _, c := range plan.Components() {
				manifest, err := os.ReadFile(filepath.Join(dir, c+".yaml"))
				if os.IsNotExist(err) {
					continue // etcd elsewhere
				}
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(b.Layout.Manifest(c), manifest, 0o600))
				p, err := a.Prober(c, time.Minute)
				require.NoError(t, err, c)
				assert.Regexp(t, `^https?://[0-9.]+:[0-9]+/(healthz|livez|readyz|health)\b`, p.url, c)
			}
		})
	}
}

// A kubelet may keep its logs elsewhere: then only the process tells that a
// component has been started, and /proc is read now and then.
func TestAComponentWithoutALogIsFound(t *testing.T) {
	b := boardtest.New(t)
	require.NoError(t, b.MakeManifest(plan.Etcd))
	a := waiterOn(b)
	require.NoError(t, os.Rename(b.Layout.Proc()+"/100", b.Layout.At("/later")))
	looks := 0
	err := a.Wait(t.Context(), plan.AwaitHealthy{Component: plan.Etcd, Quiet: time.Minute, Patience: time.Minute,
		Restarts: 3, Poll: time.Millisecond}, listener(func(seen string) {
		if looks++; looks == 3 {
			assert.Contains(t, seen, "its container was not started")
			require.NoError(t, os.Rename(b.Layout.At("/later"), b.Layout.Proc()+"/100"))
		}
	}))
	require.NoError(t, err)
	assert.LessOrEqual(t, looks, 9)
}

// Looking costs what is waited for. A wait that ends as expected is seen with not many
// more than half of the looks, and not much later.
func TestLooksAreFewWhileTheEndIsFar(t *testing.T) {
	s := plan.AwaitHealthy{Predicted: 50 * time.Second, Poll: 500 * time.Millisecond}
	count := func(until time.Duration) (looks int, late time.Duration) {
		for at := time.Duration(0); ; at += untilNextLook(s, at) {
			if at >= until {
				return looks, at - until
			}
			looks++
		}
	}
	looks, late := count(40 * time.Second)
	assert.Less(t, looks, 50)
	assert.LessOrEqual(t, late, time.Second)
	// Whatever takes longer than expected is looked at as often as the plan says.
	assert.Equal(t, s.Poll, untilNextLook(s, time.Minute))
	assert.Equal(t, s.Poll, untilNextLook(plan.AwaitHealthy{Poll: s.Poll}, 0))
}

// While its container is being started, a component's process is looked for now and
// then, and more often where the kubelet is to be held as soon as it is there.
func TestScans(t *testing.T) {
	count := func(last Observation, hold bool) int {
		scans := 0
		for n := 1; n <= 16; n++ {
			if scanNow(n, last, hold) {
				scans++
			}
		}
		return scans
	}
	assert.Equal(t, 2, count(Observation{}, true))
	assert.Equal(t, 16, count(Observation{Instances: 1}, true))
	assert.Equal(t, 4, count(Observation{Instances: 1}, false))
	// "its container is being started, HTTP answers" was read.
	assert.Equal(t, 16, count(Observation{Instances: 1, Health: Health{Reach: ReachPort}}, false))
}

// Between two whole looks only the health is asked for, but a component that answers
// no more is looked at at once: it may have been started again.
func TestAComponentThatEndsIsSeenAtOnce(t *testing.T) {
	assert.True(t, wholeLook(1, Observation{}, false))
	assert.True(t, wholeLook(1, Observation{Running: true}, true))
	assert.False(t, wholeLook(1, Observation{Running: true}, false))
	assert.True(t, wholeLook(4, Observation{Running: true}, false))

	b := boardtest.New(t)
	require.NoError(t, b.MakeManifest(plan.APIServer))
	boardtest.Put(t, b.Layout.PodLogs()+"/kube-system_kube-apiserver-bpi_1/kube-apiserver/0.log", "")
	b.Sick = 1 << 30
	a := waiterOn(b)
	looks, process := 0, b.Layout.Proc()+"/101"
	err := a.Wait(t.Context(), plan.AwaitHealthy{Component: plan.APIServer, Quiet: time.Minute, Patience: time.Minute,
		Restarts: 3, Poll: time.Millisecond}, listener(func(seen string) {
		switch looks++; looks {
		case 5:
			assert.Contains(t, seen, "HTTP answers")
			b.Mood(true, 1<<30)
			require.NoError(t, os.Rename(process, b.Layout.At("/later")))
		case 6:
			assert.Contains(t, seen, "its process is gone")
			b.Mood(false, 0)
			require.NoError(t, os.Rename(b.Layout.At("/later"), process))
		}
	}))
	require.NoError(t, err)
}
