package plan

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

func upgradeFacts(t *testing.T, s Speed, minor int) UpgradeFacts {
	t.Helper()
	return UpgradeFacts{
		Facts: Facts{Profile: Balanced, Speed: s, Kubeadm: behaviour(t, minor, 2), HasCA: true,
			Config: config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.3\n")},
		Command: kubeadm.UpgradeApply, Members: 1,
		From: kubeadm.Version{Major: 1, Minor: minor - 1, Patch: 3}, To: kubeadm.Version{Major: 1, Minor: minor, Patch: 2},
		Node: kubeadm.NodeOfUpgrade{Name: "pi", AdvertiseAddress: "10.0.0.2", BindPort: 6443},
		Data: "/var/lib/etcd", DataBytes: 40e6, Rendered: "/etc/kubernetes/kubeadm-arm/upgrade",
		Backups: "/var/backups/kubeadm-arm", Now: time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC), Renews: true,
		HasPatches: true,
	}
}

// TestGoldenUpgrades keeps whole plans in testdata/plans, as TestGoldenPlans does.
func TestGoldenUpgrades(t *testing.T) {
	two := upgradeFacts(t, twoCores(15), 37)
	two.Board = hwdetect.Board{CPU: hwdetect.CPU{Count: 2}}
	second, worker := upgradeFacts(t, slow(15), 37), upgradeFacts(t, slow(15), 37)
	second.Command, second.Members = kubeadm.UpgradeNode, 3
	worker.Command, worker.Worker, worker.Data, worker.Renews = kubeadm.UpgradeNode, true, "", false
	for name, f := range map[string]UpgradeFacts{
		"upgrade-node-slow-v1.37": second, "upgrade-worker-slow-v1.37": worker,
		"upgrade-slow-v1.37": upgradeFacts(t, slow(15), 37), "upgrade-twocores-v1.37": two,
		"upgrade-fast-v1.37": upgradeFacts(t, Reference(), 37), "upgrade-slow-v1.28": upgradeFacts(t, slow(15), 28),
		"upgrade-slow-v1.18": upgradeFacts(t, slow(15), 18),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(MakeUpgrade(f), "", "  ")
			require.NoError(t, err)
			got = append(got, '\n')
			path := "../testdata/plans/" + name + ".json"
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(want), string(got))
		})
	}
}

// A cluster gets its endpoint once its API server has a certificate for it, and before kubeadm
// reads its own configuration.
func TestUpgradeWithAnEndpoint(t *testing.T) {
	f := upgradeFacts(t, slow(15), 37)
	f.Endpoint, f.Anew = "cp.example:6443", true
	var kinds []string
	for _, s := range MakeUpgrade(f).Steps {
		kinds = append(kinds, s.Kind())
		if s, ok := s.(ServeEndpoint); ok {
			assert.Equal(t, "cp.example", s.Host)
		}
	}
	at := func(kind string) int { return slices.Index(kinds, kind) }
	assert.Less(t, at(RenewCertificates{}.Kind()), at(ServeEndpoint{}.Kind()), "which would have the old names")
	assert.Less(t, at(ServeEndpoint{}.Kind()), at(SwitchManifests{}.Kind()))
	assert.Equal(t, []string{"awaitHealthy", "setEndpoint", "runPhases"}, kinds[len(kinds)-3:])
}

// The way back begins only once something may have been switched, and brings the same data back.
func TestGoBack(t *testing.T) {
	p := MakeUpgrade(upgradeFacts(t, slow(15), 37))
	at := -1
	var there SwitchManifests
	for i, s := range p.Steps {
		if s, ok := s.(SwitchManifests); ok {
			at, there = i, s
		}
	}
	require.Positive(t, at)
	_, changed := GoBack(p, at, false)
	assert.False(t, changed, "the switch was not begun")
	for _, c := range []struct {
		done  int
		begun bool
	}{{at, true}, {at + 1, false}, {len(p.Steps), false}} {
		back, changed := GoBack(p, c.done, c.begun)
		require.True(t, changed)
		first, ok := back.Steps[0].(SwitchManifests)
		require.True(t, ok)
		assert.Equal(t, there.Keep, first.Back)
		assert.Empty(t, first.Keep)
		assert.Equal(t, there.All, first.All)
		assert.Contains(t, first.From, "/kubernetes/manifests")
		for _, s := range back.Steps {
			assert.NoError(t, s.Check())
		}
		assert.True(t, back.GoesBack)
	}
}

// Every upgrade waits for every component that it starts.
func TestUpgradeAwaitsAll(t *testing.T) {
	for _, speed := range []Speed{slow(15), twoCores(15), Reference()} {
		released, awaited := map[string]bool{}, map[string]bool{}
		for _, s := range MakeUpgrade(upgradeFacts(t, speed, 37)).Steps {
			switch s := s.(type) {
			case ReleaseManifest:
				released[s.Component] = true
			case AwaitHealthy:
				assert.True(t, released[s.Component])
				awaited[s.Component] = true
			}
		}
		assert.Len(t, awaited, len(Components()))
	}
}

// Decided anew, the settings are those of the cluster as it is now: with an endpoint, nothing is
// left out that several control planes need of each other.
func TestUpgradeDecidesSettingsAnew(t *testing.T) {
	settings := func(extra string, anew bool, profile Profile) (RenderManifests, string) {
		f := upgradeFacts(t, slow(15), 37)
		f.Config = config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"+extra)
		f.Anew, f.Profile = anew, profile
		for _, s := range MakeUpgrade(f).Steps {
			if s, ok := s.(RenderManifests); ok {
				text, err := json.Marshal(s.Settings)
				require.NoError(t, err)
				return s, string(text)
			}
		}
		t.Fatal("no manifests are rendered")
		return RenderManifests{}, ""
	}
	s, _ := settings("", false, "")
	assert.False(t, s.Anew)
	assert.Empty(t, s.Settings, "they stay as they are")
	_, text := settings("", true, Balanced)
	assert.Contains(t, text, "leader-elect\"")
	s, text = settings("controlPlaneEndpoint: cp:6443\n", true, Balanced)
	assert.True(t, s.Anew)
	assert.NotContains(t, text, "leader-elect\"")
	assert.NotContains(t, text, "watch-cache\"")
	assert.Contains(t, text, "GOMAXPROCS")
}
