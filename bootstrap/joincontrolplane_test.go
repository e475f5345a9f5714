package bootstrap

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/roottest"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

const (
	ownPeer        = "https://10.0.0.2:2380"
	certificateKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

// haBoard is a board that is to be another control plane, and the cluster: an API server, and
// etcd's gateway, at one address.
type haBoard struct {
	*joinBoard
	mu      sync.Mutex
	members []cluster.Member
	// behind is how often a promotion is refused.
	behind int
	// asked are the requests to etcd, ran the phases of kubeadm join by process.
	asked []string
	ran   [][]string
	// fails says how far etcd-join comes in the nth process that runs it, from 1: "" is to the end.
	fails func(n int) string
	joins int
	// keeps has etcd refuse a removal, mute loses the answer to one.
	keeps, mute bool
	// externalCA keeps the cluster's key away; tears ends the first kubeadm that makes kubelet.conf in
	// the middle, and startFails the first that starts the kubelet once it has.
	externalCA, tears, startFails bool
}

func newHABoard(t *testing.T) *haBoard {
	roottest.Need(t, "kubeadm works in a mount namespace")
	b := &haBoard{joinBoard: newJoinBoard(t), fails: func(int) string { return "" }}
	b.members = []cluster.Member{{ID: "1", Name: "first", PeerURLs: []string{"https://10.0.0.1:2380"}}}
	node := b.server.Config.Handler
	b.server.Close()
	b.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case strings.HasPrefix(r.URL.Path, "/v3/cluster/member/"):
			b.etcd(w, r)
		case r.URL.Path == "/api/v1/namespaces/kube-system/pods":
			fmt.Fprintf(w, `{"items": [{"metadata": {"annotations": {
"kubeadm.kubernetes.io/etcd.advertise-client-urls": %q}}}]}`, b.server.URL)
		default:
			node.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(b.server.Close)
	b.members[0].ClientURLs = []string{b.server.URL}
	return b
}

// joined is such a board with a member of etcd of its own.
func joined(t *testing.T) *haBoard {
	b := newHABoard(t)
	b.prepare()
	require.Empty(t, b.joinEtcd(""))
	text, err := os.ReadFile(b.layout.Manifest(plan.Etcd))
	require.NoError(t, err)
	put(t, b.layout.Manifest(plan.Etcd), strings.Replace(string(text), "    - --secure-port=1\n",
		"    - --initial-cluster=first=https://10.0.0.1:2380,bpi="+ownPeer+"\n"+
			"    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.2:2379\n", 1))
	return b
}

// etcd answers as etcd's gateway does.
func (b *haBoard) etcd(w http.ResponseWriter, r *http.Request) {
	what := filepath.Base(r.URL.Path)
	b.asked = append(b.asked, what)
	switch what {
	case "list":
		_ = json.NewEncoder(w).Encode(map[string]any{"members": b.members})
	case "promote":
		if b.behind--; b.behind >= 0 {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code": 9, "message": "etcdserver: can only promote a learner member which is in sync with leader"}`)
			return
		}
		b.members[1].Learner = false
		fmt.Fprint(w, "{}")
	case "remove":
		if b.keeps {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code": 9, "message": "etcdserver: re-configuration failed due to not enough started members"}`)
			return
		}
		b.members = b.members[:1]
		if b.mute {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "{}")
	}
}

// kubeadmJoin is a kubeadm that does what those phases do that are not skipped.
func (b *haBoard) kubeadmJoin(_ context.Context, c kubeadm.Command) (kubeadm.Result, error) {
	b.calls = append(b.calls, c.Args)
	switch strings.Join(c.Args[:min(4, len(c.Args))], " ") {
	case "init phase etcd local":
		return kubeadm.Result{}, b.MakeManifest(plan.Etcd)
	case "init phase kubeconfig kubelet":
		return kubeadm.Result{}, b.signKubelet(c.Args[4:])
	}
	args, err := kubeadm.Join.Parse(c.Args[1:])
	require.NoError(b.t, err)
	behaviour, err := kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: 37, Patch: 2})
	require.NoError(b.t, err)
	phases := behaviour.AllBut(kubeadm.Join, args.List("skip-phases")...)
	b.ran = append(b.ran, phases)
	if slices.Contains(phases, "control-plane-prepare") {
		b.prepare()
	}
	if slices.Contains(phases, "kubelet-start") {
		put(b.t, b.layout.BootstrapConf(), "users: []\n")
		if b.startKubelet(); durable.Exists(b.layout.KubeletConf()) {
			b.requireSigned()
		} else {
			b.bootstrapKubelet()
		}
		if b.startFails {
			b.startFails = false
			return kubeadm.Result{}, &kubeadm.CommandError{Command: c.String(), ExitCode: 1, Tail: "error: timed out\n",
				Err: errors.New("exit status 1")}
		}
	}
	if slices.Contains(phases, "etcd-join") {
		b.joins++
		if at := b.joinEtcd(b.fails(b.joins)); at != "" {
			return kubeadm.Result{}, &kubeadm.CommandError{Command: c.String(), ExitCode: 1, Tail: "error: " + at + "\n",
				Err: errors.New("exit status 1")}
		}
	}
	return kubeadm.Result{Stdout: []byte("This node has joined the cluster and a new control plane instance was " +
		"created:\n")}, nil
}

// signKubelet leaves what init's phase kubeconfig kubelet does, in the folder that it is given.
func (b *haBoard) signKubelet(flags []string) error {
	dir, inDir := strings.CutPrefix(flags[0], "--kubeconfig-dir=")
	config, inFile := strings.CutPrefix(flags[1], "--config=")
	require.True(b.t, inDir && inFile && len(flags) == 2, flags)
	text, err := os.ReadFile(config)
	require.NoError(b.t, err)
	for _, want := range []string{"name: bpi\n", "advertiseAddress: 10.0.0.2\n", "bindPort: 1\n",
		"encryptionAlgorithm: ECDSA-P256\n", "kubernetesVersion: v1.37.2\n", "controlPlaneEndpoint: cp:6443\n"} {
		require.Contains(b.t, string(text), want)
	}
	path := filepath.Join(dir, "kubelet.conf")
	require.NoFileExists(b.t, path, "kubeadm keeps what it finds, and stumbles over a half")
	if b.tears {
		b.tears = false
		put(b.t, path, "clusters: [")
		return errors.New("killed")
	}
	pki := b.layout.At("/etc/kubernetes/pki/")
	data := func(path string) []byte {
		text, err := os.ReadFile(path)
		require.NoError(b.t, err)
		text, err = json.Marshal(text)
		require.NoError(b.t, err)
		return text
	}
	boardtest.Pair(b.t, filepath.Join(dir, "x"), nil)
	put(b.t, path, fmt.Sprintf(`current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "%s", certificate-authority-data: %s}}]
users: [{name: u, user: {client-certificate-data: %s, client-key-data: %s}}]
`, b.server.URL, data(pki+"/etcd/ca.crt"), data(filepath.Join(dir, "x.crt")), data(filepath.Join(dir, "x.key"))))
	return errors.Join(os.Remove(filepath.Join(dir, "x.crt")), os.Remove(filepath.Join(dir, "x.key")))
}

// requireSigned: the kubelet finds a certificate that it can renew, as after init. The link to it
// leads out of the test's folder, and is made one that does not.
func (b *haBoard) requireSigned() {
	link := b.layout.At(currentPEM)
	if target, err := os.Readlink(link); err == nil && filepath.IsAbs(target) {
		requireRotatable(b.t, b.fakeBoard)
		require.NoError(b.t, errors.Join(os.Remove(link), os.Symlink(filepath.Base(target), link)))
	}
}

// prepare leaves what control-plane-prepare does: no kubelet.conf.
func (b *haBoard) prepare() {
	b.MakePKI()
	require.NoError(b.t, os.Remove(b.layout.KubeletConf()))
	if b.externalCA {
		require.NoError(b.t, os.Remove(b.layout.At("/etc/kubernetes/pki/ca.key")))
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.server.Certificate().Raw})
	put(b.t, b.layout.At("/etc/kubernetes/pki/etcd/ca.crt"), string(ca))
	data, err := json.Marshal(ca)
	require.NoError(b.t, err)
	put(b.t, b.layout.AdminConf(), fmt.Sprintf(`current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "%s", certificate-authority-data: %s}}]
users: [{name: u, user: {token: x}}]
`, b.server.URL, data))
	for _, c := range plan.Components()[1:] {
		require.NoError(b.t, b.MakeManifest(c))
	}
	text, err := os.ReadFile(b.layout.Manifest(plan.APIServer))
	require.NoError(b.t, err)
	put(b.t, b.layout.Manifest(plan.APIServer), strings.Replace(string(text), "    - --secure-port=1\n",
		"    - --secure-port=1\n    - --advertise-address=10.0.0.2\n", 1))
}

// joinEtcd adds a learner and writes its manifest, unless it is to fail before.
func (b *haBoard) joinEtcd(until string) (failed string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until == "before" {
		return "context deadline exceeded"
	}
	if len(b.members) == 1 {
		b.members = append(b.members, cluster.Member{ID: "2", PeerURLs: []string{ownPeer}, Learner: true})
	}
	if until == "added" {
		return "context deadline exceeded"
	}
	require.NoError(b.t, b.MakeManifest(plan.Etcd))
	b.members[1].Name = "bpi"
	if until == "written" {
		return "can only promote a learner member which is in sync with leader"
	}
	b.members[1].Learner = false
	return ""
}

func (b *haBoard) haOptions() Options {
	o := b.fakeBoard.options()
	args, err := kubeadm.Join.Parse([]string{"10.0.0.1:6443", "--token", joinToken, "--control-plane",
		"--certificate-key", certificateKey, "--discovery-token-ca-cert-hash=sha256:" + strings.Repeat("0", 64),
		"--node-name=bpi"})
	require.NoError(b.t, err)
	shared, err := kubeadm.ReadConfig(strings.NewReader("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"+
		"kubernetesVersion: v1.37.2\ncontrolPlaneEndpoint: cp:6443\n"), "c")
	require.NoError(b.t, err)
	config, err := o.Config.WithCluster(shared)
	require.NoError(b.t, err)
	o.Args, o.Cluster, o.Runner, o.Config = args, shared, b.kubeadmJoin, nil
	o.Plan = plan.MakeJoin(plan.Facts{Profile: plan.Balanced, Speed: plan.Reference(), Kubeadm: o.Behaviour, Args: args,
		Config: config})
	for i, s := range o.Plan.Steps {
		switch s := s.(type) {
		case plan.AwaitNode:
			s.Poll = time.Millisecond
			o.Plan.Steps[i] = s
		case plan.AwaitHealthy:
			s.Poll, s.Quiet = time.Millisecond, 2*time.Second
			o.Plan.Steps[i] = s
		case plan.JoinEtcd:
			s.Poll, s.Quiet, s.Patience = time.Millisecond, 2*time.Second, 2*time.Second
			o.Plan.Steps[i] = s
		}
	}
	o.Check = CheckInput{Command: kubeadm.Join, Request: journal.RequestOf(args, nil)}
	return o
}

// requireJoined: the board's member votes, all manifests are in place, and of ours only what
// upgrades need is left.
func (b *haBoard) requireJoined() {
	b.t.Helper()
	require.Equal(b.t, 2, cluster.Voters(b.members))
	require.Equal(b.t, []string{plan.Etcd, plan.APIServer, plan.ControllerManager, plan.Scheduler}, b.Manifests())
	require.Empty(b.t, manifests.Staged(b.layout))
	entries, err := os.ReadDir(b.layout.State())
	require.NoError(b.t, err)
	require.Len(b.t, entries, 1)
	require.Equal(b.t, "patches", entries[0].Name())
	require.NoFileExists(b.t, b.layout.BootstrapConf(), "it holds the token")
	require.FileExists(b.t, b.layout.KubeletFlags(), "kubelet-start has run")
	if !b.externalCA {
		files, err := filepath.Glob(b.layout.At(kubeletPKI + "/*"))
		require.NoError(b.t, err)
		require.Len(b.t, files, 4)
	}
}

// A control plane joins: etcd alone, while nothing else runs, and no process has a secret in
// its arguments.
func TestJoinControlPlane(t *testing.T) {
	b := newHABoard(t)
	out, err := Run(t.Context(), b.haOptions())
	require.NoError(t, err)
	b.requireJoined()
	assert.Contains(t, out.ClosingWords, "a new control plane instance was created")
	assert.Equal(t, [][]string{
		{"preflight", "control-plane-prepare", "check-etcd"}, {"kubelet-start"}, {"etcd-join"},
		{"control-plane-join/mark-control-plane"},
	}, b.ran)
	for _, c := range b.calls {
		words := strings.Join(c, " ")
		assert.NotContains(t, words, joinToken)
		assert.NotContains(t, words, certificateKey)
	}
	etcd, api := slices.Index(b.Seen, plan.Etcd), slices.Index(b.Seen, plan.Etcd+","+plan.APIServer)
	assert.True(t, etcd >= 0 && api > etcd && !slices.Contains(b.Seen, plan.APIServer), "started one after the other: %v",
		b.Seen)
	assert.NotContains(t, b.asked, "promote", "kubeadm has done it")
}

// A control plane signs its kubelet's certificate, and the kubelet asks for none; without the
// cluster's key it does.
func TestJoinControlPlaneSignsKubeletCertificate(t *testing.T) {
	for _, external := range []bool{false, true} {
		b := newHABoard(t)
		b.externalCA = external
		o := b.haOptions()
		var notes []string
		o.Tell = func(e Event) {
			if e.Kind == Note {
				notes = append(notes, e.Detail)
			}
		}
		_, err := Run(t.Context(), o)
		require.NoError(t, err)
		b.requireJoined()
		signs := slices.ContainsFunc(b.calls, func(c []string) bool { return slices.Contains(c, "kubeconfig") })
		assert.Equal(t, !external, signs)
		assert.Equal(t, external, strings.Contains(strings.Join(notes, "\n"), "the kubelet asks the cluster"))
	}
}

// The half of a kubelet.conf is no obstacle, and a kubelet.conf is no sign that the kubelet was
// started.
func TestJoinControlPlaneTornKubeletConf(t *testing.T) {
	b := newHABoard(t)
	b.tears = true
	_, err := Run(t.Context(), b.haOptions())
	require.ErrorContains(t, err, "make the kubelet's certificates")
	require.NoFileExists(t, b.layout.KubeletConf())
	o := b.haOptions()
	o.Resume, err = Check(b.layout, o.Check)
	require.NoError(t, err)
	b.startFails = true
	_, err = Run(t.Context(), o)
	require.NoError(t, err)
	b.requireJoined()
	starts := slices.DeleteFunc(slices.Clone(b.ran), func(p []string) bool { return !slices.Contains(p, "kubelet-start") })
	assert.Len(t, starts, 1, "what it gave up after the start is no reason to start it again")
}

// What kubeadm gives up is gone on with where it stands: a member that is added is not added
// again, and a learner is promoted once it has caught up.
func TestJoinControlPlaneWhenKubeadmGivesUp(t *testing.T) {
	for _, c := range []struct {
		until    string
		times    int
		joins    int
		promotes bool
	}{
		{"before", 1, 2, false}, {"before", 4, 5, false}, {"added", 1, 2, false}, {"written", 1, 1, true},
	} {
		t.Run(fmt.Sprint(c.until, c.times), func(t *testing.T) {
			b := newHABoard(t)
			b.behind = 3
			b.fails = func(n int) string {
				if n <= c.times {
					return c.until
				}
				return ""
			}
			o := b.haOptions()
			_, err := Run(t.Context(), o)
			require.NoError(t, err)
			b.requireJoined()
			assert.Equal(t, c.joins, b.joins)
			assert.Equal(t, c.promotes, slices.Contains(b.asked, "promote"))
		})
	}
}

// A member that never catches up is given up, with what was seen.
func TestJoinControlPlaneNeverVotes(t *testing.T) {
	b := newHABoard(t)
	b.behind = 1 << 30
	b.fails = func(int) string { return "written" }
	_, err := Run(t.Context(), b.haOptions())
	require.ErrorContains(t, err, "wait for the member "+ownPeer+" of etcd to vote: gave up: nothing moved for")
	require.ErrorContains(t, err, "the member learns: etcdserver: can only promote")
	assert.Empty(t, manifests.Staged(b.layout), "put back, as after every failure")
}

// A join that was cut off while its member learned goes on with that; the journal has no secret.
func TestJoinControlPlaneResumed(t *testing.T) {
	b := newHABoard(t)
	b.behind = 2
	ctx, cancel := context.WithCancel(t.Context())
	b.fails = func(int) string { cancel(); return "written" }
	o := b.haOptions()
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	text, err := os.ReadFile(b.layout.Journal())
	require.NoError(t, err)
	assert.NotContains(t, string(text), joinToken)
	assert.NotContains(t, string(text), certificateKey)
	j, err := Interrupted(b.layout)
	require.NoError(t, err)
	b.resume(&o, j)
	_, err = Run(t.Context(), o)
	require.NoError(t, err)
	b.requireJoined()
	assert.Equal(t, 1, b.joins, "it is not added again")
}

// A board leaves etcd before it is wiped, and that it is gone is proved by the others, even when
// the answer to the removal is lost.
func TestLeave(t *testing.T) {
	for _, mute := range []bool{false, true} {
		b := joined(t)
		b.mute = mute
		assert.Equal(t, []EtcdMember{{"first", "https://10.0.0.1:2380", true}, {"bpi", ownPeer, true}},
			EtcdMembers(t.Context(), b.layout))
		m, err := FindMembership(t.Context(), b.layout)
		require.NoError(t, err)
		require.NotNil(t, m)
		assert.Equal(t, 1, m.Others)
		assert.NotContains(t, b.asked, "remove", "looking changes nothing")
		require.NoError(t, m.Leave(t.Context()))
		assert.Len(t, b.members, 1)
		m, err = FindMembership(t.Context(), b.layout)
		require.NoError(t, err)
		assert.Nil(t, m, "a reset that is repeated has nothing to remove")
	}
}

// A cluster may have its certificates in a folder of its own.
func TestLeaveWithOtherCertificatesDir(t *testing.T) {
	b := joined(t)
	require.NoError(t, os.Rename(b.layout.At("/etc/kubernetes/pki"), b.layout.At("/etc/certs")))
	text, err := os.ReadFile(b.layout.Manifest(plan.APIServer))
	require.NoError(t, err)
	put(t, b.layout.Manifest(plan.APIServer), strings.Replace(string(text), "    - --secure-port=1\n",
		"    - --secure-port=1\n    - --client-ca-file=/etc/certs/ca.crt\n", 1))
	assert.Len(t, EtcdMembers(t.Context(), b.layout), 2)
	m, err := FindMembership(t.Context(), b.layout)
	require.NoError(t, err)
	require.NotNil(t, m)
	require.NoError(t, m.Leave(t.Context()))
	assert.Len(t, b.members, 1)
}

// A member that a join has only added leaves, too: etcd takes one that learns at a time, so it
// would keep every other board out.
func TestLeaveAfterAnInterruptedJoin(t *testing.T) {
	b := newHABoard(t)
	b.fails = func(int) string { return "added" }
	o := b.haOptions()
	ctx, cancel := context.WithCancel(t.Context())
	o.Tell = func(e Event) {
		if strings.Contains(e.Detail, "kubeadm gave up") {
			cancel()
		}
	}
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	require.NoFileExists(t, b.layout.Manifest(plan.Etcd))
	require.Len(t, b.members, 2)
	m, err := FindMembership(t.Context(), b.layout)
	require.NoError(t, err)
	require.NotNil(t, m)
	require.NoError(t, m.Leave(t.Context()))
	assert.Len(t, b.members, 1)

	b.server.Close()
	_, err = FindMembership(t.Context(), b.layout)
	var refused *state.RefusedError
	require.ErrorAs(t, err, &refused, "the journal knows of others")
}

// What etcd refuses, or cannot say, is not done.
func TestLeaveRefused(t *testing.T) {
	b := joined(t)
	b.keeps = true
	m, err := FindMembership(t.Context(), b.layout)
	require.NoError(t, err)
	err = m.Leave(t.Context())
	var refused *state.RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, state.Quorum, refused.Reason)
	assert.Contains(t, err.Error(), "etcd does not remove the member bpi: etcdserver: re-configuration failed")
	assert.Len(t, b.members, 2)

	b.server.Close()
	_, err = FindMembership(t.Context(), b.layout)
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, err.Error(), "etcd's members do not answer")
	// A board that was always alone is reset as before, however broken it is.
	require.NoError(t, b.MakeManifest(plan.Etcd))
	m, err = FindMembership(t.Context(), b.layout)
	require.NoError(t, err)
	assert.Nil(t, m)
}

// A join of a control plane that is cut off at any change of the board's files goes on to the same
// end, and its member is added once. Tried at every seventh change, with JOIN_WALK=all at all.
func TestKilledControlPlaneJoin(t *testing.T) {
	b := newHABoard(t)
	o := b.haOptions()
	hook, changes := cutAt(1 << 30)
	o.Layout.FS.Hook = hook
	_, err := Run(t.Context(), o)
	require.NoError(t, err)
	total := *changes
	require.Greater(t, total, 30)
	step := 7
	if os.Getenv("JOIN_WALK") == "all" {
		step = 1
	}
	for n := 1; n <= total; n += step {
		t.Run(fmt.Sprint("change ", n), func(t *testing.T) {
			b := newHABoard(t)
			o := b.haOptions()
			o.Layout.FS.Hook, _ = cutAt(n)
			_, err := Run(t.Context(), o)
			if err == nil {
				return // cut while tidying up
			}
			// What starts the board puts everything back.
			_, err = manifests.ReleaseAll(b.layout)
			require.NoError(t, err)
			o = b.haOptions()
			o.Resume, err = Check(b.layout, o.Check)
			var refused *state.RefusedError
			if errors.As(err, &refused) && refused.Reason == state.ClusterHere {
				require.NoFileExists(t, b.layout.Journal(), "it was done")
			} else {
				require.NoError(t, err)
				_, err = Run(t.Context(), o)
				require.NoError(t, err)
			}
			b.requireJoined()
			assert.Len(t, b.members, 2)
		})
	}
}
