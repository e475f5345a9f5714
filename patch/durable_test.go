package patch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
)

// applyAsKubeadm applies a folder's patches with the libraries that kubeadm
// uses for it (cmd/kubeadm/app/util/patches).
func applyAsKubeadm(t *testing.T, manifest []byte, files map[string][]byte) []byte {
	t.Helper()
	j, err := yaml.YAMLToJSON(manifest)
	require.NoError(t, err)
	for name, text := range files {
		p, err := yaml.YAMLToJSON(text)
		require.NoError(t, err)
		if filepath.Ext(name) == ".yaml" && patchFile.FindStringSubmatch(name)[2] == "json" {
			ops, err := jsonpatch.DecodePatch(p)
			require.NoError(t, err)
			j, err = ops.Apply(j)
			require.NoError(t, err)
			continue
		}
		j, err = strategicpatch.StrategicMergePatch(j, p, corev1.Pod{})
		require.NoError(t, err)
	}
	out, err := yaml.JSONToYAML(j)
	require.NoError(t, err)
	return out
}

// TestDurable: what kubeadm makes of the patches is what Apply made of the
// manifest, for every real manifest and every kind of change: the same pod,
// where a flag that occurs twice counts as its last.
func TestDurable(t *testing.T) {
	for _, path := range realManifests(t) {
		before := read(t, path)
		after, changes, err := Apply(before, everything())
		require.NoError(t, err)
		about, err := Inspect(before)
		require.NoError(t, err)
		again := applyAsKubeadm(t, before, Durable(about.Component, changes))
		want, got := decodePod(t, after), decodePod(t, again)
		for _, pod := range []*corev1.Pod{&want, &got} {
			c := &pod.Spec.Containers[0]
			last := map[string]string{}
			for _, word := range c.Command {
				name, value, _ := flagOf(word)
				last[name] = value
			}
			words, err := yaml.Marshal(last)
			require.NoError(t, err)
			c.Command = []string{string(words)}
			env := map[string]corev1.EnvVar{}
			for _, v := range c.Env {
				env[v.Name] = v
			}
			c.Env = nil
			for _, name := range []string{"GOGC", "GOMEMLIMIT", "ETCD_UNSUPPORTED_ARCH"} {
				c.Env = append(c.Env, env[name])
			}
		}
		assert.Equal(t, want, got, path)
		settled, more, err := Apply(again, everything())
		require.NoError(t, err)
		assert.Equal(t, string(again), string(settled), path)
		for _, c := range more {
			assert.True(t, c.Kept, "%s: %s", path, c.Target)
		}
	}
}

func TestDurableOfNothing(t *testing.T) {
	assert.Empty(t, Durable("etcd", nil))
	assert.Empty(t, Durable("etcd", []Change{{Target: Target{Component: "etcd", Probe: livenessProbe, Field: period},
		New: "3", Kept: true}}))
	assert.Empty(t, Durable("etcd", []Change{{Target: Target{Component: "kube-scheduler", Probe: livenessProbe,
		Field: period}, New: "3"}}))
}

// ownersPatches is a folder as owners keep one.
func ownersPatches(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"kube-apiserver.yaml": "spec:\n  containers:\n  - name: kube-apiserver\n    startupProbe:\n      " +
			"failureThreshold: 99\n    env:\n    - {name: GOGC, value: \"50\"}\n  - name: sidecar\n    livenessProbe: " +
			"{periodSeconds: 3}\n---\n# nothing\n",
		"etcd0+json.json":                   `[{"op": "add", "path": "/spec/containers/0/command/-", "value": "--heartbeat-interval=500"}, {"op":"replace","path":"/spec/containers/0/livenessProbe","value":{}}]`,
		"kube-scheduler+merge.yaml":         "spec:\n  containers:\n  - name: kube-scheduler\n    command: [kube-scheduler]\n",
		"kubeletconfiguration+merge.yaml":   "maxPods: 9\n",
		"README.md":                         "kube-apiserver\n",
		"kube-controller-manager.yaml.orig": "[",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func TestReadOwned(t *testing.T) {
	dir := ownersPatches(t)
	o, err := ReadOwned(dir)
	require.NoError(t, err)
	api := filepath.Join(dir, "kube-apiserver.yaml")
	assert.Equal(t, api, o.Field("kube-apiserver", "startupProbe", "failureThreshold"))
	assert.Empty(t, o.Field("kube-apiserver", "startupProbe", "periodSeconds"))
	assert.Empty(t, o.Field("kube-apiserver", "livenessProbe", "periodSeconds"), "another container's")
	assert.Equal(t, api, o.Env("kube-apiserver", "GOGC"))
	assert.Empty(t, o.Env("etcd", "GOGC"))
	etcd := filepath.Join(dir, "etcd0+json.json")
	assert.Equal(t, etcd, o.Flag("etcd", "heartbeat-interval"))
	assert.Empty(t, o.Flag("etcd", "election-timeout"))
	assert.Equal(t, etcd, o.Field("etcd", "livenessProbe", "timeoutSeconds"), "the whole probe")
	assert.NotEmpty(t, o.Flag("kube-scheduler", "anything"), "the whole command line")
	assert.Empty(t, o.Flag("kube-controller-manager", "anything"))
	assert.Empty(t, Owned(nil).Field("etcd", "livenessProbe", "periodSeconds"))

	for _, bad := range []string{"[", "- op: 3\n", "a: b\n", "\t x"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "etcd+json.yaml"), []byte(bad), 0o644))
		_, err := ReadOwned(dir)
		require.ErrorContains(t, err, "etcd+json.yaml", "%q", bad)
	}
	_, err = ReadOwned(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestYield(t *testing.T) {
	owner, err := ReadOwned(ownersPatches(t))
	require.NoError(t, err)
	flag := func(name string) Target { return Target{List: "command", Flag: name} }
	startup := func(field string) Target { return Target{Probe: startupProbe, Field: field} }
	ours := map[string][]byte{}
	for component, targets := range map[string][]Target{
		"etcd":                    {flag("heartbeat-interval"), flag("election-timeout")},
		"kube-apiserver":          {startup(failureThreshold), startup(period), {Variable: "GOGC"}},
		"kube-scheduler":          {flag("leader-elect-lease-duration")},
		"kube-controller-manager": {flag("leader-elect-lease-duration")},
	} {
		var changes []Change
		for _, target := range targets {
			target.Component = component
			changes = append(changes, Change{Target: target, New: "7", Reason: "slow"})
		}
		for name, text := range Durable(component, changes) {
			ours[name] = text
		}
	}
	require.Len(t, ours, 5)
	kept, conflicts, err := Yield(ours, owner)
	require.NoError(t, err)
	assert.Len(t, conflicts, 4)
	require.Len(t, kept, 3)
	assert.Equal(t, ours["kube-controller-manager-kubeadm-arm+json.yaml"],
		kept["kube-controller-manager-kubeadm-arm+json.yaml"])
	assert.Contains(t, string(kept["etcd-kubeadm-arm+json.yaml"]), "--election-timeout=7")
	assert.NotContains(t, string(kept["etcd-kubeadm-arm+json.yaml"]), "heartbeat")
	assert.Contains(t, string(kept["kube-apiserver-kubeadm-arm+json.yaml"]), "periodSeconds")
	assert.NotContains(t, string(kept["kube-apiserver-kubeadm-arm+json.yaml"]), "failureThreshold")

	all, none, err := Yield(ours, nil)
	require.NoError(t, err)
	assert.Empty(t, none)
	assert.Equal(t, ours, all)
	_, _, err = Yield(map[string][]byte{"etcd+json.yaml": []byte("[")}, owner)
	require.Error(t, err)
}
