package plan

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

func TestParseProfile(t *testing.T) {
	for _, p := range Profiles() {
		got, err := ParseProfile(string(p))
		require.NoError(t, err)
		assert.Equal(t, p, got)
	}
	got, err := ParseProfile("")
	require.NoError(t, err)
	assert.Equal(t, Balanced, got)
	for _, bad := range []string{"Frugal", "fast", " frugal"} {
		_, err = ParseProfile(bad)
		assert.ErrorContains(t, err, "responsive, balanced or frugal")
	}
}

// settingsOf are the settings of the plan for these facts, none without a patch.
func settingsOf(f Facts) map[string]patch.Settings {
	for _, s := range MakeInit(f).Steps {
		if p, ok := s.(PatchManifests); ok {
			return p.Settings
		}
	}
	return nil
}

// envValue is a variable that the settings set, empty without it.
func envValue(s patch.Settings, name string) string {
	for _, e := range s.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// flagValue is a flag that the settings set, empty without it.
func flagValue(s patch.Settings, name string) string {
	for _, f := range s.Flags {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func TestElectionIsLeftOutOnlyWhereNobodyCanJoin(t *testing.T) {
	const endpoint = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: " +
		"cluster.example:6443\n"
	base := Facts{Profile: Balanced, Speed: slow(15), Kubeadm: behaviour(t, 37, 2)}
	for name, c := range map[string]struct {
		change func(*Facts)
		off    bool
	}{
		"one node":          {func(*Facts) {}, true},
		"endpoint flag":     {func(f *Facts) { f.Args = args(t, "--control-plane-endpoint=cluster.example") }, false},
		"endpoint config":   {func(f *Facts) { f.Config = config(t, endpoint) }, false},
		"responsive":        {func(f *Facts) { f.Profile = Responsive }, false},
		"no profile":        {func(f *Facts) { f.Profile = "" }, false},
		"a newer kubeadm":   {func(f *Facts) { f.Kubeadm.Nearest = true }, false},
		"frugal on a quick": {func(f *Facts) { f.Profile, f.Speed = Frugal, Reference() }, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := base
			c.change(&f)
			s := settingsOf(f)
			for _, component := range []string{ControllerManager, Scheduler} {
				assert.Equal(t, c.off, flagValue(s[component], "leader-elect") == "false", component)
				// Settings of an election that there is, or none.
				assert.Equal(t, c.off, flagValue(s[component], "leader-elect-lease-duration") == "", component)
			}
			assert.Equal(t, c.off, flagValue(s[APIServer], "watch-cache") == "false")
		})
	}
}

// etcd refuses to start with an election timeout below five heartbeats.
func TestOwnersElectionTimeoutLeavesTheHeartbeatAlone(t *testing.T) {
	c := config(t, "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\netcd: {local: {extraArgs: [{name: "+
		"election-timeout, value: '1000'}]}}\n")
	for _, p := range Profiles() {
		s := settingsOf(Facts{Profile: p, Speed: slow(30), Kubeadm: behaviour(t, 37, 2), Config: c})
		assert.Empty(t, flagValue(s[Etcd], "heartbeat-interval"), p)
		assert.Empty(t, flagValue(s[Etcd], "election-timeout"), p)
	}
}

// Nobody looks at a component less often than the profile's price says.
func TestSteadyProbes(t *testing.T) {
	period := func(p Profile, s Speed) int {
		return settingsOf(Facts{Profile: p, Speed: s, Kubeadm: behaviour(t, 37, 2)})[APIServer].Readiness.Period
	}
	assert.Equal(t, 10, period(Balanced, Reference()))
	assert.Equal(t, 30, period(Frugal, Reference()))
	assert.Equal(t, period(Responsive, slow(20)), period(Balanced, slow(20)))
}

// A quota below one core counts, as cores do.
func TestThreadsOfTheAPIServer(t *testing.T) {
	threads := func(count int, quota float64) string {
		f := Facts{Profile: Balanced, Speed: slow(15), Kubeadm: behaviour(t, 37, 2), Cores: quota}
		f.Board.CPU = hwdetect.CPU{Count: count}
		return envValue(settingsOf(f)[APIServer], "GOMAXPROCS")
	}
	assert.Equal(t, "1", threads(1, 0))
	assert.Equal(t, "1", threads(2, 0.05))
	assert.Equal(t, "", threads(2, 0))
	assert.Equal(t, "", threads(2, 2))
	assert.Equal(t, "", threads(4, 1.5))
}

// A heap that is collected seldom makes a slow board's start quicker, and costs memory.
func TestMemoryOfTheAPIServer(t *testing.T) {
	limit := func(slowdown float64, mib uint64) string {
		f := Facts{Profile: Balanced, Speed: slow(slowdown), Kubeadm: behaviour(t, 37, 2)}
		f.Board.MemoryTotal = mib << 20
		s := settingsOf(f)[APIServer]
		assert.Equal(t, envValue(s, "GOMEMLIMIT") != "", envValue(s, "GOGC") == "400")
		return envValue(s, "GOMEMLIMIT")
	}
	assert.Equal(t, "256MiB", limit(15, 1024))
	assert.Equal(t, "409MiB", limit(15, 2048))
	assert.Equal(t, "", limit(15, 512), "every MB counts")
	assert.Equal(t, "", limit(1, 24<<10), "it starts in seconds either way")
}

// Every manifest that a real kubeadm wrote takes what a profile asks, and the
// owner's values stay.
func TestProfilesOnRealManifests(t *testing.T) {
	paths, err := filepath.Glob("../testdata/manifests/v*/*/kubeadm.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		version, err := kubeadm.ParseVersion(filepath.Base(filepath.Dir(filepath.Dir(path))))
		require.NoError(t, err)
		b, err := kubeadm.BehaviourOf(version)
		require.NoError(t, err)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, p := range Profiles() {
			for component, s := range settingsOf(Facts{Profile: p, Speed: Reference(), Kubeadm: b,
				Config: config(t, string(text))}) {
				manifest, err := os.ReadFile(filepath.Join(filepath.Dir(path), component+".yaml"))
				require.NoError(t, err)
				once, _, err := patch.Apply(manifest, s)
				require.NoError(t, err, "%s %s", path, component)
				twice, _, err := patch.Apply(once, s)
				require.NoError(t, err)
				assert.Equal(t, string(once), string(twice))
			}
		}
	}
}

// A fast board's first start does not wait for etcd to elect itself, and a slow
// board's requests have the time that they need: with ticks of 200 ms etcd let them
// time out at 2 % of a core.
func TestEtcdAlone(t *testing.T) {
	for speed, want := range map[float64]string{1: "200ms", 8: "200ms", 15: "300ms", 50: "1s", 400: "2s"} {
		p := MakeInit(Facts{Profile: Balanced, Speed: slow(speed), Kubeadm: behaviour(t, 37, 2)})
		assert.Equal(t, want, decision(t, p, "etcd heartbeat interval").Value, "slowdown %g", speed)
	}
}
