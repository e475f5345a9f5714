package plan

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// joinFacts are those of a join of a board n times slower, by its flags, beside a cluster's
// configuration, which may be empty.
func joinFacts(t *testing.T, n float64, minor, patchLevel int, cluster string, flags ...string) Facts {
	t.Helper()
	words := append([]string{"10.0.0.1:6443", "--token=abcdef.0123456789abcdef",
		"--discovery-token-ca-cert-hash=sha256:" + strings.Repeat("0", 64)}, flags...)
	args, err := kubeadm.Join.Parse(words)
	require.NoError(t, err)
	f := Facts{Speed: slow(n), Kubeadm: behaviour(t, minor, patchLevel), Profile: Balanced, Args: args}
	if n == 1 {
		f.Speed = Reference()
	}
	if cluster != "" {
		f.Config, err = (*kubeadm.Config)(nil).WithCluster(config(t, cluster))
		require.NoError(t, err)
	}
	return f
}

const shared = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: cp:6443\n"

// The whole plan of both joins, as it is shown and kept.
func TestJoinPlans(t *testing.T) {
	third := joinFacts(t, 15, 37, 2, shared, "--control-plane")
	third.Members, third.Tick = 2, EtcdTick{300 * time.Millisecond, 3 * time.Second}
	old := strings.Replace(shared, "v1beta4", "v1beta3", 1)
	for name, f := range map[string]Facts{
		"join-worker-slow-v1.37":        joinFacts(t, 15, 37, 2, ""),
		"join-worker-slow-v1.28":        joinFacts(t, 15, 28, 15, ""),
		"join-control-plane-fast-v1.37": joinFacts(t, 1, 37, 2, shared, "--control-plane"),
		"join-control-plane-slow-v1.37": third,
		"join-control-plane-slow-v1.31": joinFacts(t, 15, 31, 4, shared, "--control-plane"),
		"join-control-plane-slow-v1.28": joinFacts(t, 15, 28, 15, old, "--control-plane"),
	} {
		t.Run(name, func(t *testing.T) {
			p := MakeJoin(f)
			got, err := json.MarshalIndent(p, "", "  ")
			require.NoError(t, err)
			var again Plan
			require.NoError(t, json.Unmarshal(got, &again))
			assert.Equal(t, p, again)
			file := "../testdata/plans/" + name + ".json"
			if *update {
				require.NoError(t, os.WriteFile(file, append(got, '\n'), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err, "go test ./plan -update writes it anew")
			assert.JSONEq(t, string(want), string(got), "go test ./plan -update writes it anew")
		})
	}
}

// Every phase of a control plane's join runs once, in an order that lets each find what it needs,
// or a step of the plan stands for it.
func TestControlPlaneJoinRunsEveryPhase(t *testing.T) {
	for minor := 22; minor <= kubeadm.NewestMinor; minor++ {
		f := joinFacts(t, 15, minor, 0, shared, "--control-plane")
		var ran, order []string
		for _, s := range MakeJoin(f).Steps {
			order = append(order, s.Title())
			switch s := s.(type) {
			case RunPhases:
				ran = append(ran, s.Keep...)
			case JoinEtcd:
				ran = append(ran, s.Keep...)
			}
		}
		all := f.Kubeadm.Phases(kubeadm.Join)
		replaced := []string{"wait-control-plane"}
		if f.Kubeadm.Has(kubeadm.BootstrapWait) {
			replaced = append(replaced, waitBootstrap)
		}
		all = slices.DeleteFunc(all, func(p string) bool { return slices.Contains(replaced, p) })
		assert.ElementsMatch(t, all, ran, "v1.%d", minor)
		var at []int
		for _, title := range []string{"patch the manifests", "stage the control plane", "start the kubelet", "join etcd",
			"release " + APIServer, "wait for " + APIServer, "wait for the Node", "run kubeadm's remaining phases",
			"release " + Scheduler, "release " + ControllerManager} {
			at = append(at, slices.Index(order, title))
		}
		assert.True(t, slices.IsSorted(at) && at[0] > 0, "v1.%d: %v", minor, order)
	}
}

// A control plane among several leaves out nothing that they need of each other, whatever is
// known of the cluster.
func TestJoiningControlPlaneIsNotAlone(t *testing.T) {
	for _, cluster := range []string{shared, ""} {
		for _, s := range MakeJoin(joinFacts(t, 15, 37, 2, cluster, "--control-plane")).Steps {
			var settings []patch.Settings
			switch s := s.(type) {
			case PatchManifests:
				for _, one := range s.Settings {
					settings = append(settings, one)
				}
			case JoinEtcd:
				settings = append(settings, s.Settings)
				assert.Equal(t, 3600, s.Settings.Startup.Period*s.Settings.Startup.FailureThreshold,
					"a learner is not ready, and is not to be killed for it")
			}
			for _, one := range settings {
				for _, f := range one.Flags {
					assert.NotContains(t, []string{"leader-elect", "watch-cache", "enable-priority-and-fairness"}, f.Name)
				}
			}
		}
	}
}

// All members of etcd are to tick alike.
func TestJoiningMemberTicksLikeTheOthers(t *testing.T) {
	tick := func(known EtcdTick) (flags []patch.Flag) {
		f := joinFacts(t, 15, 37, 2, shared, "--control-plane")
		f.Tick = known
		for _, s := range MakeJoin(f).Steps {
			if s, ok := s.(JoinEtcd); ok {
				for _, one := range s.Settings.Flags {
					if one.Name == "heartbeat-interval" || one.Name == "election-timeout" {
						flags = append(flags, one)
					}
				}
			}
		}
		return flags
	}
	assert.Empty(t, tick(EtcdTick{usualTick, usualElection}), "a slow board, and still the cluster's")
	flags := tick(EtcdTick{700 * time.Millisecond, 7 * time.Second})
	require.Len(t, flags, 2)
	assert.Equal(t, []string{"700", "7000"}, []string{flags[0].Value, flags[1].Value})
	assert.Equal(t, patch.Set, flags[0].Policy)
	assert.Len(t, tick(EtcdTick{}), 2, "unknown: as slow as this board is")
}

// The cluster's configuration may be of another version of the API than the one that this kubeadm
// writes its own in.
func TestJoinWritesItsOwnAPI(t *testing.T) {
	old := strings.Replace(shared, "v1beta4", "v1beta3", 1)
	assert.Equal(t, "v1beta4", MakeJoin(joinFacts(t, 15, 34, 4, old, "--control-plane")).Config.API)
}

// Who skips what staging wraps gets kubeadm's own order.
func TestControlPlaneJoinWithSkippedPhases(t *testing.T) {
	p := MakeJoin(joinFacts(t, 15, 37, 2, shared, "--control-plane", "--skip-phases=etcd-join"))
	assert.Contains(t, strings.Join(p.Warnings, "\n"), "in its own order")
	for _, s := range p.Steps {
		_, stages := s.(StageManifests)
		assert.False(t, stages)
	}
}
