package cluster

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// encrypt is kubeadm's encryption of an uploaded certificate.
func encrypt(t *testing.T, text []byte) []byte {
	raw, err := hex.DecodeString(key)
	require.NoError(t, err)
	block, err := aes.NewCipher(raw)
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	nonce := make([]byte, gcm.NonceSize())
	return gcm.Seal(nonce, nonce, text, nil)
}

// aCluster is an API server with an authority of its own, which has uploaded that; its control
// plane shows itself to who has a certificate of the authority's.
func aCluster(t *testing.T, uploaded bool) (q Question, ca []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	caKey := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: text})

	mux := http.NewServeMux()
	answer := func(path string, object any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(object) })
	}
	answer("/version", map[string]string{"gitVersion": "v1.37.2"})
	answer("/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
		map[string]any{"data": map[string]string{"ClusterConfiguration": "controlPlaneEndpoint: cp:6443"}})
	if uploaded {
		answer("/api/v1/namespaces/kube-system/secrets/kubeadm-certs", map[string]any{"data": map[string][]byte{
			"ca.crt": encrypt(t, ca), "ca.key": encrypt(t, caKey)}})
	}
	mux.HandleFunc("/api/v1/namespaces/kube-system/pods", func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) != 1 || r.TLS.PeerCertificates[0].Subject.Organization[0] != "system:masters" {
			http.Error(w, "{}", http.StatusForbidden)
			return
		}
		pod := func(component string, command ...string) any {
			return map[string]any{"metadata": map[string]any{"labels": map[string]string{"component": component}},
				"spec": map[string]any{"nodeName": "first", "containers": []any{map[string]any{"command": command}}}}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": []any{
			pod("etcd", "etcd", "--heartbeat-interval=300", "--election-timeout=1500"),
			pod("kube-apiserver", "kube-apiserver", "--watch-cache=false"),
			pod("kube-scheduler", "kube-scheduler", "--leader-elect=false", "--leader-elect=true"),
		}})
	})
	s := httptest.NewUnstartedServer(mux)
	clients := x509.NewCertPool()
	clients.AddCert(cert)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients}
	s.StartTLS()
	t.Cleanup(s.Close)
	return Question{Endpoint: strings.TrimPrefix(s.URL, "https://"), CA: ca, Patience: time.Minute, Dialing: time.Minute,
		ControlPlane: ForControlPlane{Wanted: true, Key: key}}, ca
}

// With the right key the board learns what the cluster's control planes leave out, and how its
// etcd ticks; all else it may know without.
func TestWhatAControlPlaneIsTold(t *testing.T) {
	q, _ := aCluster(t, true)
	f := Discover(t.Context(), q)
	assert.Equal(t, CertificatesFine, f.ControlPlane.Certificates)
	assert.Contains(t, f.ControlPlane.Config, "cp:6443")
	assert.Equal(t, []string{"kube-apiserver on first has --watch-cache=false"}, f.ControlPlane.Alone(),
		"the last flag of a name counts")
	assert.Equal(t, [][2]time.Duration{{300 * time.Millisecond, 1500 * time.Millisecond}}, f.ControlPlane.Ticks())

	q.ControlPlane.Key = ""
	f = Discover(t.Context(), q)
	assert.Equal(t, CertificatesUnknown, f.ControlPlane.Certificates)
	assert.NotEmpty(t, f.ControlPlane.Config)
	assert.Nil(t, f.ControlPlane.Components)
	q.ControlPlane.Wanted = false
	assert.Empty(t, Discover(t.Context(), q).ControlPlane, "a worker does not ask")
}

func TestCertificatesThatCannotBeHad(t *testing.T) {
	q, _ := aCluster(t, false)
	assert.Equal(t, CertificatesGone, Discover(t.Context(), q).ControlPlane.Certificates)
	q, _ = aCluster(t, true)
	q.ControlPlane.Key = strings.Repeat("f", 64)
	f := Discover(t.Context(), q)
	assert.Equal(t, CertificatesLocked, f.ControlPlane.Certificates)
	assert.Nil(t, f.ControlPlane.Components)
}

// A member that is off, or only learns, is passed over; a refusal is the last word.
func TestEtcdAsksTheNext(t *testing.T) {
	asked := 0
	member := func(status int, body string) string {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	learner := member(http.StatusBadRequest, `{"code": 9, "message": "etcdserver: rpc not supported for learner"}`)
	voter := member(http.StatusOK, `{"members": [{"ID": "7", "peerURLs": ["p"], "isLearner": true}, {"ID": "8"}]}`)
	refuses := member(http.StatusBadRequest, `{"message": "etcdserver: re-configuration failed"}`)
	trusting := &tls.Config{InsecureSkipVerify: true}
	alone := member(http.StatusServiceUnavailable, `{"code": 14, "message": "etcdserver: no leader"}`)
	e := NewEtcd([]string{"https://127.0.0.1:1", learner, alone, voter}, trusting, time.Minute)
	defer e.Close()
	all, err := e.Members(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, Voters(all))
	m, ok := MemberAt(all, "p")
	assert.True(t, ok && m.Learner && m.ID == "7")
	asked = 0
	_, err = e.Members(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, asked, "who has answered is asked first")

	e = NewEtcd([]string{refuses, voter}, trusting, time.Minute)
	asked = 0
	require.EqualError(t, e.Remove(t.Context(), "7"), "etcdserver: re-configuration failed")
	assert.Equal(t, 1, asked)
	e = NewEtcd([]string{learner}, trusting, time.Minute)
	require.EqualError(t, e.Promote(t.Context(), "7"), "etcdserver: rpc not supported for learner")
}

// A cluster's endpoint stands in kubeadm's configuration and in cluster-info, beside what else is
// there; writing it again changes nothing.
func TestSetEndpoint(t *testing.T) {
	const (
		kubeadmConfig = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
		clusterInfo   = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
	)
	maps := map[string]map[string]string{
		kubeadmConfig: {
			"ClusterConfiguration": "kind: ClusterConfiguration\nnetworking:\n  podSubnet: 10.244.0.0/16\n"},
		clusterInfo: {"kubeconfig": "clusters:\n- cluster:\n    " +
			"certificate-authority-data: QQ==\n    server: https://10.0.0.1:6443\n  name: \"\"\nkind: Config\n"},
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			var change struct{ Data map[string]string }
			assert.NoError(t, json.NewDecoder(r.Body).Decode(&change))
			maps[r.URL.Path] = change.Data
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": maps[r.URL.Path]})
	}))
	defer s.Close()
	trusted := s.Client().Transport.(*http.Transport).TLSClientConfig
	c := New(strings.TrimPrefix(s.URL, "https://"), trusted, "", time.Minute)
	for range 2 {
		require.NoError(t, c.SetEndpoint(t.Context(), "cp:6443"))
		assert.Equal(t, "controlPlaneEndpoint: cp:6443\nkind: ClusterConfiguration\nnetworking:\n"+
			"  podSubnet: 10.244.0.0/16\n", maps[kubeadmConfig]["ClusterConfiguration"])
		assert.Equal(t, "clusters:\n- cluster:\n    certificate-authority-data: QQ==\n    server: https://cp:6443\n"+
			"  name: \"\"\nkind: Config\n", maps[clusterInfo]["kubeconfig"])
	}
}
