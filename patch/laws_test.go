package patch

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"
)

// realManifests are what the real kubeadms wrote; see testdata/README.md.
func realManifests(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob("../testdata/manifests/v*/*/*.yaml")
	require.NoError(t, err)
	var manifests []string
	for _, path := range all {
		if filepath.Base(path) != "kubeadm.yaml" {
			manifests = append(manifests, path)
		}
	}
	require.NotEmpty(t, manifests)
	return manifests
}

// everything asks for a change of every kind.
func everything() Settings {
	return Settings{
		Startup:   &Probe{Period: 20, FailureThreshold: 60, Timeout: 30, Reason: "slow"},
		Liveness:  &Probe{Period: 20, Timeout: 30, Reason: "slow"},
		Readiness: &Probe{Period: 20, Timeout: 30, Reason: "slow"},
		Flags:     []Flag{{Name: "leader-elect-lease-duration", Value: "1m0s", Policy: AtLeast, Reason: "slow"}, {Name: "heartbeat-interval", Value: "300", Policy: AtLeast}},
		Env:       []Env{{Name: "GOGC", Value: "200", Reason: "small"}},
	}
}

func decodePod(t *testing.T, text []byte) corev1.Pod {
	t.Helper()
	var pod corev1.Pod
	require.NoError(t, yaml.UnmarshalStrict(text, &pod))
	return pod
}

// TestLawsOfRealManifests proves for every real manifest: patched twice is
// patched once, the result is strictly a Pod, only what was meant differs, and
// nothing is done when nothing is asked.
func TestLawsOfRealManifests(t *testing.T) {
	for _, path := range realManifests(t) {
		t.Run(strings.TrimPrefix(path, "../testdata/manifests/"), func(t *testing.T) {
			old, err := os.ReadFile(path)
			require.NoError(t, err)
			same, changes, err := Apply(old, Settings{})
			require.NoError(t, err)
			assert.Equal(t, string(old), string(same))
			assert.Empty(t, changes)

			fresh, changes, err := Apply(old, everything())
			require.NoError(t, err)
			assert.NotEmpty(t, changes)
			again, changes, err := Apply(fresh, everything())
			require.NoError(t, err)
			assert.Equal(t, string(fresh), string(again))
			assert.Empty(t, changes)

			was, is := decodePod(t, old), decodePod(t, fresh)
			c := &is.Spec.Containers[0]
			before := was.Spec.Containers[0]
			for _, p := range []struct{ old, fresh *corev1.Probe }{
				{before.LivenessProbe, c.LivenessProbe}, {before.ReadinessProbe, c.ReadinessProbe}, {before.StartupProbe, c.StartupProbe},
			} {
				require.Equal(t, p.old == nil, p.fresh == nil)
				if p.old == nil {
					continue
				}
				assert.GreaterOrEqual(t, p.fresh.PeriodSeconds, max(p.old.PeriodSeconds, int32(20)))
				assert.GreaterOrEqual(t, p.fresh.FailureThreshold, p.old.FailureThreshold)
				assert.GreaterOrEqual(t, p.fresh.InitialDelaySeconds, p.old.InitialDelaySeconds)
				p.fresh.PeriodSeconds, p.fresh.FailureThreshold = p.old.PeriodSeconds, p.old.FailureThreshold
				p.fresh.TimeoutSeconds, p.fresh.InitialDelaySeconds = p.old.TimeoutSeconds, p.old.InitialDelaySeconds
			}
			c.Command, c.Env = withoutFlags(c.Command), before.Env
			was.Spec.Containers[0].Command = withoutFlags(before.Command)
			assert.True(t, equality.Semantic.DeepEqual(was, is), "after taking the meant changes back, nothing differs")
		})
	}
}

// withoutFlags takes out the flags that everything() may change.
func withoutFlags(command []string) []string {
	var kept []string
	for _, word := range command {
		if !strings.HasPrefix(word, "--leader-elect-lease-duration=") && !strings.HasPrefix(word, "--heartbeat-interval=") {
			kept = append(kept, word)
		}
	}
	return kept
}

// TestTheArticlesChange is the project's reason: kubeadm v1.13.1's liveness
// probe kills a slow API server after 15 s and 8 periods; the owner raised its
// initial delay by hand.
func TestTheArticlesChange(t *testing.T) {
	old, err := os.ReadFile("../testdata/manifests/v1.13.1/article/kube-apiserver.yaml")
	require.NoError(t, err)
	about, err := Inspect(old)
	require.NoError(t, err)
	probe := about.Probes["livenessProbe"]
	assert.Equal(t, "192.168.1.155", probe.Endpoint.Host)
	assert.Equal(t, "2m15s", probe.Slow().Min.String(), "15 s and 8 times 15 s")
	fresh, changes, err := Apply(old, Settings{Startup: &Probe{Period: 15, FailureThreshold: 36, Reason: "slow"}})
	require.NoError(t, err)
	require.Len(t, changes, 1)
	assert.Equal(t, "spec.containers[kube-apiserver].livenessProbe.initialDelaySeconds", changes[0].Path)
	assert.Equal(t, "15", changes[0].Old)
	assert.Equal(t, "540", changes[0].New)
	assert.Equal(t, strings.Replace(string(old), "initialDelaySeconds: 15", "initialDelaySeconds: 540", 1), string(fresh))
}

const small = `apiVersion: v1
kind: Pod
metadata:
  name: etcd
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    livenessProbe:
      # the owner's remark
      httpGet: {path: /health, port: 2381}
      timeoutSeconds: 15 # enough
    name: etcd
`

func TestOddForms(t *testing.T) {
	s := Settings{Liveness: &Probe{Period: 20, Timeout: 40, Reason: "slow"}, Env: []Env{{Name: "GOGC", Value: "200"}}}
	for name, text := range map[string]string{
		"plain":              small,
		"CRLF":               strings.ReplaceAll(small, "\n", "\r\n"),
		"byte order mark":    "\xef\xbb\xbf" + small,
		"no newline at end":  strings.TrimRight(small, "\n"),
		"document marks":     "---\n" + small + "...\n",
		"quoted number":      strings.Replace(small, "name: etcd\n", "\"name\": 'etcd'\n", 1),
		"comment everywhere": "# a\n" + strings.ReplaceAll(small, "    name: etcd", "    # b\n    name: etcd # c"),
		"one megabyte":       small + "# " + strings.Repeat("x", 1<<20) + "\n",
		"tabs in a comment":  small + "#\tx\n",
	} {
		t.Run(name, func(t *testing.T) {
			out, changes, err := Apply([]byte(text), s)
			require.NoError(t, err)
			assert.Len(t, changes, 3)
			pod := decodePod(t, bytes.TrimPrefix(out, []byte("\xef\xbb\xbf")))
			assert.Equal(t, int32(20), pod.Spec.Containers[0].LivenessProbe.PeriodSeconds)
			assert.Equal(t, int32(40), pod.Spec.Containers[0].LivenessProbe.TimeoutSeconds)
			assert.Equal(t, "200", pod.Spec.Containers[0].Env[0].Value)
			assert.Contains(t, string(out), "# the owner's remark")
			assert.Contains(t, string(out), "# enough")
			assert.Equal(t, strings.Contains(text, "\r\n"), strings.Contains(string(out), "\r\n"))
			assert.NotContains(t, strings.ReplaceAll(string(out), "\r\n", ""), "\r")
			if name == "CRLF" {
				assert.Equal(t, strings.Count(string(out), "\n"), strings.Count(string(out), "\r\n"), "no line ending of the other kind")
			}
		})
	}
}

func TestJSONManifest(t *testing.T) {
	pod := decodePod(t, []byte(small))
	for _, indent := range []string{"", "  "} {
		text, err := json.MarshalIndent(pod, "", indent)
		require.NoError(t, err)
		s := everything()
		s.Startup = nil
		out, changes, err := Apply(text, s)
		require.NoError(t, err)
		assert.NotEmpty(t, changes)
		var again corev1.Pod
		require.NoError(t, json.Unmarshal(out, &again))
		assert.Equal(t, int32(20), again.Spec.Containers[0].LivenessProbe.PeriodSeconds)
		assert.Contains(t, again.Spec.Containers[0].Command, "--heartbeat-interval=300")
	}
}

func TestRefusals(t *testing.T) {
	for name, x := range map[string]struct{ text, why string }{
		"empty":            {"", "empty"},
		"a list":           {"- a\n", "no mapping at the top"},
		"not YAML":         {"a: [b\n", "not YAML"},
		"a tab":            {strings.Replace(small, "  containers:", "\tcontainers:", 1), "not YAML"},
		"a Deployment":     {strings.Replace(small, "kind: Pod", "kind: Deployment", 1), `kind is "Deployment"`},
		"two documents":    {small + "---\n" + small, "more than one document"},
		"no containers":    {"apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec: {}\n", "no containers"},
		"another pod":      {strings.ReplaceAll(small, "name: etcd", "name: nginx"), "not a control-plane component"},
		"an anchor":        {strings.Replace(small, "livenessProbe:", "livenessProbe: &p", 1), "anchors and aliases"},
		"a doubled key":    {small + "kind: Pod\n", "stands twice"},
		"not UTF-8":        {small + "# \xff\n", "not UTF-8"},
		"a word for ten":   {strings.Replace(small, "timeoutSeconds: 15", "timeoutSeconds: ten", 1), "not a number"},
		"a folded number":  {strings.Replace(small, "timeoutSeconds: 15 # enough", "timeoutSeconds: !!int \"1\\u0035\"", 1), "cannot be edited in place"},
		"a probe of words": {strings.Replace(small, "livenessProbe:\n      # the owner's remark\n      httpGet: {path: /health, port: 2381}\n      timeoutSeconds: 15 # enough", "livenessProbe: none", 1), "not a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := Apply([]byte(x.text), everything())
			var refused *RefusedError
			require.ErrorAs(t, err, &refused)
			assert.Contains(t, err.Error(), x.why)
			assert.NotEmpty(t, refused.Hint())
			assert.NotContains(t, err.Error(), "\n")
			assert.Nil(t, out)
		})
	}
}

func TestTheUsersOwnValues(t *testing.T) {
	text := strings.Replace(small, "    - --data-dir=/var/lib/etcd\n", "    - --election-timeout=9000\n    - --heartbeat-interval\n    - \"100\"\n    - '--snapshot-count=5'\n", 1)
	out, changes, err := Apply([]byte(text), Settings{Flags: []Flag{
		{Name: "election-timeout", Value: "5000", Policy: AtLeast},
		{Name: "heartbeat-interval", Value: "500", Policy: AtLeast},
		{Name: "snapshot-count", Value: "10000", Policy: Set, UserSet: true, Reason: "r"},
		{Name: "new", Value: "x", Policy: IfAbsent},
	}})
	require.NoError(t, err)
	assert.Contains(t, string(out), "--election-timeout=9000", "a larger value stays")
	assert.Contains(t, string(out), "- --heartbeat-interval\n    - \"500\"\n", "a value of its own keeps its form")
	assert.Contains(t, string(out), "'--snapshot-count=5'", "what the owner set wins")
	require.Len(t, changes, 3)
	assert.True(t, changes[1].Kept)
	assert.Contains(t, changes[1].Reason, "set in kubeadm's config")
}

func TestApplyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "etcd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(small), 0o640))
	require.NoError(t, os.Chmod(path, 0o640))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(path, 1234, 5678))
	}
	s := Settings{Liveness: &Probe{Period: 20}}
	changes, err := ApplyFile(path, s)
	require.NoError(t, err)
	assert.Len(t, changes, 1)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	if os.Geteuid() == 0 {
		assert.Equal(t, uint32(1234), info.Sys().(*syscall.Stat_t).Uid)
		assert.Equal(t, uint32(5678), info.Sys().(*syscall.Stat_t).Gid)
	}
	// Nothing to do: the file is not even touched.
	changes, err = ApplyFile(path, s)
	require.NoError(t, err)
	assert.Empty(t, changes)
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(info, after))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file stays")

	link := filepath.Join(dir, "kube-scheduler.yaml")
	require.NoError(t, os.Symlink("/etc/passwd", link))
	_, err = ApplyFile(link, s)
	assert.ErrorContains(t, err, "it is a symbolic link")
	_, err = ApplyFile(dir, s)
	assert.ErrorContains(t, err, "it is a folder")
	_, err = ApplyFile(filepath.Join(dir, "none.yaml"), s)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestAFolderThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "etcd.yaml")
	require.NoError(t, os.WriteFile(path, []byte(small), 0o600))
	info, err := os.Stat(path)
	require.NoError(t, err)
	err = WriteFile(filepath.Join(dir, "gone", "etcd.yaml"), []byte("x"), info)
	require.ErrorIs(t, err, os.ErrNotExist)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, small, string(text))
}

func TestInspectResolvesNamedPorts(t *testing.T) {
	text, err := os.ReadFile("../testdata/manifests/v1.37.2/plain/kube-apiserver.yaml")
	require.NoError(t, err)
	about, err := Inspect(text)
	require.NoError(t, err)
	assert.Equal(t, 6443, about.Probes["readinessProbe"].Endpoint.Port)
	assert.Equal(t, "4m0s", about.Probes["startupProbe"].FailingFast().Min.String())
	assert.Equal(t, "6m10s", about.Probes["startupProbe"].Slow().Min.String())
}

func FuzzApply(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(strings.ReplaceAll(small, "\n", "\r\n")))
	for _, path := range realManifests(f)[:8] {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out, _, err := Apply(text, everything())
		if err != nil {
			return
		}
		again, changes, err := Apply(out, everything())
		require.NoError(t, err)
		require.Equal(t, string(out), string(again))
		for _, c := range changes {
			require.True(t, c.Kept)
		}
	})
}

func BenchmarkFourManifests(b *testing.B) {
	var texts [][]byte
	for _, c := range components() {
		text, err := os.ReadFile("../testdata/manifests/v1.37.2/plain/" + c + ".yaml")
		require.NoError(b, err)
		texts = append(texts, text)
	}
	s := everything()
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			if _, _, err := Apply(text, s); err != nil {
				b.Fatal(err)
			}
		}
	}
}
