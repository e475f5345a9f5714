package await

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Prober builds the health prober of a component from its manifest: the
// same port and path that the kubelet will ask.
func (a *Waiter) Prober(component string, patience time.Duration) (*Prober, error) {
	text, err := safefile.Read(a.Layout.Manifest(component), state.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("find the health endpoint of %s: %w", component, err)
	}
	about, err := patch.Inspect(text)
	if err != nil {
		return nil, fmt.Errorf("find the health endpoint of %s: %w", component, err)
	}
	end, ok := healthEndpoint(about)
	if !ok {
		return a.etcdByClientPort(component, patience)
	}
	url := strings.ToLower(end.Scheme) + "://" + net.JoinHostPort(end.Host, strconv.Itoa(end.Port)) + end.Path
	if !strings.Contains(url, "?") {
		url += "?verbose"
	}
	if strings.ToLower(end.Scheme) != "https" {
		return newProber(url, nil, patience), nil
	}
	if component != plan.APIServer {
		// Controller-manager and scheduler make a certificate of their own at
		// every start and listen on the loopback address: nothing to verify.
		return newProber(url, &tls.Config{InsecureSkipVerify: true}, patience), nil
	}
	for _, path := range []string{a.Layout.SuperAdminConf(), a.Layout.AdminConf()} {
		config, err := readKubeconfig(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return newProber(url, config, patience), nil
	}
	return nil, fmt.Errorf("find the health endpoint of %s: neither %s nor %s is there", component,
		a.Layout.SuperAdminConf(), a.Layout.AdminConf())
}

// etcdByClientPort serves etcd before v1.17 or so, whose probe is a command
// and not an address: its client port is asked with the certificate that
// kubeadm makes for health checks.
func (a *Waiter) etcdByClientPort(component string, patience time.Duration) (*Prober, error) {
	if component != plan.Etcd {
		return nil, fmt.Errorf("find the health endpoint of %s: its manifest has no HTTP probe", component)
	}
	dir := filepath.Join(a.Certificates, "etcd")
	pair, err := safefile.LoadKeyPair(filepath.Join(dir, "healthcheck-client.crt"), filepath.Join(dir,
		"healthcheck-client.key"), state.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("find the health endpoint of etcd: %w", err)
	}
	return newProber("https://127.0.0.1:2379/health", &tls.Config{Certificates: []tls.Certificate{pair},
		InsecureSkipVerify: true}, patience), nil
}

// healthEndpoint picks the probe that says most: readiness where there is one.
func healthEndpoint(about patch.About) (patch.Endpoint, bool) {
	for _, name := range []string{"readinessProbe", "startupProbe", "livenessProbe"} {
		if p, ok := about.Probes[name]; ok && p.Endpoint != nil {
			return *p.Endpoint, true
		}
	}
	return patch.Endpoint{}, false
}
