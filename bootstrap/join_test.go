package bootstrap

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/boardtest"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

const joinToken = "abcdef.0123456789abcdef"

// joinBoard is a board without a cluster, and an API server that tells of its Node.
type joinBoard struct {
	*fakeBoard
	server *httptest.Server
	// node is what it tells, by request; the last one stays.
	node []string
}

func newJoinBoard(t *testing.T) *joinBoard {
	b := &joinBoard{fakeBoard: newFakeBoard(t), node: []string{readyNode}}
	b.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/api/v1/nodes/") {
			http.Error(w, "{}", http.StatusForbidden)
			return
		}
		answer := b.node[0]
		if len(b.node) > 1 {
			b.node = b.node[1:]
		}
		if answer == "" {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(b.server.Close)
	return b
}

const (
	readyNode = `{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}`
	bareNode  = `{"status": {"conditions": [{"type": "Ready", "status": "False", "message": "NetworkReady=false"}]}}`
)

// bootstrapKubelet leaves what a kubelet leaves once its certificate is signed.
func (b *joinBoard) bootstrapKubelet() {
	b.startKubelet()
	boardtest.Pair(b.t, b.layout.At(kubeletPKI+"/x"), nil)
	cert, err := os.ReadFile(b.layout.At(kubeletPKI + "/x.crt"))
	require.NoError(b.t, err)
	key, err := os.ReadFile(b.layout.At(kubeletPKI + "/x.key"))
	require.NoError(b.t, err)
	put(b.t, b.layout.At(currentPEM), string(cert)+string(key))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.server.Certificate().Raw})
	data, err := json.Marshal(ca) // as base64
	require.NoError(b.t, err)
	put(b.t, b.layout.KubeletConf(), fmt.Sprintf(`current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "%s", certificate-authority-data: %s}}]
users: [{name: u, user: {client-certificate: %[3]s, client-key: %[3]s}}]
`, b.server.URL, data, currentPEM))
}

// startKubelet leaves what kubelet-start does.
func (b *joinBoard) startKubelet() {
	put(b.t, b.layout.KubeletConfig(), "kind: KubeletConfiguration\n")
	put(b.t, b.layout.KubeletFlags(), "KUBELET_KUBEADM_ARGS=\"\"\n")
	put(b.t, b.layout.Proc()+"/200/cmdline", "/usr/bin/kubelet\x00--config\x00")
	put(b.t, b.layout.Proc()+"/200/stat", "200 (kubelet) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 1 1 1\n")
}

// options are those of a join. kubeadm leaves its files and, when works says so at this call,
// a kubelet that gets its certificate.
func (b *joinBoard) joinOptions(works func(call int) (bootstraps bool, err error)) Options {
	o := b.fakeBoard.options()
	args, err := kubeadm.Join.Parse([]string{"10.0.0.1:6443", "--token", joinToken,
		"--discovery-token-ca-cert-hash=sha256:" + strings.Repeat("0", 64), "--node-name=bpi"})
	require.NoError(b.t, err)
	o.Args = args
	o.Plan = plan.MakeJoin(plan.Facts{Profile: plan.Balanced, Speed: plan.Reference(), Kubeadm: o.Behaviour, Args: args})
	for i, s := range o.Plan.Steps {
		if s, ok := s.(plan.AwaitNode); ok {
			s.Poll, s.Network = time.Millisecond, 20*time.Millisecond
			o.Plan.Steps[i] = s
		}
	}
	o.Check = CheckInput{Command: kubeadm.Join, Request: journal.RequestOf(args, nil)}
	o.Runner = func(_ context.Context, c kubeadm.Command) (kubeadm.Result, error) {
		b.calls = append(b.calls, c.Args)
		bootstraps, err := works(len(b.calls))
		if err == nil || bootstraps {
			put(b.t, b.layout.BootstrapConf(), "users: []\n")
			boardtest.Pair(b.t, strings.TrimSuffix(b.layout.CACert(), ".crt"), nil)
			require.NoError(b.t, os.Remove(strings.TrimSuffix(b.layout.CACert(), ".crt")+".key"))
		}
		if bootstraps {
			b.bootstrapKubelet()
		}
		if err != nil {
			return kubeadm.Result{}, &kubeadm.CommandError{Command: c.String(), ExitCode: 1, Tail: "error: timed out\n",
				Err: err}
		}
		return kubeadm.Result{Stdout: []byte("x\nThis node has joined the cluster:\n* y\n")}, nil
	}
	return o
}

// A worker joins: one kubeadm, without the token in its arguments, and nothing of ours is left.
func TestJoin(t *testing.T) {
	b := newJoinBoard(t)
	b.node = []string{"", bareNode, readyNode}
	out, err := Run(t.Context(), b.joinOptions(func(int) (bool, error) { return true, nil }))
	require.NoError(t, err)
	assert.Equal(t, "This node has joined the cluster:\n* y\n", out.ClosingWords)
	require.Len(t, b.calls, 1)
	words := strings.Join(b.calls[0], " ")
	assert.Equal(t, "join --node-name=bpi --config="+b.layout.ConfigCopy()+" --skip-phases=kubelet-wait-bootstrap", words)
	assert.NoFileExists(t, b.layout.BootstrapConf(), "it holds the token")
	assert.NoDirExists(t, b.layout.State())
	assert.Equal(t, "ECDSA", readCertificate(b.layout.At(kubeletPKI+"/kubelet.crt")).PublicKeyAlgorithm.String())
}

// A Node that lacks only a pod network has joined.
func TestJoinWithoutAPodNetwork(t *testing.T) {
	b := newJoinBoard(t)
	b.node = []string{bareNode}
	o := b.joinOptions(func(int) (bool, error) { return true, nil })
	var notes []string
	o.Tell = func(e Event) {
		if e.Kind == Note {
			notes = append(notes, e.Detail)
		}
	}
	_, err := Run(t.Context(), o)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(notes, "\n"), "becomes Ready once it has a pod network: NetworkReady=false")
}

// What kubeadm asks for once is asked for again, by running it without its preflight; one
// whose kubelet has its certificate is not run again.
func TestJoinAgain(t *testing.T) {
	b := newJoinBoard(t)
	_, err := Run(t.Context(), b.joinOptions(func(call int) (bool, error) {
		if call == 1 {
			put(t, b.layout.BootstrapConf(), "users: []\n")
		}
		return call == 2, errors.New("exit status 1")
	}))
	require.NoError(t, err)
	require.Len(t, b.calls, 2)
	assert.NotContains(t, strings.Join(b.calls[0], " "), "preflight")
	assert.Contains(t, strings.Join(b.calls[1], " "), "--skip-phases=preflight,kubelet-wait-bootstrap")
}

// A join that kubeadm refuses leaves nothing, not even the kubelet's certificate.
func TestJoinRefused(t *testing.T) {
	b := newJoinBoard(t)
	o := b.joinOptions(func(int) (bool, error) { return false, errors.New("exit status 1") })
	for i, s := range o.Plan.Steps {
		if s, ok := s.(plan.RunPhases); ok {
			s.Attempts = 1
			o.Plan.Steps[i] = s
		}
	}
	out, err := Run(t.Context(), o)
	require.Error(t, err)
	assert.True(t, out.Untouched)
	assert.NoFileExists(t, b.layout.At(kubeletPKI+"/kubelet.crt"))
	assert.NoDirExists(t, b.layout.State())
}

// A join that is given up leaves its token nowhere. What was there before it stays.
func TestJoinAborted(t *testing.T) {
	for _, before := range []bool{false, true} {
		b := newJoinBoard(t)
		if before {
			put(t, b.layout.BootstrapConf(), "the owner's\n")
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Run(ctx, b.joinOptions(func(int) (bool, error) {
			put(t, b.layout.KubeletConfig(), "kind: KubeletConfiguration\n")
			put(t, b.layout.BootstrapConf(), "users: [{name: tls-bootstrap-token-user, user: {token: "+joinToken+"}}]\n")
			boardtest.Pair(t, strings.TrimSuffix(b.layout.CACert(), ".crt"), nil)
			cancel()
			return false, context.Canceled
		}))
		require.Error(t, err)
		secrets := func() (in []string) {
			require.NoError(t, filepath.WalkDir(b.layout.Root, func(path string, d fs.DirEntry, err error) error {
				if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), "0123456789abcdef") {
					in = append(in, path)
				}
				return err
			}))
			return in
		}
		assert.Equal(t, []string{b.layout.BootstrapConf(), b.layout.ConfigCopy()}, secrets(), "to resume from")
		_, err = Abort(b.layout)
		require.NoError(t, err)
		if !before {
			assert.Empty(t, secrets())
		}
		assert.Equal(t, before, durable.Exists(b.layout.BootstrapConf()), "there before: %v", before)
	}
}

// A join that was cut off goes on; the journal has no token.
func TestJoinResumed(t *testing.T) {
	b := newJoinBoard(t)
	ctx, cancel := context.WithCancel(t.Context())
	o := b.joinOptions(func(call int) (bool, error) {
		if call == 1 {
			put(t, b.layout.BootstrapConf(), "users: []\n")
			cancel()
			return false, context.Canceled
		}
		return true, nil
	})
	_, err := Run(ctx, o)
	require.Error(t, err)
	text, err := os.ReadFile(b.layout.Journal())
	require.NoError(t, err)
	assert.NotContains(t, string(text), joinToken)
	j, err := Interrupted(b.layout)
	require.NoError(t, err)
	assert.Equal(t, kubeadm.Join, j.Plan.Command)
	b.resume(&o, j)
	_, err = Run(t.Context(), o)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(b.calls[1], " "), "--skip-phases=preflight,kubelet-wait-bootstrap")
	assert.NoDirExists(t, b.layout.State())
}
