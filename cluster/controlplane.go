package cluster

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
)

// ForControlPlane is what only a board that is to be another control plane asks.
type ForControlPlane struct {
	// Wanted says that the board is one; Key is its certificate key in hexadecimal, empty where
	// the owner has copied the certificates. It is secret.
	Wanted bool
	Key    string
}

// ControlPlane is what a cluster answered to that.
type ControlPlane struct {
	// Config is its ClusterConfiguration in YAML, empty where it was not shown.
	Config string
	// Certificates is whether its certificates can be had with the key.
	Certificates CertificatesState
	// Components are what its control planes run; nil where the key did not give the right to ask.
	Components []Component
}

// A CertificatesState is what became of the cluster's uploaded certificates.
type CertificatesState int

// The states.
const (
	CertificatesUnknown CertificatesState = iota // not asked for, or no answer
	CertificatesGone                             // not uploaded, or removed after two hours
	CertificatesLocked                           // the key is another one's
	CertificatesFine
)

// A Component is one of a control plane's, with the flags that it was started with.
type Component struct {
	Node, Name string
	Flags      map[string]string
}

// askControlPlane asks for what a joining control plane gets or has to know.
func (f *Found) askControlPlane(ctx context.Context, q Question, c *Client) {
	var config core.ConfigMap
	if c.Get(ctx, "/api/v1/namespaces/kube-system/configmaps/kubeadm-config", &config) == nil {
		f.ControlPlane.Config = config.Data["ClusterConfiguration"]
	}
	if q.ControlPlane.Key == "" {
		return
	}
	var secret core.Secret
	switch err := c.Get(ctx, "/api/v1/namespaces/kube-system/secrets/kubeadm-certs", &secret); {
	case IsStatus(err, http.StatusNotFound), IsStatus(err, http.StatusForbidden):
		// The right to read it goes with it (cmd/kubeadm/app/phases/copycerts).
		f.ControlPlane.Certificates = CertificatesGone
		return
	case err != nil:
		return
	}
	cert, err := decrypt(secret.Data["ca.crt"], q.ControlPlane.Key)
	if err != nil {
		f.ControlPlane.Certificates = CertificatesLocked
		return
	}
	f.ControlPlane.Certificates = CertificatesFine
	// Who has the authority's key may ask anything. The certificate for it is in no file.
	key, err := decrypt(secret.Data["ca.key"], q.ControlPlane.Key)
	if err != nil {
		return // an authority elsewhere
	}
	trusted, err := asAdministrator(cert, key, time.Now())
	if err != nil {
		return
	}
	admin := New(q.Endpoint, trusted, "", q.Patience)
	defer admin.Close()
	f.ControlPlane.Components, _ = admin.Components(ctx) // unknown is allowed for
}

// decrypt takes a certificate or key out of the Secret kubeadm-certs: AES-GCM with the nonce in
// front (cmd/kubeadm/app/util/crypto).
func decrypt(text []byte, key string) ([]byte, error) {
	raw, err := hex.DecodeString(key)
	if err != nil {
		return nil, errors.New("the key is not hexadecimal")
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(text) < gcm.NonceSize() {
		return nil, errors.New("it is empty")
	}
	return gcm.Open(nil, text[:gcm.NonceSize()], text[gcm.NonceSize():], nil)
}

// asAdministrator makes a client certificate that may ask anything, for a quarter of an hour.
func asAdministrator(caCert, caKey []byte, now time.Time) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(caCert, caKey)
	if err != nil {
		return nil, err
	}
	authority, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "kubeadm-arm-join", Organization: []string{"system:masters"}},
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(15 * time.Minute),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(caCert) {
		return nil, errors.New("no certificate of an authority")
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}

// Components asks what the cluster's control planes run, by the mirror pods of their manifests.
func (c *Client) Components(ctx context.Context) ([]Component, error) {
	var pods core.PodList
	path := "/api/v1/namespaces/kube-system/pods?labelSelector=" + url.QueryEscape("tier=control-plane")
	if err := c.Get(ctx, path, &pods); err != nil {
		return nil, err
	}
	all := []Component{}
	for _, p := range pods.Items {
		one := Component{Node: p.Spec.NodeName, Name: p.Labels["component"], Flags: map[string]string{}}
		for _, container := range p.Spec.Containers {
			for _, word := range append(container.Command, container.Args...) {
				if name, value, ok := strings.Cut(strings.TrimPrefix(word, "--"), "="); ok {
					one.Flags[name] = value // the last of several counts
				}
			}
		}
		all = append(all, one)
	}
	return all, nil
}

// Alone lists what a cluster's control planes leave out that several need of each other: each
// as "component on node: flag".
func (p ControlPlane) Alone() []string {
	var all []string
	for _, c := range p.Components {
		for _, f := range []struct{ component, flag, value string }{
			{"kube-controller-manager", "leader-elect", "false"}, {"kube-scheduler", "leader-elect", "false"},
			{"kube-apiserver", "watch-cache", "false"}, {"kube-apiserver", "enable-priority-and-fairness", "false"},
		} {
			if c.Name == f.component && c.Flags[f.flag] == f.value {
				all = append(all, fmt.Sprintf("%s on %s has --%s=%s", c.Name, c.Node, f.flag, f.value))
			}
		}
	}
	return all
}

// Ticks are the heartbeat interval and the election timeout of each member of etcd.
func (p ControlPlane) Ticks() (all [][2]time.Duration) {
	for _, c := range p.Components {
		if c.Name != "etcd" {
			continue
		}
		tick := [2]time.Duration{100 * time.Millisecond, time.Second} // etcd's own
		for i, name := range []string{"heartbeat-interval", "election-timeout"} {
			if ms, err := time.ParseDuration(c.Flags[name] + "ms"); err == nil {
				tick[i] = ms
			}
		}
		all = append(all, tick)
	}
	return all
}

// SetEndpoint gives a cluster of kubeadm's its controlPlaneEndpoint: for kubeadm, and for nodes
// that join.
func (c *Client) SetEndpoint(ctx context.Context, endpoint string) error {
	for _, about := range []struct {
		path, key string
		change    func(content map[string]any) error
	}{
		{"/api/v1/namespaces/kube-system/configmaps/kubeadm-config", "ClusterConfiguration",
			func(content map[string]any) error { content["controlPlaneEndpoint"] = endpoint; return nil }},
		{"/api/v1/namespaces/kube-public/configmaps/cluster-info", "kubeconfig", func(content map[string]any) error {
			cluster, err := kubeconfig.File(content).OnlyCluster()
			if err == nil {
				cluster["server"] = "https://" + endpoint
			}
			return err
		}},
	} {
		var have core.ConfigMap
		if err := c.Get(ctx, about.path, &have); err != nil {
			return fmt.Errorf("read %s: %w", about.path, err)
		}
		var content map[string]any
		err := yaml.Unmarshal([]byte(have.Data[about.key]), &content)
		if err == nil && content == nil {
			err = errors.New("it is empty")
		}
		if err == nil {
			err = about.change(content)
		}
		if err != nil {
			return fmt.Errorf("change %s: %w", about.path, err)
		}
		text, err := yaml.Marshal(content)
		if err != nil {
			return err
		}
		change := map[string]any{"data": map[string]string{about.key: string(text)}}
		if err := c.Merge(ctx, about.path, change); err != nil {
			return fmt.Errorf("change %s: %w", about.path, err)
		}
	}
	return nil
}
