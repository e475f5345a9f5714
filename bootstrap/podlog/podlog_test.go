package podlog

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
)

func TestPodLogCountsInstances(t *testing.T) {
	dir := t.TempDir()
	// The kubelet has removed 0.log already.
	boardtest.Put(t, dir+"/kube-system_kube-apiserver-n1_abc/kube-apiserver/1.log", "x\n")
	boardtest.Put(t, dir+"/kube-system_kube-apiserver-n1_abc/kube-apiserver/2.log",
		"2026-01-01T00:00:00Z stderr F last words\n")
	boardtest.Put(t, dir+"/kube-system_kube-apiserver-n1_abc/kube-apiserver/notes.txt", "x")
	boardtest.Put(t, dir+"/kube-system_etcd-n1_abc/etcd/0.log", "x\n")
	l := Read(dir, "kube-apiserver", nil)
	assert.Equal(t, 3, l.Instances)
	assert.Equal(t, "2.log", filepath.Base(l.Newest))
	assert.Equal(t, []string{"last words"}, LastLines(l.Newest, 5))
	assert.Equal(t, 1, Read(dir, "etcd", nil).Instances)
	assert.Equal(t, 0, Read(dir, "kube-scheduler", nil).Instances)
	assert.Empty(t, LastLines(dir+"/none", 5))
}

// The kubelet of v1.13 names a pod's folder by its UID alone; a static pod's is
// a hash, another's has dashes.
func TestPodLogOfAnOldKubelet(t *testing.T) {
	dir := t.TempDir()
	boardtest.Put(t, dir+"/0123456789abcdef0123456789abcdef/kube-apiserver/0.log", "x\n")
	boardtest.Put(t, dir+"/0123456789abcdef0123456789abcdef/kube-apiserver/1.log", "y\n")
	boardtest.Put(t, dir+"/7d0d2f3c-0fb1-11e9-9c53-02420a580002/kube-apiserver/7.log", "somebody's own\n")
	l := Read(dir, "kube-apiserver", nil)
	assert.Equal(t, 2, l.Instances)
	assert.EqualValues(t, 4, l.Bytes)
	assert.Equal(t, "1.log", filepath.Base(l.Newest))
}

// reset leaves the logs of the control plane that it takes away. A second init on
// that board counted each of its containers as started again.
func TestLogsOfAnEarlierControlPlaneAreNotCounted(t *testing.T) {
	dir := t.TempDir()
	boardtest.Put(t, dir+"/kube-system_etcd-n1_abc/etcd/2.log", "x\n")
	boardtest.Put(t, dir+"/kube-system_kube-apiserver-n1_abc/kube-apiserver/0.log", "x\n")
	before := Next(dir)
	seen := func() int { return Read(dir, "etcd", before).Instances }
	assert.Equal(t, Log{next: map[string]int{}}, Read(dir, "etcd", before), "nor are its last words this one's")
	// Of the same manifest the kubelet makes the same folder, and goes on counting.
	boardtest.Put(t, dir+"/kube-system_etcd-n1_abc/etcd/3.log", "x\n")
	assert.Equal(t, 1, seen())
	boardtest.Put(t, dir+"/kube-system_etcd-n1_def/etcd/0.log", "x\n")
	assert.Equal(t, 2, seen())
	require.NoError(t, os.RemoveAll(dir+"/kube-system_etcd-n1_abc"))
	assert.Equal(t, 1, seen(), "the kubelet has removed what nobody needs")
}
