package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
)

// A Member is one of etcd's (go.etcd.io/etcd/api/v3/etcdserverpb, Member). One that was added
// and has not started yet has no name and no ClientURLs; a learner has no vote.
type Member struct {
	ID         string   `json:"ID"`
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	Learner    bool     `json:"isLearner"`
}

// An Etcd makes requests to members of etcd: to one after the other, until one answers. They are
// those of etcd's gateway, JSON over HTTP, which serves what its gRPC does.
type Etcd struct{ clients []*Client }

// NewEtcd makes one of the members' client URLs.
func NewEtcd(urls []string, config *tls.Config, patience time.Duration) *Etcd {
	e := &Etcd{}
	for _, u := range urls {
		if parsed, err := url.Parse(u); err == nil && parsed.Host != "" {
			e.clients = append(e.clients, New(parsed.Host, config, "", patience))
		}
	}
	return e
}

// Close drops the connections.
func (e *Etcd) Close() {
	for _, c := range e.clients {
		c.Close()
	}
}

// Members asks for all members, as most of them agree on them.
func (e *Etcd) Members(ctx context.Context) ([]Member, error) {
	var list struct{ Members []Member }
	err := e.ask(ctx, "/v3/cluster/member/list", map[string]any{"linearizable": true}, &list)
	return list.Members, err
}

// Promote gives a learner a vote.
func (e *Etcd) Promote(ctx context.Context, id string) error {
	return e.ask(ctx, "/v3/cluster/member/promote", map[string]any{"ID": id}, nil)
}

// Remove takes a member out. etcd refuses it where that would leave too few that run.
func (e *Etcd) Remove(ctx context.Context, id string) error {
	return e.ask(ctx, "/v3/cluster/member/remove", map[string]any{"ID": id}, nil)
}

// ask makes a request. An answer, even a refusal, is the last word; only a learner, or a member
// without a leader (HTTP status 503), has none, and the next is asked.
func (e *Etcd) ask(ctx context.Context, path string, question, answer any) error {
	var first error
	for i, c := range e.clients {
		err := c.Post(ctx, path, question, answer)
		if err == nil {
			e.clients[0], e.clients[i] = e.clients[i], e.clients[0]
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var status *StatusError
		if errors.As(err, &status) && status.Code != http.StatusServiceUnavailable &&
			!strings.Contains(status.Message, forLearner) {
			return err
		}
		first = cmp.Or(first, err)
	}
	return cmp.Or(first, errors.New("no member of etcd is known"))
}

// forLearner is how a learner refuses (go.etcd.io/etcd/api/v3/v3rpc/rpctypes).
const forLearner = "rpc not supported for learner"

// Healthy asks one member by its client URL: it reads a key, which takes most of them.
func Healthy(ctx context.Context, member string, config *tls.Config, patience time.Duration) error {
	u, err := url.Parse(member)
	if err != nil {
		return err
	}
	c := New(u.Host, config, "", patience)
	defer c.Close()
	return c.Get(ctx, "/health", nil)
}

// MemberAt finds the member with a peer URL.
func MemberAt(all []Member, peer string) (Member, bool) {
	i := slices.IndexFunc(all, func(m Member) bool { return slices.Contains(m.PeerURLs, peer) })
	if i < 0 {
		return Member{}, false
	}
	return all[i], true
}

// Voters counts the members that vote.
func Voters(all []Member) (n int) {
	for _, m := range all {
		if !m.Learner {
			n++
		}
	}
	return n
}

// clientURLs is where kubeadm notes on an etcd pod how it is reached (cmd/kubeadm/app/constants).
const clientURLs = "kubeadm.kubernetes.io/etcd.advertise-client-urls"

// EtcdURLs asks an API server for the client URLs of the cluster's members, as kubeadm does.
func (c *Client) EtcdURLs(ctx context.Context) ([]string, error) {
	var pods core.PodList
	path := "/api/v1/namespaces/kube-system/pods?labelSelector=" + url.QueryEscape("component=etcd,tier=control-plane")
	if err := c.Get(ctx, path, &pods); err != nil {
		return nil, err
	}
	var all []string
	for _, p := range pods.Items {
		if u := p.Annotations[clientURLs]; u != "" {
			all = append(all, u)
		}
	}
	return all, nil
}

// Post sends an object and reads another.
func (c *Client) Post(ctx context.Context, path string, object, into any) error {
	return c.send(ctx, http.MethodPost, path, "application/json", object, into)
}
