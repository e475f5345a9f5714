package await

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// Reach says how far a health request came. Each value implies those before.
type Reach int

// The levels, from nothing to a healthy answer.
const (
	ReachNothing Reach = iota
	ReachPort          // something listens on the port
	ReachTLS           // the TLS handshake went through
	ReachHTTP          // an HTTP answer, not yet "ok"
	ReachHealthy
)

func (r Reach) String() string {
	return [...]string{"nothing listens yet", "the port is open", "TLS answers", "HTTP answers", "healthy"}[r]
}

// Health is one answer of a component's health endpoint.
type Health struct {
	Reach Reach
	// Passed and Failed are the names of the checks that ?verbose lists.
	Passed, Failed []string
	Detail         string
}

// A Prober asks one health endpoint again and again over one kept connection, so
// that a slow board pays for one TLS handshake and not for one a second.
type Prober struct {
	url    string
	client *http.Client
}

// newProber makes a Prober for url. config may be nil for plain HTTP. A request
// gets patience to answer; a handshake on a slow board takes seconds.
func newProber(url string, config *tls.Config, patience time.Duration) *Prober {
	return &Prober{url: url, client: &http.Client{
		Timeout: patience,
		// A health endpoint does not redirect, and our certificate is sent nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig:     config,
			TLSHandshakeTimeout: patience,
			MaxIdleConns:        1,
			MaxConnsPerHost:     1,
			// The API server's answers are a hundredth of this.
			MaxResponseHeaderBytes: 64 << 10,
			// HTTP/1.1: one request at a time is all there is, and it saves the
			// HTTP/2 machinery on both sides.
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
	}}
}

// Close drops the connection.
func (p *Prober) Close() { p.client.CloseIdleConnections() }

// Ask makes one request.
func (p *Prober) Ask(ctx context.Context) Health {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return Health{Detail: err.Error()}
	}
	res, err := p.client.Do(req)
	if err != nil {
		return Health{Reach: reachOf(err), Detail: shorten(err)}
	}
	defer res.Body.Close()
	// The body has to be read to its end or the connection is not kept.
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return Health{Reach: ReachHTTP, Detail: shorten(err)}
	}
	h := Health{Reach: ReachHTTP, Detail: printable.Brief(res.Status)}
	h.Passed, h.Failed = parseChecks(string(body))
	if res.StatusCode == http.StatusOK {
		h.Reach = ReachHealthy
	}
	return h
}

// parseChecks reads the ?verbose form of a health answer: a line "[+]name ok"
// for each check that passes and "[-]name failed: …" for each that does not
// (k8s.io/apiserver/pkg/server/healthz).
func parseChecks(body string) (passed, failed []string) {
	for _, line := range strings.Split(body, "\n") {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "[+]"); ok {
			name, _, _ := strings.Cut(rest, " ")
			passed = append(passed, printable.Brief(name))
		} else if rest, ok := strings.CutPrefix(line, "[-]"); ok {
			name, _, _ := strings.Cut(rest, " ")
			failed = append(failed, printable.Brief(name))
		}
	}
	return passed, failed
}

// reachOf tells from a failed request how far it came.
func reachOf(err error) Reach {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var opErr *net.OpError
	switch {
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &host):
		return ReachTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return ReachNothing
	case errors.As(err, &opErr) && opErr.Op == "dial":
		return ReachNothing
	case strings.Contains(err.Error(), "TLS handshake timeout"), errors.Is(err, io.EOF), errors.Is(err,
		syscall.ECONNRESET):
		return ReachPort
	case errors.Is(err, context.DeadlineExceeded):
		return ReachPort
	}
	return ReachNothing
}

func shorten(err error) string {
	text := printable.Brief(err.Error())
	if i := strings.LastIndex(text, ": "); i >= 0 && strings.HasPrefix(text, "Get ") {
		// The URL is known; the last part of the error says what went wrong.
		text = text[i+2:]
	}
	return text
}
