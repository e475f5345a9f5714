package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// MaxAnswer bounds an answer, in bytes; a Node has some ten kilobytes.
const MaxAnswer = 4 << 20

// A Client makes requests to one API server over one kept connection: a handshake takes a
// slow board seconds.
type Client struct {
	server string
	token  string
	http   *http.Client
}

// New makes a client for https://endpoint. A request has patience for all of it.
func New(endpoint string, config *tls.Config, token string, patience time.Duration) *Client {
	return &Client{server: "https://" + endpoint, token: token, http: &http.Client{
		Timeout: patience,
		// Redirects are not followed: our credentials are for this server alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig: config, TLSHandshakeTimeout: patience, MaxIdleConns: 1, MaxConnsPerHost: 1,
			MaxResponseHeaderBytes: 64 << 10,
			// HTTP/1.1: it saves the HTTP/2 machinery on both sides.
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
	}}
}

// FromKubeconfig makes a client of what a kubeconfig's current context names. at turns the
// paths in it into those below the board's root.
func FromKubeconfig(text []byte, at func(string) string, patience time.Duration) (*Client, error) {
	file, err := kubeconfig.Parse(text)
	if err != nil {
		return nil, err
	}
	about, err := file.Cluster()
	if err != nil {
		return nil, err
	}
	server, ok := strings.CutPrefix(about.Text("server"), "https://")
	if !ok {
		return nil, errors.New("it names no server with https")
	}
	pool, err := cas(about, at)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	user, err := file.User()
	if err != nil {
		return nil, err
	}
	cert, key, err := user.KeyPair()
	if err != nil {
		return nil, err
	}
	for name, into := range map[string]*[]byte{kubeconfig.CertFile: &cert, kubeconfig.KeyFile: &key} {
		if path := user.Text(name); path != "" && len(*into) == 0 {
			if *into, err = safefile.Read(at(path), MaxAnswer); err != nil {
				return nil, err
			}
		}
	}
	if len(cert) > 0 {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return New(strings.TrimSuffix(server, "/"), config, user.Text("token"), patience), nil
}

// At is a client of another API server of the cluster, with the same credentials.
func (c *Client) At(endpoint string) *Client {
	other := *c
	other.server = "https://" + endpoint
	return &other
}

// ServerOf reads where a kubeconfig's cluster is, as host:port, and its authorities in PEM.
func ServerOf(text []byte, at func(string) string) (endpoint string, ca []byte, err error) {
	file, err := kubeconfig.Parse(text)
	if err != nil {
		return "", nil, errors.New("it is no kubeconfig")
	}
	about, err := file.OnlyCluster()
	if err != nil {
		return "", nil, err
	}
	server, ok := strings.CutPrefix(about.Text("server"), "https://")
	if !ok {
		return "", nil, errors.New("it names no server with https")
	}
	if server = strings.TrimSuffix(server, "/"); !strings.Contains(strings.TrimPrefix(server, "["), ":") {
		server += ":443"
	}
	ca, err = casOf(about, at)
	return server, ca, err
}

// cas are the authorities that a kubeconfig's cluster trusts.
func cas(about kubeconfig.Entry, at func(string) string) (*x509.CertPool, error) {
	text, err := casOf(about, at)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("no CA certificate in it")
	}
	return pool, nil
}

func casOf(about kubeconfig.Entry, at func(string) string) ([]byte, error) {
	text, err := about.CAs()
	if path := about.Text("certificate-authority"); err == nil && path != "" && len(text) == 0 {
		text, err = safefile.Read(at(path), MaxAnswer)
	}
	if err == nil && len(certificates(text)) == 0 {
		err = errors.New("no CA certificate in it")
	}
	return text, err
}

// Close drops the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// A StatusError is an answer with a status other than 2xx.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	if e.Message != "" {
		return printable.Brief(e.Message)
	}
	return fmt.Sprintf("HTTP status %d", e.Code)
}

// IsStatus reports whether an error is an answer with a status.
func IsStatus(err error, code int) bool {
	var s *StatusError
	return errors.As(err, &s) && s.Code == code
}

// Get reads an object.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	_, err := c.do(ctx, http.MethodGet, path, "", nil, into)
	return err
}

// Merge changes an object by a JSON merge patch.
func (c *Client) Merge(ctx context.Context, path string, patch any) error {
	return c.send(ctx, http.MethodPatch, path, "application/merge-patch+json", patch, nil)
}

func (c *Client) send(ctx context.Context, method, path, kind string, object, into any) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, method, path, kind, text, into)
	return err
}

// do makes a request and returns the answer's headers.
func (c *Client) do(ctx context.Context, method, path, kind string, body []byte, into any) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, MaxAnswer))
	if err != nil {
		return res, err
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		var s struct{ Message string }
		_ = json.Unmarshal(text, &s) // what is no Status has no message
		return res, &StatusError{res.StatusCode, s.Message}
	}
	if into == nil {
		return res, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return res, errors.New("the answer is no object of the Kubernetes API")
	}
	return res, nil
}
