package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// upgradeBoard has a control plane of v1.36.3 and a kubeadm that writes one of v1.37.2.
type upgradeBoard struct {
	*fakeBoard
	backups string
	// endpoints are those that the cluster was given.
	endpoints []string
	// hasEndpoint says that the upgrade gives it none.
	hasEndpoint bool
}

const endpoint = "cluster.example"

const (
	oldImage = ":v1.36.3"
	newImage = ":v1.37.2"
)

func newUpgradeBoard(t *testing.T) *upgradeBoard {
	roottest.Need(t, "kubeadm works in a mount namespace")
	b := &upgradeBoard{fakeBoard: newFakeBoard(t), backups: t.TempDir()}
	b.MakePKI()
	for _, c := range plan.Components() {
		put(t, b.layout.Manifest(c), strings.ReplaceAll(boardtest.Manifest(c, b.Address), newImage, oldImage))
	}
	put(t, b.layout.KubeletConfig(), "old kubelet\n")
	put(t, b.layout.At("/var/lib/etcd/member/snap/db"), "old data\n")
	put(t, b.layout.At("/var/lib/etcd/member/wal/0.wal"), "old log\n")
	return b
}

// kubeadmUpgrade is a kubeadm of v1.37.2. Its etcd writes as soon as it runs.
func (b *upgradeBoard) kubeadmUpgrade(_ context.Context, c kubeadm.Command) (kubeadm.Result, error) {
	b.calls = append(b.calls, c.Args)
	if strings.HasPrefix(strings.Join(c.Args, " "), "init phase certs apiserver") {
		boardtest.Pair(b.t, b.layout.Upgrade()+"-pki/apiserver", nil, endpoint)
		text, err := os.ReadFile(b.layout.ManifestsConfig())
		require.NoError(b.t, err)
		require.Contains(b.t, string(text), "certificatesDir: "+b.layout.Upgrade()+"-pki\n")
		return kubeadm.Result{}, nil
	}
	if strings.HasPrefix(strings.Join(c.Args, " "), "init phase") {
		for _, component := range plan.Components() {
			if err := b.MakeManifest(component); err != nil {
				return kubeadm.Result{}, err
			}
		}
		return kubeadm.Result{}, nil
	}
	if strings.Contains(strings.Join(c.Args, " "), "--skip-phases=preflight") {
		put(b.t, b.layout.KubeletConfig(), "new kubelet\n")
	}
	return kubeadm.Result{}, nil
}

func (b *upgradeBoard) upgradePlan() plan.Plan {
	wait := func(c string) plan.AwaitHealthy {
		return plan.AwaitHealthy{Component: c, Quiet: time.Minute, Patience: time.Minute, Restarts: 3, Poll: time.Millisecond}
	}
	const upgrade = "/etc/kubernetes/kubeadm-arm/upgrade"
	p := plan.Plan{Command: kubeadm.UpgradeApply, Config: &plan.ConfigPlan{API: "v1beta4"}, Steps: []plan.Step{
		plan.RunPhases{Name: "checks", What: "checks", Keep: []string{"preflight"}, Attempts: 1},
		plan.BackUp{To: "/var/backups/upgrade"},
		plan.RenderManifests{To: upgrade, Version: "v1.37.2", All: plan.Components(),
			Node: kubeadm.NodeOfUpgrade{Name: "pi", AdvertiseAddress: "10.0.0.2", BindPort: 6443}},
		plan.ServeEndpoint{Host: endpoint, Version: "v1.37.2"},
		plan.SwitchManifests{What: "switch", From: upgrade, All: plan.Components(), Data: "/var/lib/etcd", Keep: "kept"},
	}}
	for _, c := range plan.Components() {
		p.Steps = append(p.Steps, plan.ReleaseManifest{Component: c}, wait(c))
	}
	p.Steps = append(p.Steps, plan.SetEndpoint{Endpoint: endpoint + ":6443"}, plan.RunPhases{Name: "rest", What: "rest",
		Keep: []string{"control-plane", "addon"}, Attempts: 2})
	return p
}

func (b *upgradeBoard) upgradeOptions() Options {
	o := b.options()
	cluster, err := kubeadm.ReadConfig(strings.NewReader("apiVersion: kubeadm.k8s.io/v1beta4\n"+
		"kind: ClusterConfiguration\n"), "c")
	require.NoError(b.t, err)
	args, err := kubeadm.UpgradeApply.Parse([]string{"v1.37.2"})
	require.NoError(b.t, err)
	o.Plan, o.Args, o.Cluster, o.Runner = b.upgradePlan(), args, cluster, b.kubeadmUpgrade
	o.Check = CheckInput{Command: kubeadm.UpgradeApply, Request: journal.RequestOf(args, nil)}
	o.SetEndpoint = func(_ context.Context, to string) error { b.endpoints = append(b.endpoints, to); return nil }
	return o
}

// version is that of all manifests; it fails on a mixture.
func (b *upgradeBoard) version() string {
	b.t.Helper()
	seen := map[string]bool{}
	for _, c := range plan.Components() {
		path := b.layout.Manifest(c)
		if staged := manifests.StagedAt(b.layout, c); staged != "" {
			require.False(b.t, durable.Exists(path), "%s is in both places", c)
			path = staged
		}
		text, err := os.ReadFile(path)
		require.NoError(b.t, err)
		for _, v := range []string{oldImage, newImage} {
			if strings.Contains(string(text), v) {
				seen[v] = true
			}
		}
	}
	require.Len(b.t, seen, 1, "all of one version: %v", seen)
	for v := range seen {
		return v
	}
	return ""
}

func (b *upgradeBoard) data() string {
	text, err := os.ReadFile(b.layout.At("/var/lib/etcd/member/snap/db"))
	require.NoError(b.t, err)
	return string(text)
}

func (b *upgradeBoard) requireUpgraded() {
	b.t.Helper()
	require.Equal(b.t, newImage, b.version())
	require.Empty(b.t, manifests.Staged(b.layout))
	if !b.hasEndpoint {
		require.Contains(b.t, b.endpoints, endpoint+":6443")
		cert, whole := readPair(b.layout.At("/etc/kubernetes/pki/apiserver"))
		require.True(b.t, whole)
		require.NoError(b.t, cert.VerifyHostname(endpoint))
	}
	kept, err := os.ReadFile(b.layout.At("/var/lib/etcd/kept/member/snap/db"))
	require.NoError(b.t, err)
	require.Equal(b.t, "old data\n", string(kept))
	for _, c := range plan.Components() {
		text, err := os.ReadFile(b.layout.At("/var/backups/upgrade/kubernetes/manifests/" + c + ".yaml"))
		require.NoError(b.t, err)
		require.Contains(b.t, string(text), oldImage)
	}
	for _, path := range []string{b.layout.Journal(), b.layout.Upgrade(), b.layout.ClusterConfig(),
		b.layout.ConfigCopy()} {
		require.False(b.t, durable.Exists(path), path)
	}
}

func TestUpgrade(t *testing.T) {
	b := newUpgradeBoard(t)
	out, err := Run(context.Background(), b.upgradeOptions())
	require.NoError(t, err)
	require.Len(t, out.Steps, len(b.upgradePlan().Steps))
	b.requireUpgraded()
	var calls []string
	for _, c := range b.calls {
		calls = append(calls, strings.ReplaceAll(strings.Join(c, " "), b.layout.State(), "STATE"))
	}
	assert.Equal(t, []string{
		"upgrade apply v1.37.2 --yes --config=STATE/config.yaml --skip-phases=control-plane,upload-config,kubeconfig," +
			"kubelet-config,bootstrap-token,addon,post-upgrade",
		"init phase control-plane all --config=STATE/manifests-config.yaml",
		"init phase etcd local --config=STATE/manifests-config.yaml",
		"init phase certs apiserver --config=STATE/manifests-config.yaml",
		"upgrade apply v1.37.2 --yes --config=STATE/config.yaml --skip-phases=preflight,upload-config,kubeconfig," +
			"kubelet-config,bootstrap-token,post-upgrade",
	}, calls)
}

// An API server's certificate with a name that kubeadm does not know of is not replaced.
func TestEndpointKeepsTheNamesOfBefore(t *testing.T) {
	b := newUpgradeBoard(t)
	base := b.layout.At("/etc/kubernetes/pki/apiserver")
	boardtest.Pair(t, base, nil, "by.hand.example")
	_, err := Run(context.Background(), b.upgradeOptions())
	require.ErrorContains(t, err, "is not for by.hand.example; add it to apiServer.certSANs")
	cert, whole := readPair(base)
	require.True(t, whole)
	assert.NoError(t, cert.VerifyHostname("by.hand.example"))
	assert.Equal(t, oldImage, b.version())
}

var errCut = errors.New("cut off")

// cutAt has everything fail from the nth change of the board's files on, as a power cut does.
func cutAt(n int) (durable.Hook, *int) {
	seen := 0
	return func(c durable.Change) error {
		if !c.Done {
			seen++
		}
		if seen > n || seen == n && !c.Done {
			return errCut
		}
		return nil
	}, &seen
}

// An upgrade that is cut off at any change is of one version then, and goes on, or goes back
// with the data of before. Each is tried at every second change, with UPGRADE_WALK=all at all.
func TestKilledUpgrade(t *testing.T) {
	b := newUpgradeBoard(t)
	o := b.upgradeOptions()
	hook, changes := cutAt(1 << 30)
	o.Layout.FS.Hook = hook
	_, err := Run(context.Background(), o)
	require.NoError(t, err)
	total := *changes
	require.Greater(t, total, 50)
	for n := 1; n <= total; n++ {
		for i, way := range []string{"resume", "abort"} {
			if os.Getenv("UPGRADE_WALK") != "all" && n%2 != i {
				continue
			}
			t.Run(fmt.Sprintf("%s at change %d", way, n), func(t *testing.T) { cutThenContinue(t, n, way) })
		}
	}
}

func cutThenContinue(t *testing.T, n int, way string) {
	b := newUpgradeBoard(t)
	o := b.upgradeOptions()
	o.Layout.FS.Hook, _ = cutAt(n)
	_, err := Run(context.Background(), o)
	b.version()
	if err == nil {
		return // cut while tidying up
	}
	require.ErrorIs(t, err, errCut)
	// What starts the board puts everything back.
	_, err = manifests.ReleaseAll(b.layout)
	require.NoError(t, err)
	after := b.version()
	if after == newImage {
		put(t, b.layout.At("/var/lib/etcd/member/snap/db"), "new data\n")
	}
	if !durable.Exists(b.layout.Journal()) {
		require.Contains(t, []string{"", newImage}, strings.TrimPrefix(after, oldImage)) // not begun, or done
		return
	}
	if way == "resume" {
		o := b.upgradeOptions()
		o.Resume, err = Check(b.layout, o.Check)
		require.NoError(t, err)
		_, err = Run(context.Background(), o)
		require.NoError(t, err)
		b.requireUpgraded()
		return
	}
	j, err := TurnBack(b.layout)
	require.NoError(t, err)
	if j == nil {
		_, err = Abort(b.layout)
		require.NoError(t, err)
		require.Equal(t, oldImage, b.version())
	} else {
		o := b.upgradeOptions()
		o.Cluster = nil
		b.resume(&o, j)
		require.True(t, o.Resume.Plan.GoesBack)
		_, err = Run(context.Background(), o)
		require.NoError(t, err)
	}
	require.Equal(t, oldImage, b.version())
	require.Equal(t, "old data\n", b.data())
	text, err := os.ReadFile(b.layout.KubeletConfig())
	require.NoError(t, err)
	require.Equal(t, "old kubelet\n", string(text))
	require.False(t, durable.Exists(filepath.Join(b.layout.State(), "journal.json")))
}

// anewOptions are those of an upgrade that makes the board's patches anew.
func (b *upgradeBoard) anewOptions() Options {
	o := b.upgradeOptions()
	o.Patches = b.layout.AllPatches()
	for i, s := range o.Plan.Steps {
		if s, ok := s.(plan.RenderManifests); ok {
			s.Anew = true
			s.Settings = map[string]patch.Settings{plan.APIServer: {Liveness: &patch.Probe{Period: 20, Reason: "slow"}}}
			o.Plan.Steps[i] = s
		}
	}
	return o
}

// Patches that are made anew take the place of the old ones once the upgrade is done, and not
// where it is taken back.
func TestUpgradeWithPatchesAnew(t *testing.T) {
	for _, back := range []bool{false, true} {
		b := newUpgradeBoard(t)
		old := filepath.Join(b.layout.Patches(), "kube-scheduler-kubeadm-arm+json.yaml")
		put(t, old, "[]\n")
		o := b.anewOptions()
		o.OwnersPatches = t.TempDir()
		put(t, filepath.Join(o.OwnersPatches, "etcd.yaml"), "spec: {}\n")
		require.NoError(t, os.Symlink("etcd.yaml", filepath.Join(o.OwnersPatches, "kube-scheduler.yaml")))
		var seen map[string][]byte
		o.Runner = func(ctx context.Context, c kubeadm.Command) (kubeadm.Result, error) {
			if strings.Contains(strings.Join(c.Args, " "), "--skip-phases=preflight") {
				var err error
				seen, err = manifests.ReadPatches(b.layout.AllPatches())
				require.NoError(t, err)
				if back {
					return kubeadm.Result{}, errCut
				}
			}
			return b.kubeadmUpgrade(ctx, c)
		}
		_, err := Run(t.Context(), o)
		assert.Contains(t, seen, "etcd.yaml", "the owner's")
		assert.Contains(t, seen, "kube-scheduler.yaml", "kubeadm follows links")
		assert.Contains(t, seen, "kube-apiserver-kubeadm-arm+json.yaml")
		assert.NotContains(t, seen, filepath.Base(old))
		if back {
			require.ErrorIs(t, err, errCut)
			b.goBack(o)
		} else {
			require.NoError(t, err)
		}
		kept, err := manifests.DurablePatches(b.layout)
		require.NoError(t, err)
		want := "kube-apiserver-kubeadm-arm+json.yaml"
		if back {
			want = filepath.Base(old)
		}
		require.Len(t, kept, 1)
		assert.Contains(t, kept, want)
		entries, err := os.ReadDir(b.layout.State())
		require.NoError(t, err)
		assert.Len(t, entries, 1, "nothing else of the run is left")
	}
}

// nodeOptions are those of an upgrade of another control plane, or of a worker.
func (b *upgradeBoard) nodeOptions(worker bool) Options {
	o := b.upgradeOptions()
	o.Plan.Command, o.Check.Command, o.Args = kubeadm.UpgradeNode, kubeadm.UpgradeNode, kubeadm.Args{}
	if worker {
		o.Plan.Steps = []plan.Step{o.Plan.Steps[0], o.Plan.Steps[1], plan.RunPhases{Name: "worker", What: "rest",
			Keep: []string{"kubelet-config"}, Attempts: 1}}
	}
	// A node has the endpoint of its cluster.
	b.hasEndpoint = true
	o.Plan.Steps = slices.DeleteFunc(o.Plan.Steps, func(s plan.Step) bool {
		switch s.(type) {
		case plan.ServeEndpoint, plan.SetEndpoint:
			return true
		}
		return false
	})
	for i, s := range o.Plan.Steps {
		if s, ok := s.(plan.SwitchManifests); ok {
			s.Others = true
			o.Plan.Steps[i] = s
		}
	}
	return o
}

// goBack gives an interrupted upgrade up.
func (b *upgradeBoard) goBack(o Options) {
	j, err := TurnBack(b.layout)
	require.NoError(b.t, err)
	require.NotNil(b.t, j)
	o.Cluster = nil
	b.resume(&o, j)
	_, err = Run(b.t.Context(), o)
	require.NoError(b.t, err)
	require.False(b.t, durable.Exists(b.layout.Journal()))
}

// On another control plane kubeadm finds the manifests equal, too, and knows the version itself.
func TestUpgradeNode(t *testing.T) {
	b := newUpgradeBoard(t)
	_, err := Run(t.Context(), b.nodeOptions(false))
	require.NoError(t, err)
	b.requireUpgraded()
	var calls []string
	for _, c := range b.calls {
		calls = append(calls, strings.ReplaceAll(strings.Join(c, " "), b.layout.State(), "STATE"))
	}
	assert.Equal(t, []string{
		"upgrade node --config=STATE/config.yaml --skip-phases=control-plane,kubeconfig,kubelet-config,addon,post-upgrade",
		"init phase control-plane all --config=STATE/manifests-config.yaml",
		"init phase etcd local --config=STATE/manifests-config.yaml",
		"upgrade node --config=STATE/config.yaml --skip-phases=preflight,kubeconfig,kubelet-config,post-upgrade",
	}, calls)
}

// Given up, it has its old manifests; but its member of etcd goes on with what the others know.
func TestUpgradeNodeGivenUp(t *testing.T) {
	b := newUpgradeBoard(t)
	o := b.nodeOptions(false)
	o.Runner = func(ctx context.Context, c kubeadm.Command) (kubeadm.Result, error) {
		if strings.Contains(strings.Join(c.Args, " "), "--skip-phases=preflight") {
			put(t, b.layout.At("/var/lib/etcd/member/snap/db"), "new data\n")
			return kubeadm.Result{}, errCut
		}
		return b.kubeadmUpgrade(ctx, c)
	}
	_, err := Run(t.Context(), o)
	require.ErrorIs(t, err, errCut)
	require.Equal(t, newImage, b.version())
	b.goBack(o)
	require.Equal(t, oldImage, b.version())
	require.Equal(t, "new data\n", b.data())
}

// A worker has no manifests; what kubeadm changes there, the kubelet's configuration, is put back.
func TestUpgradeWorker(t *testing.T) {
	for _, fails := range []bool{false, true} {
		b := newUpgradeBoard(t)
		for _, c := range plan.Components() {
			require.NoError(t, os.Remove(b.layout.Manifest(c)))
		}
		o := b.nodeOptions(true)
		o.Runner = func(ctx context.Context, c kubeadm.Command) (kubeadm.Result, error) {
			res, err := b.kubeadmUpgrade(ctx, c)
			if fails && strings.Contains(strings.Join(c.Args, " "), "--skip-phases=preflight") {
				err = errCut
			}
			return res, err
		}
		_, err := Run(t.Context(), o)
		want := "new kubelet\n"
		if fails {
			require.ErrorIs(t, err, errCut)
			b.goBack(o)
			want = "old kubelet\n"
		} else {
			require.NoError(t, err)
		}
		text, err := os.ReadFile(b.layout.KubeletConfig())
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}
