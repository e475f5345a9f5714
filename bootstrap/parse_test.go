package bootstrap

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseChecks(t *testing.T) {
	passed, failed := parseChecks("[+]ping ok\n[+]etcd ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n")
	assert.Equal(t, []string{"ping", "etcd"}, passed)
	assert.Equal(t, []string{"poststarthook/rbac/bootstrap-roles"}, failed)
}

func FuzzParseChecks(f *testing.F) {
	f.Add("[+]ping ok\n[-]etcd failed: reason withheld\n")
	f.Fuzz(func(_ *testing.T, text string) { parseChecks(text) })
}

func put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestPodLogCountsInstances(t *testing.T) {
	dir := t.TempDir()
	// The kubelet has removed 0.log already.
	put(t, dir+"/kube-system_kube-apiserver-n1_abc/kube-apiserver/1.log", "x\n")
	put(t, dir+"/kube-system_kube-apiserver-n1_abc/kube-apiserver/2.log", "2026-01-01T00:00:00Z stderr F last words\n")
	put(t, dir+"/kube-system_kube-apiserver-n1_abc/kube-apiserver/notes.txt", "x")
	put(t, dir+"/kube-system_etcd-n1_abc/etcd/0.log", "x\n")
	l := readPodLog(dir, "kube-apiserver", nil)
	assert.Equal(t, 3, l.Instances)
	assert.Equal(t, "2.log", filepath.Base(l.Newest))
	assert.Equal(t, []string{"last words"}, lastLines(l.Newest, 5))
	assert.Equal(t, 1, readPodLog(dir, "etcd", nil).Instances)
	assert.Equal(t, 0, readPodLog(dir, "kube-scheduler", nil).Instances)
	assert.Empty(t, lastLines(dir+"/none", 5))
}

// The kubelet of v1.13 names a pod's folder by its UID alone; a static pod's is
// a hash, another's has dashes.
func TestPodLogOfAnOldKubelet(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/0123456789abcdef0123456789abcdef/kube-apiserver/0.log", "x\n")
	put(t, dir+"/0123456789abcdef0123456789abcdef/kube-apiserver/1.log", "y\n")
	put(t, dir+"/7d0d2f3c-0fb1-11e9-9c53-02420a580002/kube-apiserver/7.log", "somebody's own\n")
	l := readPodLog(dir, "kube-apiserver", nil)
	assert.Equal(t, 2, l.Instances)
	assert.EqualValues(t, 4, l.Bytes)
	assert.Equal(t, "1.log", filepath.Base(l.Newest))
}

func TestClosingWords(t *testing.T) {
	out := "[addons] Applied essential addon: kube-proxy\n\nYour Kubernetes control-plane has initialized successfully!\n\nkubeadm join 10.0.0.2:6443 --token a.b\n\n"
	assert.Equal(t, "Your Kubernetes control-plane has initialized successfully!\n\nkubeadm join 10.0.0.2:6443 --token a.b\n", closingWords(out))
	assert.Empty(t, closingWords("nothing of the kind"))
}

// What is told of kubeadm's output must never hold the token.
func TestLineTellerKeepsSecretsOut(t *testing.T) {
	var told []string
	l := lineTeller(func(s string) { told = append(told, s) }, nil)
	for _, part := range []string{"[certs] Generating \"ca\"", " certificate and key\n[bootstrap-token] Using token: abcdef.0123456789abcdef\n",
		"kubeadm join 10.0.0.2:6443 --token abcdef.0123456789abcdef\n[upload-certs] Using certificate key:\n0123456789\n"} {
		_, err := l.Write([]byte(part))
		require.NoError(t, err)
	}
	assert.Equal(t, []string{`[certs] Generating "ca" certificate and key`}, told)
}

// reset leaves the logs of the control plane that it takes away. A second init on
// that board counted each of its containers as started again.
func TestLogsOfAnEarlierControlPlaneAreNotCounted(t *testing.T) {
	l := Layout{Root: t.TempDir()}
	put(t, l.PodLogs()+"/kube-system_etcd-n1_abc/etcd/2.log", "x\n")
	put(t, l.PodLogs()+"/kube-system_kube-apiserver-n1_abc/kube-apiserver/0.log", "x\n")
	before := l.podLogsSoFar()
	seen := func() int { return readPodLog(l.PodLogs(), "etcd", before).Instances }
	assert.Equal(t, podLog{next: map[string]int{}}, readPodLog(l.PodLogs(), "etcd", before), "nor are its last words this one's")
	// Of the same manifest the kubelet makes the same folder, and goes on counting.
	put(t, l.PodLogs()+"/kube-system_etcd-n1_abc/etcd/3.log", "x\n")
	assert.Equal(t, 1, seen())
	put(t, l.PodLogs()+"/kube-system_etcd-n1_def/etcd/0.log", "x\n")
	assert.Equal(t, 2, seen())
	require.NoError(t, os.RemoveAll(l.PodLogs()+"/kube-system_etcd-n1_abc"))
	assert.Equal(t, 1, seen(), "the kubelet has removed what nobody needs")
}
