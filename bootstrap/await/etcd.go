package await

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// etcdPatience is how long one request to etcd, or to the API server that names its members,
// may take: they may be on boards that are slower than this one.
const etcdPatience = 30 * time.Second

// Etcd asks the members of the cluster's etcd, which it finds as kubeadm does: by the API
// server that admin.conf names. The board's own is asked last.
type Etcd struct {
	layout       state.Layout
	certificates string
	client       *cluster.Etcd
	// known are the members as they were listed last, and without is the peer URL of one that is
	// not to be asked, empty for none.
	known   []cluster.Member
	without string
}

// Etcd is that of the board's cluster.
func (a *Waiter) Etcd() *Etcd { return &Etcd{layout: a.Layout, certificates: a.Certificates} }

// Members asks for all members, as most of them agree on them.
func (e *Etcd) Members(ctx context.Context) ([]cluster.Member, error) {
	if err := e.find(ctx); err != nil {
		return nil, err
	}
	all, err := e.client.Members(ctx)
	if err != nil {
		e.Close() // they may be others by now
		return nil, err
	}
	e.known = all
	return all, nil
}

// Problems asks each member how it is, and says what is wrong, and how many there are. An etcd
// from before v3.4 has no gateway at this path: nothing is known of it.
func (e *Etcd) Problems(ctx context.Context) (members int, all []string) {
	list, err := e.Members(ctx)
	switch {
	case cluster.IsStatus(err, http.StatusNotFound):
		return 0, nil
	case err != nil:
		return 0, []string{"etcd does not say which members it has: " + printable.Brief(err.Error())}
	}
	config, err := etcdTLS(e.certificates)
	if err != nil {
		return len(list), []string{err.Error()}
	}
	for _, m := range list {
		name := "etcd's member " + cmp.Or(m.Name, strings.Join(m.PeerURLs, " "))
		switch {
		case m.Learner:
			all = append(all, name+" does not vote yet")
		case len(m.ClientURLs) == 0:
			all = append(all, name+" has not started")
		default:
			if err := cluster.Healthy(ctx, m.ClientURLs[0], config, etcdPatience); err != nil {
				all = append(all, name+" is not healthy: "+printable.Brief(err.Error()))
			}
		}
	}
	return len(list), all
}

// Without has one member not be asked from now on, as it is about to leave. They have been
// listed before.
func (e *Etcd) Without(peer string) {
	e.Close()
	e.without = peer
}

// Remove takes a member out. etcd refuses it where too few would be left that run.
func (e *Etcd) Remove(ctx context.Context, id string) error {
	if err := e.find(ctx); err != nil {
		return err
	}
	return e.client.Remove(ctx, id)
}

// Has reports whether the member that listens to the others at peer is known to be one.
func (e *Etcd) Has(ctx context.Context, peer string) bool {
	all, err := e.Members(ctx)
	_, there := cluster.MemberAt(all, peer)
	return err == nil && there
}

func (e *Etcd) promote(ctx context.Context, id string) error { return e.client.Promote(ctx, id) }

// find makes a client, where there is none.
func (e *Etcd) find(ctx context.Context) error {
	if e.client != nil {
		return nil
	}
	config, err := etcdTLS(e.certificates)
	if err != nil {
		return err
	}
	var urls []string
	if e.without == "" {
		if urls, err = e.byAPIServer(ctx); err != nil && !durable.Exists(e.layout.Manifest(plan.Etcd)) {
			return err
		}
		urls = append(urls, "https://127.0.0.1:2379")
	}
	for _, m := range e.known {
		if e.without != "" && !slices.Contains(m.PeerURLs, e.without) {
			urls = append(urls, m.ClientURLs...)
		}
	}
	e.client = cluster.NewEtcd(urls, config, etcdPatience)
	return nil
}

func (e *Etcd) byAPIServer(ctx context.Context) ([]string, error) {
	text, err := safefile.Read(e.layout.AdminConf(), state.MaxFile)
	if err != nil {
		return nil, err
	}
	api, err := cluster.FromKubeconfig(text, e.layout.At, etcdPatience)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.layout.AdminConf(), err)
	}
	defer api.Close()
	return api.EtcdURLs(ctx)
}

// Close drops the connections.
func (e *Etcd) Close() {
	if e.client != nil {
		e.client.Close()
		e.client = nil
	}
}

// etcdTLS is what a client of etcd needs, from kubeadm's folder of certificates.
func etcdTLS(certificates string) (*tls.Config, error) {
	dir := filepath.Join(certificates, "etcd")
	pair, err := safefile.LoadKeyPair(filepath.Join(dir, "healthcheck-client.crt"), filepath.Join(dir,
		"healthcheck-client.key"), state.MaxFile)
	if err != nil {
		return nil, err
	}
	ca, err := safefile.Read(filepath.Join(dir, "ca.crt"), state.MaxFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s is no certificate", filepath.Join(dir, "ca.crt"))
	}
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
