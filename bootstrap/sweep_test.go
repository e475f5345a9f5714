package bootstrap

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// sweepOf runs the sweep of an interrupted head and returns what it removed.
func sweepOf(t *testing.T, b *fakeBoard, before ...string) []string {
	o := b.options()
	var removed []string
	o.Tell = func(e Event) {
		_, path, _ := strings.Cut(e.Detail, "ended: ")
		removed = append(removed, strings.TrimPrefix(path, b.layout.Root+"/etc/kubernetes/"))
	}
	r := newRun(o)
	r.journal = &journal.Journal{Plan: testPlan(), Begun: true, Before: before}
	require.NoError(t, r.sweep())
	return removed
}

func TestSweep(t *testing.T) {
	etcdLeaves := []string{"pki/etcd/server", "pki/etcd/peer", "pki/etcd/healthcheck-client", "pki/apiserver-etcd-client"}
	pairs := func(names ...string) []string {
		var all []string
		for _, n := range names {
			all = append(all, n+".crt", n+".key")
		}
		return all
	}
	kubeconfigs := []string{"admin.conf", "super-admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf"}
	for _, c := range []struct {
		name    string
		spoil   []string // emptied
		missing []string
		before  []string
		want    []string
	}{
		{name: "all whole"},
		{name: "a leaf's key without its certificate", missing: []string{"pki/apiserver.crt"},
			want: []string{"pki/apiserver.key"}},
		{name: "a leaf emptied by a power cut", spoil: []string{"pki/apiserver.crt"}, want: pairs("pki/apiserver")},
		{name: "sa.key without sa.pub", missing: []string{"pki/sa.pub"}, want: []string{"pki/sa.key"}},
		{name: "sa.key emptied", spoil: []string{"pki/sa.key"}, want: []string{"pki/sa.key", "pki/sa.pub"}},
		{name: "a CA takes what it signed with it", spoil: []string{"pki/etcd/ca.key"}, want: append(pairs("pki/etcd/ca"),
			pairs(etcdLeaves...)...)},
		{name: "the CA, and the kubeconfigs that carry it", spoil: []string{"pki/ca.crt"},
			want: append(pairs("pki/ca", "pki/apiserver", "pki/apiserver-kubelet-client"), kubeconfigs...)},
		{name: "a kubeconfig", spoil: []string{"scheduler.conf"}, want: []string{"scheduler.conf"}},
		{name: "the owner's CA without its key stays", missing: []string{"pki/ca.key"}, before: []string{"pki/ca.crt"}},
		{name: "the owner's broken file stays", spoil: []string{"pki/apiserver.crt"}, before: []string{"pki/apiserver.crt",
			"pki/apiserver.key"}},
		{name: "a manifest", spoil: []string{"manifests/etcd.yaml"}, want: []string{"manifests/etcd.yaml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := pkiBoard(t)
			for _, component := range plan.Components() {
				require.NoError(t, b.MakeManifest(component))
			}
			for _, name := range c.spoil {
				require.NoError(t, os.Truncate(b.layout.At("/etc/kubernetes/"+name), 0))
			}
			for _, name := range c.missing {
				require.NoError(t, os.Remove(b.layout.At("/etc/kubernetes/"+name)))
			}
			assert.ElementsMatch(t, c.want, sweepOf(t, b, c.before...))
			for _, name := range c.want {
				assert.NoFileExists(t, b.layout.At("/etc/kubernetes/"+name))
			}
			assert.Empty(t, sweepOf(t, b, c.before...), "a second sweep finds nothing")
		})
	}
}

// Later steps find certificates whole or fail by themselves, with a message of their own.
func TestSweepOnlyTheHead(t *testing.T) {
	b := pkiBoard(t)
	require.NoError(t, os.Truncate(b.layout.At("/etc/kubernetes/pki/sa.key"), 0))
	r := newRun(b.options())
	r.journal = &journal.Journal{Plan: testPlan(), Done: 3, Begun: true}
	require.NoError(t, r.sweep())
	assert.FileExists(t, b.layout.At("/etc/kubernetes/pki/sa.key"))
}

// Once kubelet-finalize has been there, kubelet.conf names its certificate.
func TestRotatedKubeletConf(t *testing.T) {
	b := pkiBoard(t)
	put(t, b.layout.KubeletConf(),
		`clusters: [{name: c, cluster: {server: s}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
users: [{name: u, user: {client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem}}]
`)
	assert.Empty(t, sweepOf(t, b))
}
