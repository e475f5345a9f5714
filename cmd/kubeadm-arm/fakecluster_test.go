package main

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeadm-arm/kubeadm-arm/cluster"
)

// The secrets of a join: what follows the dot of its token, and its certificate key.
const (
	joinToken      = "abcdef.0123456789abcdef"
	joinSecret     = "0123456789abcdef"
	certificateKey = "8e3f1a2b4c5d6e7f8091a2b3c4d5e6f78091a2b3c4d5e6f78091a2b3c4d5e6f7"
)

// fakeCluster is who answers at 127.0.0.1:7443 during a trial. The zero value is a cluster
// of kubeadm's that a board may join; nothing but what a trial is about differs from it.
type fakeCluster struct {
	// Instead is what is there instead of an API server: "http", "ssh", "silence", "nothing".
	Instead string
	// Status is what every request is answered with, and Text its body.
	Status int
	Text   string
	// From and To are the years of its CA.
	From, To int
	// Name is what its serving certificate is for, and Stranger has another CA sign it.
	Name     string
	Stranger bool
	// Token signs cluster-info, joinToken unless set; Denied has no request accepted.
	Token  string
	Denied bool
	// SlowFrom is the request from which on no answer comes.
	SlowFrom int
	Version  string
	// Node is what has the board's name: "Ready", "NotReady" or nobody.
	Node string
	// Config is the ClusterConfiguration after its kind.
	Config string
	// Uploaded is the key that its certificates are uploaded with; Flags are those of its
	// control plane.
	Uploaded string
	Flags    []string
	// Ports are others that somebody listens on.
	Ports []int

	ca, other *authority
	listeners []net.Listener
	mu        sync.Mutex
	requests  int
	// writes are the requests that change something; told are those from which a server
	// without the cluster's certificate learned the token.
	writes, told []string
}

const clusterAddress = "127.0.0.1:7443"

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(from, to int) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	year := func(n int) time.Time { return time.Date(n, 1, 1, 0, 0, 0, 0, time.UTC) }
	a := &authority{key: key, cert: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"},
		NotBefore: year(from), NotAfter: year(to), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}}
	der, err := a.sign(a.cert, key.Public())
	if err != nil {
		return nil, err
	}
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

func (a *authority) sign(of *x509.Certificate, key crypto.PublicKey) ([]byte, error) {
	return x509.CreateCertificate(rand.Reader, of, a.cert, key, a.key)
}

// pem is the authority's certificate.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

func (a *authority) keyPEM() []byte {
	der, _ := x509.MarshalECPrivateKey(a.key) // P-256 is always encoded
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// serving is a serving certificate for a name or an address.
func (a *authority) serving(name string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		of.DNSNames, of.IPAddresses = nil, []net.IP{ip}
	}
	der, err := a.sign(of, key.Public())
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// start makes the cluster answer, in this network namespace, until the process ends.
func (c *fakeCluster) start() error {
	if err := loopbackUp(); err != nil {
		return err
	}
	for value, otherwise := range map[*int]int{&c.From: 2020, &c.To: 2120} {
		if *value == 0 {
			*value = otherwise
		}
	}
	for text, otherwise := range map[*string]string{&c.Name: "127.0.0.1", &c.Token: joinToken, &c.Version: "v1.37.2"} {
		if *text == "" {
			*text = otherwise
		}
	}
	var err error
	if c.ca, err = newAuthority(c.From, c.To); err != nil {
		return err
	}
	if c.other, err = newAuthority(c.From, c.To); err != nil {
		return err
	}
	for _, port := range c.Ports {
		ln, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		c.listeners = append(c.listeners, ln)
	}
	if err := denyNames(); err != nil || c.Instead == "nothing" {
		return err
	}
	ln, err := net.Listen("tcp", clusterAddress)
	if err != nil {
		return err
	}
	switch c.Instead {
	case "ssh", "silence":
		go c.greet(ln)
		return nil
	case "http":
		go http.Serve(ln, c) //nolint:errcheck // until the process ends
		return nil
	}
	signs := c.ca
	if c.Stranger {
		signs = c.other
	}
	cert, err := signs.serving(c.Name)
	if err != nil {
		return err
	}
	go http.Serve(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, //nolint:errcheck // likewise
		ClientAuth: tls.RequestClientCert}), c)
	return nil
}

// greet takes connections and says what a server of another kind does, or nothing.
func (c *fakeCluster) greet(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		if c.Instead == "ssh" {
			_, _ = conn.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
		}
	}
}

// denyNames answers that there is no such name, as a name server does.
func denyNames() error {
	conn, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	go func() {
		question := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			if n > 3 {
				question[2], question[3] = question[2]|0x80, 0x83 // an answer: NXDOMAIN (RFC 1035, 4.1.1)
				_, _ = conn.WriteTo(question[:n], from)
			}
		}
	}()
	return nil
}

// loopbackUp switches the network namespace's only interface on (netdevice(7)).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(syscall.IFF_UP | syscall.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// fill writes what only this cluster knows into a text of the trial.
func (c *fakeCluster) fill(text string) string {
	encode := func(a *authority) string { return base64.StdEncoding.EncodeToString(a.pem()) }
	return strings.NewReplacer("{hash}", cluster.KeyHash(c.ca.cert), "{other-hash}", cluster.KeyHash(c.other.cert),
		"{key}", certificateKey, "{token}", joinToken, "{ca}", encode(c.ca), "{other-ca}", encode(c.other),
		"{ca.crt}", string(c.ca.pem()), "{ca.key}", string(c.ca.keyPEM()),
		"{other-ca.crt}", string(c.other.pem()), "{other-ca.key}", string(c.other.keyPEM())).Replace(text)
}

// ServeHTTP is the API server.
func (c *fakeCluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.requests++
	slow := c.SlowFrom > 0 && c.requests >= c.SlowFrom
	bearer := r.Header.Get("Authorization")
	if r.Method != http.MethodGet {
		c.writes = append(c.writes, r.Method+" "+r.URL.Path)
	}
	if bearer != "" && (c.Stranger || c.Instead != "" || c.Status != 0 || c.Name != "127.0.0.1") {
		c.told = append(c.told, r.URL.Path)
	}
	c.mu.Unlock()
	if slow {
		<-r.Context().Done()
		return
	}
	answer := func(code int, object any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(object)
	}
	if c.Status != 0 {
		w.WriteHeader(c.Status)
		fmt.Fprint(w, c.Text)
		return
	}
	if r.URL.Path == "/api/v1/namespaces/kube-public/configmaps/cluster-info" {
		answer(http.StatusOK, core.ConfigMap{Data: c.info()})
		return
	}
	if admin := len(r.TLS.PeerCertificates) > 0; c.Denied || !admin && bearer != "Bearer "+c.Token {
		answer(http.StatusUnauthorized, meta.Status{Message: "Unauthorized"})
		return
	}
	code, object := c.answer(r.URL.Path)
	answer(code, object)
}

// info is cluster-info, signed with the token (RFC 7515, appendix F).
func (c *fakeCluster) info() map[string]string {
	content := fmt.Sprintf("clusters: [{name: '', cluster: {server: 'https://%s', certificate-authority-data: %s}}]\n",
		clusterAddress, base64.StdEncoding.EncodeToString(c.ca.pem()))
	id, secret, _ := strings.Cut(c.Token, ".")
	encode := base64.RawURLEncoding.EncodeToString
	header := encode([]byte(`{"alg":"HS256","kid":"` + id + `"}`))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(header + "." + encode([]byte(content))))
	return map[string]string{"kubeconfig": content, "jws-kubeconfig-" + id: header + ".." + encode(mac.Sum(nil))}
}

func (c *fakeCluster) answer(path string) (int, any) {
	missing := meta.Status{Message: "not found"}
	switch {
	case path == "/version":
		return http.StatusOK, map[string]string{"gitVersion": c.Version}
	case strings.HasPrefix(path, "/api/v1/nodes/") && c.Node != "":
		ready := core.ConditionFalse
		if c.Node == "Ready" {
			ready = core.ConditionTrue
		}
		return http.StatusOK, core.Node{Status: core.NodeStatus{
			Conditions: []core.NodeCondition{{Type: core.NodeReady, Status: ready}}}}
	case strings.HasSuffix(path, "/configmaps/kubelet-config"):
		return http.StatusOK, core.ConfigMap{Data: map[string]string{"kubelet": "kind: KubeletConfiguration\n"}}
	case strings.HasSuffix(path, "/configmaps/kubeadm-config"):
		return http.StatusOK, core.ConfigMap{Data: map[string]string{"ClusterConfiguration": "apiVersion: " +
			"kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.37.2\n" + c.Config}}
	case strings.HasSuffix(path, "/secrets/kubeadm-certs") && c.Uploaded != "":
		return http.StatusOK, core.Secret{Data: map[string][]byte{"ca.crt": encrypted(c.ca.pem(), c.Uploaded),
			"ca.key": encrypted(c.ca.keyPEM(), c.Uploaded)}}
	case strings.HasSuffix(path, "/pods"):
		var all core.PodList
		for _, f := range c.Flags {
			component, flag, _ := strings.Cut(f, " ")
			all.Items = append(all.Items, core.Pod{
				ObjectMeta: meta.ObjectMeta{Labels: map[string]string{"component": component}},
				Spec:       core.PodSpec{NodeName: "first", Containers: []core.Container{{Command: []string{component, flag}}}}})
		}
		return http.StatusOK, all
	}
	return http.StatusNotFound, missing
}

// encrypted is how kubeadm uploads a certificate (cmd/kubeadm/app/util/crypto).
func encrypted(text []byte, key string) []byte {
	raw, err := hex.DecodeString(key)
	if err != nil {
		panic(err)
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce := make([]byte, gcm.NonceSize())
	return gcm.Seal(nonce, nonce, text, nil)
}
