// Package boardtest is a board for the tests of bootstrap and its packages: a root
// folder whose manifests have probes that ask a health server of the test. It is not
// for anything but tests.
package boardtest

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A Board is a root folder, and a kubelet that is a function: a component "runs" as long
// as its manifest is in the folder.
type Board struct {
	t      *testing.T
	Layout state.Layout
	// Address is that of the health server.
	Address string
	// Sick is how many health requests to the API server are refused.
	Sick int
	// Seen is every state of the manifests folder at a health request.
	Seen []string
	// mu is held during a health request: a new connection is served by another
	// goroutine.
	mu sync.Mutex
	// deaf has the health server close connections without an answer.
	deaf bool
}

// At is the board that another process of the test has made.
func At(t *testing.T, root, address string) *Board {
	return &Board{t: t, Layout: state.Layout{Root: root}, Address: address}
}

// New makes a board on which all components run whose manifests are there.
func New(t *testing.T) *Board {
	b := &Board{t: t, Layout: state.Layout{Root: t.TempDir()}}
	require.NoError(t, os.MkdirAll(b.Layout.Manifests(), 0o700))
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.Address = server.Listener.Addr().String()
	for i, c := range plan.Components() {
		pid := fmt.Sprint(100 + i)
		Put(t, b.Layout.Proc()+"/"+pid+"/cmdline", "/usr/local/bin/"+c+"\x00--flag\x00")
		Put(t, b.Layout.Proc()+"/"+pid+"/stat", pid+" (x) S 1 1 1 0 -1 0 0 0 0 0 1 1 0 0 20 0 1 0 5 1 1 1\n")
	}
	return b
}

// ServeHTTP is the health server.
func (b *Board) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	component := strings.TrimPrefix(r.URL.Path, "/health/")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Seen = append(b.Seen, strings.Join(b.Manifests(), ","))
	if b.deaf {
		panic(http.ErrAbortHandler)
	}
	if component == plan.APIServer && b.Sick > 0 {
		b.Sick--
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	if _, err := os.Stat(b.Layout.Manifest(component)); err != nil {
		http.Error(w, "not running", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "[+]ping ok")
}

// Mood changes how the health server answers while it may be asked.
func (b *Board) Mood(deaf bool, sick int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deaf, b.Sick = deaf, sick
}

// Manifests are the components whose manifests are in the folder.
func (b *Board) Manifests() []string {
	entries, err := os.ReadDir(b.Layout.Manifests())
	require.NoError(b.t, err)
	var all []string
	for _, e := range entries {
		all = append(all, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return all
}

// MakeManifest writes in place, as kubeadm does: on a full disk it leaves a half.
func (b *Board) MakeManifest(component string) error {
	return os.WriteFile(b.Layout.Manifest(component), []byte(Manifest(component, b.Address)), 0o600)
}

// Manifest is a manifest whose probe asks a server of the test.
func Manifest(component, address string) string {
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata:
  name: %[1]s
spec:
  containers:
  - command:
    - %[1]s
    - --secure-port=1
    image: registry.k8s.io/%[1]s:v1.37.2
    livenessProbe:
      httpGet:
        host: %[2]s
        path: /health/%[1]s
        port: %[3]s
        scheme: HTTP
      periodSeconds: 10
    name: %[1]s
`, component, host, port)
}

// WithSystemd makes the board look as if systemd had booted it.
func (b *Board) WithSystemd() *Board {
	require.NoError(b.t, os.MkdirAll(b.Layout.At("/run/systemd/system"), 0o755))
	return b
}

// Put writes a file and makes the folders above it.
func Put(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// Sleeper starts a process that does nothing, and returns its id.
func Sleeper(t *testing.T) int {
	cmd := exec.Command("sleep", "600")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}
