package bench

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"time"
)

// handshakeName is the first part of their samples' names. That of reports up to
// 2026-11-29 is another: theirs are of the same handshakes, but not kept on one core.
const (
	handshakeName    = "tls-v2"
	handshakeNameOld = "tls"
)

// Handshake returns a sample of a full TLS 1.3 handshake. which is its kind, key and key
// exchange and, for the CPU time of one side, that: "probe/rsa-2048/x25519mlkem768/server".
func (r Result) Handshake(which, clock string) (Sample, bool) {
	for _, name := range []string{handshakeName, handshakeNameOld} {
		if s, ok := r.Sample(name+"/"+which, clock); ok {
			return s, true
		}
	}
	return Sample{}, false
}

// OneCore reports whether a handshake's two sides were kept on one core, as they are since
// 2026-11-29.
func (s Sample) OneCore() bool { return strings.HasPrefix(s.Name, handshakeName+"/") }

// HandshakeOf is what a sample's name says of a handshake, as [Result.Handshake] takes it;
// false if the sample is of something else.
func HandshakeOf(name string) (which string, ok bool) {
	first, which, ok := strings.Cut(name, "/")
	return which, ok && (first == handshakeName || first == handshakeNameOld)
}

// handshake measures full TLS 1.3 handshakes, server and client apart. Each
// side works on its own thread, so that the threads' CPU clocks tell them apart.
//
// Kind "probe" is what the kubelet's prober does to the API server
// (pkg/probe/http of Kubernetes): the server asks for a client certificate, the
// client has none and does not check the server's. Kind "mutual" is what every
// component with a kubeconfig does: both have a certificate signed by the
// cluster's CA, both check the other's.
type handshake struct {
	clock  clock
	name   string // without the side
	server *tls.Config
	client *tls.Config
}

const (
	probe  = "probe"
	mutual = "mutual"

	x25519    = "x25519"
	x25519mlk = "x25519mlkem768"

	serverSide, clientSide = "server", "client"
)

func newHandshake(c clock, kind, keyType, exchange string, id identity) *handshake {
	curve := tls.X25519
	if exchange == x25519mlk {
		curve = tls.X25519MLKEM768
	}
	h := &handshake{
		clock: c,
		name:  handshakeName + "/" + kind + "/" + keyType + "/" + exchange,
		server: &tls.Config{
			MinVersion:       tls.VersionTLS13,
			Certificates:     []tls.Certificate{id.server},
			ClientAuth:       tls.RequestClientCert,
			CurvePreferences: []tls.CurveID{curve},
			// As in the API server: HTTP/2 first.
			NextProtos: []string{"h2", "http/1.1"},
		},
		client: &tls.Config{
			MinVersion:       tls.VersionTLS13,
			CurvePreferences: []tls.CurveID{curve},
			// The prober checks nothing; see the type's comment.
			InsecureSkipVerify: kind == probe,
			ServerName:         serverName,
			RootCAs:            id.roots,
			NextProtos:         []string{"h2", "http/1.1"},
		},
	}
	if kind == mutual {
		// The API server asks in the handshake and checks the chain right after
		// it; the cost is the same when crypto/tls does both.
		h.server.ClientAuth = tls.RequireAndVerifyClientCert
		h.server.ClientCAs = id.roots
		h.client.Certificates = []tls.Certificate{id.client}
	}
	return h
}

// do runs n handshakes one after the other and returns the CPU time of the
// server's and the client's thread.
func (h *handshake) do(n int) ([]time.Duration, error) {
	conns := make(chan net.Conn)
	type outcome struct {
		cpu time.Duration
		err error
	}
	served := make(chan outcome, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var sum outcome
		for conn := range conns {
			start := h.clock.ThreadCPU()
			err := tls.Server(conn, h.server).Handshake()
			sum.cpu += h.clock.ThreadCPU() - start
			if err != nil && sum.err == nil {
				sum.err = fmt.Errorf("%s: server: %w", h.name, err)
			}
			if err != nil {
				conn.Close() // or the client waits forever
			}
		}
		served <- sum
	}()

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var clientCPU time.Duration
	var clientErr error
	for range n {
		near, far := newPipe()
		conns <- far
		start := h.clock.ThreadCPU()
		err := tls.Client(near, h.client).Handshake()
		clientCPU += h.clock.ThreadCPU() - start
		if err != nil {
			near.Close()
			clientErr = fmt.Errorf("%s: client: %w", h.name, err)
			break
		}
	}
	close(conns)
	server := <-served
	if server.err != nil {
		return nil, server.err
	}
	if clientErr != nil {
		return nil, clientErr
	}
	return []time.Duration{server.cpu, clientCPU}, nil
}
