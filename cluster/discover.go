package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
)

// Question is what is known of a cluster before it is asked.
type Question struct {
	// Endpoint is host:port.
	Endpoint string
	// Token is a bootstrap token and Hashes are those that the CA may have, as [KeyHash]
	// writes them; empty for any.
	Token  string
	Hashes []string
	// CA is the authority in PEM where it is known already, as from a discovery file.
	CA []byte
	// Bearer is the token that requests are made with once the server is known; it may be
	// Token. Client takes its place where the credentials are of another kind.
	Bearer string
	Client *Client
	// Node is the name that the board is to have.
	Node         string
	ControlPlane ForControlPlane
	// Patience is for each request, and Dialing for the first connection, which is tried
	// again meanwhile. Signing is for the signature of a token that was made just now.
	Patience, Dialing, Signing time.Duration
}

// How far a discovery got.
type Reach int

// The levels; each implies those before.
const (
	ReachNothing Reach = iota // nothing listens, or no packet comes back
	ReachTCP                  // a connection, but no TLS
	ReachTLS                  // a handshake
	ReachInfo                 // cluster-info was read
	ReachCluster              // the server is that of the cluster that was meant
)

// Found is what a cluster answered.
type Found struct {
	Reach Reach
	// Problem is what went wrong at the level after Reach, in words; Unresolved says that the
	// server's name has no address, Refused that nothing listens there, and Slow that the request
	// timed out.
	Problem                   string
	Unresolved, Refused, Slow bool
	// Foreign says that what answers is no API server of kubeadm's: its status.
	Foreign int
	// NoSignature: the cluster has none for the token, so it does not know it (yet).
	// BadSignature: it knows another token of that ID.
	NoSignature, BadSignature bool
	// CAHashes are the CA's, of which none was asked for where OtherCA is set.
	CAHashes []string
	OtherCA  bool
	// CA is valid from NotBefore to NotAfter; ServerTime is the server's own clock.
	NotBefore, NotAfter, ServerTime time.Time
	// Untrusted is why the server's certificate is not good, by the board's own clock.
	Untrusted string
	// Server is the address that cluster-info gives the node, empty where it is the one asked.
	Server string
	// Version is the API server's, such as "v1.37.2"; empty when it did not say.
	Version string
	// Node is what has the board's name now; NodeKnown is false when it could not be asked.
	Node      Node
	NodeKnown bool
	// KubeletConfig is the configuration that the cluster has for kubelets, in YAML; empty where
	// it was not shown, as by clusters before v1.24, which have one for each version.
	KubeletConfig string
	ControlPlane  ControlPlane
	// Denied: the cluster does not accept the credentials.
	Denied bool
}

// Discover asks a cluster what a joining board has to know, as kubeadm does
// (cmd/kubeadm/app/discovery/token): cluster-info over an unverified connection, then its
// signature, and only then the rest, over a verified connection with the token.
func Discover(ctx context.Context, q Question) Found {
	var f Found
	if !f.dial(ctx, q) {
		return f
	}
	ca := q.CA
	if q.Token != "" {
		if ca = f.awaitInfo(ctx, q); ca == nil {
			return f
		}
	} else if !f.knowCA(q, ca) {
		return f
	}
	f.ask(ctx, q, ca)
	return f
}

// dial connects, and waits until something listens.
func (f *Found) dial(ctx context.Context, q Question) bool {
	until, cancel := context.WithTimeout(ctx, q.Dialing)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(until, "tcp", q.Endpoint)
		if err == nil {
			conn.Close()
			f.Reach = ReachTCP
			return true
		}
		if until.Err() == nil || f.Problem == "" {
			f.failed(err)
		}
		if f.Unresolved {
			return false
		}
		select {
		case <-until.Done():
			return false
		case <-time.After(min(2*time.Second, q.Dialing/4)):
		}
	}
}

// failed notes why a request failed.
func (f *Found) failed(err error) {
	var noHost *net.DNSError
	var timeout net.Error
	f.Unresolved = errors.As(err, &noHost) && noHost.IsNotFound
	f.Refused = errors.Is(err, syscall.ECONNREFUSED)
	f.Slow = errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
	f.Problem = err.Error()
	if i := strings.LastIndex(f.Problem, ": "); i >= 0 {
		f.Problem = f.Problem[i+2:]
	}
}

// awaitInfo is readInfo, and again while the cluster has not signed cluster-info with the
// token: its controller-manager does that some time after the token was made.
func (f *Found) awaitInfo(ctx context.Context, q Question) []byte {
	until, cancel := context.WithTimeout(ctx, q.Signing)
	defer cancel()
	for {
		f.NoSignature = false
		if ca := f.readInfo(ctx, q); ca != nil || !f.NoSignature {
			return ca
		}
		select {
		case <-until.Done():
			return nil
		case <-time.After(min(2*time.Second, q.Signing/4)):
		}
	}
}

// readInfo reads cluster-info without knowing who answers, and returns the CA in it once
// its signature shows that who answers knows the token.
func (f *Found) readInfo(ctx context.Context, q Question) []byte {
	c := New(q.Endpoint, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, "", q.Patience)
	defer c.Close()
	var info struct{ Data map[string]string }
	res, err := c.do(ctx, http.MethodGet, "/api/v1/namespaces/kube-public/configmaps/cluster-info", "", nil, &info)
	if res != nil {
		f.Reach = ReachTLS
		f.ServerTime, _ = http.ParseTime(res.Header.Get("Date")) // zero without one
	}
	if err != nil {
		f.failed(err)
		f.foreign(res, err)
		return nil
	}
	content := info.Data["kubeconfig"]
	ca := f.readKubeconfig(q, content)
	if ca == nil {
		f.Foreign, f.Problem = http.StatusOK, "its cluster-info has no kubeconfig with a cluster and its CA"
		return nil
	}
	f.Reach = ReachInfo
	if !f.knowCA(q, ca) {
		return nil // that its signature is missing says nothing of the token
	}
	id, _, _ := strings.Cut(q.Token, ".")
	switch signed := info.Data["jws-kubeconfig-"+id]; {
	case signed == "":
		f.NoSignature = true
		return nil
	case !Signed(content, signed, q.Token):
		f.BadSignature = true
		return nil
	}
	return ca
}

// foreign notes what an API server of kubeadm's would not answer. One that is still starting,
// or a load balancer before it, has errors of its own.
func (f *Found) foreign(res *http.Response, err error) {
	var status *StatusError
	switch {
	case errors.As(err, &status) && (status.Code >= 500 || status.Code == http.StatusTooManyRequests):
	case errors.As(err, &status):
		f.Foreign = status.Code
	case res != nil && !f.Slow: // a page of something else
		f.Foreign = res.StatusCode
	}
}

// readKubeconfig reads the CA in cluster-info, nil without one, and the server.
func (f *Found) readKubeconfig(q Question, content string) []byte {
	file, err := kubeconfig.Parse([]byte(content))
	if err != nil {
		return nil
	}
	about, err := file.OnlyCluster()
	if err != nil {
		return nil
	}
	if server := about.Text("server"); server != "https://"+q.Endpoint {
		f.Server = server
	}
	ca, err := about.CAs()
	if err != nil || len(certificates(ca)) == 0 {
		return nil
	}
	return ca
}

// knowCA compares the CA with what was asked for.
func (f *Found) knowCA(q Question, ca []byte) bool {
	all := certificates(ca)
	if len(all) == 0 {
		f.Problem = "the CA cannot be read"
		return false
	}
	f.CAHashes = nil
	f.NotBefore, f.NotAfter = all[0].NotBefore, all[0].NotAfter
	for _, cert := range all {
		f.CAHashes = append(f.CAHashes, KeyHash(cert))
	}
	f.OtherCA = len(q.Hashes) > 0 && !slices.ContainsFunc(q.Hashes, func(want string) bool {
		return slices.ContainsFunc(f.CAHashes, func(is string) bool { return strings.EqualFold(is, want) })
	})
	return !f.OtherCA
}

// ask makes the requests of which the server has to be known.
func (f *Found) ask(ctx context.Context, q Question, ca []byte) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	c := q.Client
	if c == nil {
		c = New(q.Endpoint, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, q.Bearer, q.Patience)
		defer c.Close()
	}
	var version struct{ GitVersion string }
	res, err := c.do(ctx, http.MethodGet, "/version", "", nil, &version)
	if res != nil {
		f.Reach = ReachCluster
		f.ServerTime, _ = http.ParseTime(res.Header.Get("Date")) // zero without one
	}
	var invalid *tls.CertificateVerificationError
	switch {
	case errors.As(err, &invalid):
		f.Reach, f.Untrusted = max(f.Reach, ReachTLS), invalid.Err.Error()
		return
	case IsStatus(err, http.StatusUnauthorized):
		f.Denied = true
		return
	case err != nil:
		f.failed(err)
		return
	}
	f.Version = version.GitVersion
	node, err := c.Node(ctx, q.Node)
	if IsStatus(err, http.StatusUnauthorized) {
		f.Denied = true
	}
	f.Node, f.NodeKnown = node, err == nil
	var config struct{ Data map[string]string }
	if c.Get(ctx, "/api/v1/namespaces/kube-system/configmaps/kubelet-config", &config) == nil {
		f.KubeletConfig = config.Data["kubelet"]
	}
	if q.ControlPlane.Wanted {
		f.askControlPlane(ctx, q, c)
	}
}
