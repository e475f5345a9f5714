package patch

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// realManifests are what the real kubeadms wrote; see testdata/README.md.
func realManifests(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, c := range components() {
		paths, err := filepath.Glob("../testdata/manifests/v*/*/" + c + ".yaml")
		require.NoError(t, err)
		all = append(all, paths...)
	}
	require.NotEmpty(t, all)
	return all
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}

func decodePod(t testing.TB, text []byte) corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	require.NoError(t, yaml.UnmarshalStrict(text, &pod))
	return pod
}

// requireExactly proves that two manifests differ in the listed changes and in
// nothing else, by what Kubernetes' own YAML reader makes of them. With
// defaults, a field that is not there counts as its default.
func requireExactly(t testing.TB, before, after []byte, changes []Change) {
	t.Helper()
	want := map[string][2]string{}
	for _, c := range changes {
		if !c.Kept {
			want[c.Target.String()] = [2]string{c.Old, c.New}
		}
	}
	was, is := leaves(t, before), leaves(t, after)
	got := map[string][2]string{}
	for _, path := range slices.Concat(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is))) {
		if was[path] != is[path] {
			got[path] = [2]string{was[path], is[path]}
		}
	}
	require.Equal(t, want, got)
}

// leaves are all scalars of a manifest by their paths, in the spelling of
// [Change]. Containers, variables and flags go by their names.
func leaves(t testing.TB, text []byte) map[string]string {
	t.Helper()
	var root any
	require.NoError(t, yaml.Unmarshal(text, &root))
	all := map[string]string{}
	addLeaves(all, "", root)
	return all
}

func addLeaves(all map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			all[path] = "{}"
		}
		for key, value := range v {
			addLeaves(all, strings.TrimPrefix(path+"."+key, "."), value)
		}
	case []any:
		if len(v) == 0 {
			all[path] = "[]"
		}
		unnamed := 0
		for _, item := range v {
			name := nameOf(path, item)
			if name == "" {
				name = fmt.Sprintf("%s[%d]", path, unnamed)
				unnamed++
			}
			addLeaves(all, name, itemOf(name, item))
		}
	case float64:
		all[path] = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		all[path] = fmt.Sprint(v)
	}
}

// nameOf is the path of a list's item by the item's name, "" without one. A flag
// with its value in the next item has none.
func nameOf(path string, item any) string {
	fields, _ := item.(map[string]any)
	word, _ := item.(string)
	inContainer := strings.HasPrefix(path, "spec.containers[") && strings.Count(path, "].") == 1
	switch {
	case fields["name"] != nil && (path == "spec.containers" || inContainer && strings.HasSuffix(path, "].env")):
		return fmt.Sprintf("%s[%v]", path, fields["name"])
	case inContainer && (strings.HasSuffix(path, "].command") || strings.HasSuffix(path, "].args")) &&
		strings.HasPrefix(word, "--"):
		name, _, _ := strings.Cut(word, "=")
		return path + " " + name
	}
	return ""
}

// itemOf is what an item holds beside its name.
func itemOf(name string, item any) any {
	if word, ok := item.(string); ok && strings.Contains(name, " --") {
		_, value, _ := strings.Cut(word, "=")
		return value
	}
	fields, _ := item.(map[string]any)
	if strings.Contains(name, "].env[") && fields["name"] != nil && fields["value"] != nil && len(fields) == 2 {
		return fields["value"]
	}
	return item
}

// requireLaws proves for one manifest and settings: patched twice is patched
// once, exactly the listed changes are made, and what was strictly a Pod still
// is. It returns the outcome.
func requireLaws(t testing.TB, before []byte, s Settings) (after []byte, changes []Change) {
	t.Helper()
	given := string(before)
	after, changes, err := Apply(before, s)
	require.NoError(t, err)
	require.Equal(t, given, string(before), "the input is not written to")
	again, rest, err := Apply(after, s)
	require.NoError(t, err)
	require.Equal(t, string(after), string(again), "patched twice is patched once")
	for _, c := range rest {
		require.True(t, c.Kept, "nothing is left to change: %v", c)
	}
	requireExactly(t, before, after, changes)
	var pod corev1.Pod
	if yaml.UnmarshalStrict(before, &pod) == nil {
		requireValidProbes(t, decodePod(t, after))
	}
	return after, changes
}

// requireValidProbes holds the probes' numbers against what the API server and
// the kubelet accept (k8s.io/kubernetes/pkg/apis/core/validation, validateProbe
// and validateLivenessProbe). 0 stands for the default.
func requireValidProbes(t testing.TB, pod corev1.Pod) {
	t.Helper()
	for _, c := range pod.Spec.Containers {
		for _, p := range []*corev1.Probe{c.LivenessProbe, c.StartupProbe, c.ReadinessProbe} {
			if p == nil {
				continue
			}
			for _, n := range []int32{p.InitialDelaySeconds, p.PeriodSeconds, p.TimeoutSeconds, p.FailureThreshold,
				p.SuccessThreshold} {
				require.GreaterOrEqual(t, n, int32(0))
			}
			if p != c.ReadinessProbe {
				require.LessOrEqual(t, p.SuccessThreshold, int32(1))
			}
		}
	}
}

// TestLeaves guards the proof itself: it must see each kind of difference.
func TestLeaves(t *testing.T) {
	all := leaves(t, []byte(small))
	assert.Equal(t, "/var/lib/etcd", all["spec.containers[etcd].command --data-dir"])
	assert.Equal(t, "15", all["spec.containers[etcd].livenessProbe.timeoutSeconds"])
	assert.Equal(t, "etcd", all["spec.containers[etcd].command[0]"])
	assert.Equal(t, "Pod", all["kind"])
}

func words(parts ...any) string { return strings.TrimSuffix(fmt.Sprintln(parts...), "\n") }
