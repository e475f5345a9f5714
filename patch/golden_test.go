package patch

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGoldenManifests patches what the real kubeadms wrote for each board and
// compares the difference with <board>.diff beside them: that file begins with
// every change and its reason. A board without the file changes nothing.
func TestGoldenManifests(t *testing.T) {
	configs, err := filepath.Glob("../testdata/manifests/v*/*")
	require.NoError(t, err)
	require.NotEmpty(t, configs)
	for _, dir := range configs {
		for _, b := range []string{"banana-pi-m1", "roc-rk3328-cc", "fast"} {
			t.Run(strings.TrimPrefix(dir, "../testdata/manifests/")+"/"+b, func(t *testing.T) {
				got := goldenText(t, dir, readSettings(t, filepath.Join(dir, b+".settings.json")))
				golden := filepath.Join(dir, b+".diff")
				if *update {
					writeGolden(t, golden, got)
				}
				want, err := os.ReadFile(golden)
				if !errors.Is(err, os.ErrNotExist) {
					require.NoError(t, err)
				}
				assert.Equal(t, string(want), got, "go test ./patch -update writes it anew")
			})
		}
	}
}

// TestGoldensCover lists what the golden files have to cover: versions, configs,
// boards, and in the rich config what makes manifests differ.
func TestGoldensCover(t *testing.T) {
	for _, version := range []string{
		"v1.13.1", "v1.14", "v1.15", "v1.19", "v1.22", "v1.28", "v1.29", "v1.31", "v1.33", "v1.34", "v1.35", "v1.36", "v1.37",
	} {
		folders, err := filepath.Glob("../testdata/manifests/" + version + "*")
		require.NoError(t, err)
		require.NotEmpty(t, folders, version)
		for _, folder := range folders {
			for _, config := range []string{"plain", "article", "rich", "external"} {
				for _, c := range components() {
					if config != "external" || c != "etcd" {
						decodePod(t, read(t, filepath.Join(folder, config, c+".yaml")))
					}
				}
				for _, board := range []string{"banana-pi-m1", "roc-rk3328-cc", "fast"} {
					assert.FileExists(t, filepath.Join(folder, config, board+".settings.json"))
					assert.FileExists(t, filepath.Join(folder, config, board+".diff"))
				}
			}
			assert.NoFileExists(t, filepath.Join(folder, "external", "etcd.yaml"))
			minor := 0
			_, err := fmt.Sscanf(filepath.Base(folder), "v1.%d.", &minor)
			require.NoError(t, err)
			rich := string(read(t, filepath.Join(folder, "rich", "kube-apiserver.yaml")))
			has := []string{"--audit-log-path=", "--feature-gates=ExampleOne=true,ExampleTwo=false",
				"path: /etc/kubernetes/audit", "mountPath: /var/log/kubernetes"}
			if minor >= 16 { // kubeadm knew no second address family before
				has = append(has, "--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112")
			}
			if minor >= 22 { // RootlessControlPlane, a gate of kubeadm's own
				has = append(has, "runAsUser:")
			}
			for _, text := range has {
				assert.Contains(t, rich, text, folder)
			}
			assert.Contains(t, string(read(t, filepath.Join(folder, "article", "kube-apiserver.yaml"))), "192.168.1.155")
			assert.Contains(t, string(read(t, filepath.Join(folder, "external", "kube-apiserver.yaml"))),
				"--etcd-servers=https://10.0.0.21:2379,https://10.0.0.22:2379")
		}
	}
}

// goldenText patches a folder's manifests, proves the invariants for each, and
// returns the changes and differences.
func goldenText(t *testing.T, dir string, settings map[string]Settings) string {
	var changed, diffs strings.Builder
	for _, c := range components() {
		before, err := os.ReadFile(filepath.Join(dir, c+".yaml"))
		if errors.Is(err, os.ErrNotExist) {
			continue // etcd is elsewhere
		}
		require.NoError(t, err)
		decodePod(t, before) // strictly, and so requireLaws wants the outcome to be
		after, changes := requireLaws(t, before, settings[c])
		for _, x := range changes {
			if x.Old == "" {
				x.Old = "(unset)"
			}
			verb := "-> " + x.New
			if x.Kept {
				verb = "stays"
			}
			fmt.Fprintf(&changed, "# %s: %s %s\n#   %s\n", x.Target, x.Old, verb, x.Reason)
		}
		diffs.WriteString(Diff(c+".yaml", before, after))
		if string(before) == string(after) {
			for _, x := range changes {
				assert.True(t, x.Kept)
			}
		}
	}
	return changed.String() + diffs.String()
}

// readSettings reads what the plan package decided for a board and a real
// kubeadm's manifests; no file means nothing.
func readSettings(t *testing.T, path string) map[string]Settings {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	var s map[string]Settings
	require.NoError(t, json.Unmarshal(text, &s))
	return s
}

func writeGolden(t *testing.T, path, text string) {
	if text == "" {
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
		return
	}
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// TestFastBoardIsByteEqual says in the open what the golden files say by not
// being there.
func TestFastBoardIsByteEqual(t *testing.T) {
	for _, path := range realManifests(t) {
		before := read(t, path)
		after, changes, err := Apply(before, Settings{})
		require.NoError(t, err)
		require.Empty(t, changes)
		require.Equal(t, string(before), string(after))
	}
}

// everything asks for a change of every kind.
func everything() Settings {
	return Settings{
		Startup:   &Probe{InitialDelay: 30, Period: 20, FailureThreshold: 600, Timeout: 30, Reason: "slow"},
		Liveness:  &Probe{InitialDelay: 31, Period: 21, FailureThreshold: 20, Timeout: 31, Reason: "slow"},
		Readiness: &Probe{InitialDelay: 32, Period: 22, FailureThreshold: 22, Timeout: 32, Reason: "slow"},
		Flags: []Flag{
			{Name: "v", Value: "3", Policy: Set, Reason: "curious"},
			{Name: "profiling", Value: "false", Policy: IfAbsent, Reason: "small"},
			{Name: "zz-last", Value: "a b: c", Policy: IfAbsent, Reason: "odd"},
		},
		Env: []Env{{Name: "GOGC", Value: "200", Reason: "small"}, {Name: "GOMEMLIMIT", Value: "300MiB", Reason: "small"}},
	}
}

// TestInvariantsOfRealManifests proves the invariants with more changes than any board
// would need.
func TestInvariantsOfRealManifests(t *testing.T) {
	for _, path := range realManifests(t) {
		t.Run(strings.TrimPrefix(path, "../testdata/manifests/"), func(t *testing.T) {
			_, changes := requireLaws(t, read(t, path), everything())
			assert.GreaterOrEqual(t, len(changes), 7)
		})
	}
}

// TestTheArticlesChange is the project's reason: kubeadm v1.13.1's liveness
// probe ends a slow API server after 15 s and 8 attempts of 15 s. The article's
// author raised the initial delay by hand; this computes it, and nothing else
// changes.
func TestTheArticlesChange(t *testing.T) {
	before := read(t, "../testdata/manifests/v1.13.1/article/kube-apiserver.yaml")
	about, err := Inspect(before)
	require.NoError(t, err)
	assert.Equal(t, "192.168.1.155", about.Probes[livenessProbe].Endpoint.Host)
	kill, ok := about.Starting()
	require.True(t, ok)
	assert.Equal(t, "2m15s", kill.Slow.Min.String())
	after, changes := requireLaws(t, before, Settings{Startup: &Probe{Period: 15, FailureThreshold: 36, Reason: "slow"}})
	require.Len(t, changes, 1)
	assert.Equal(t, Change{
		Target: Target{Component: "kube-apiserver", Probe: livenessProbe,
			Field: "initialDelaySeconds"}, Old: "15", New: "540",
		Reason: "slow; this manifest has no startup probe, so the liveness probe waits instead",
	}, changes[0])
	assert.Equal(t, strings.Replace(string(before), "initialDelaySeconds: 15", "initialDelaySeconds: 540", 1),
		string(after))
	about, err = Inspect(after)
	require.NoError(t, err)
	kill, _ = about.Starting()
	assert.Equal(t, "11m0s", kill.Slow.Min.String())
}
