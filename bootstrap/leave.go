package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A Membership is that of the board's etcd among others.
type Membership struct {
	// Name and Peer are the member's; one that has not started is named by its peer URL.
	Name, Peer string
	// Others is how many members there are besides.
	Others int
	etcd   *await.Etcd
	id     string
}

// leftPatience is how long it may take until the others say that a removed member is gone: they
// may have to choose another leader first.
const leftPatience = 5 * time.Minute

var initialCluster = regexp.MustCompile(`--initial-cluster=\S+,`)

// FindMembership looks whether the board's etcd is a member beside others, changing nothing; nil
// if it is not. kubeadm reset warns of a member that it could not remove, and wipes the board all
// the same: the others then count a dead one. So where the list of members cannot be had, and a
// board is known to have had others, the error is a [*state.RefusedError].
func FindMembership(ctx context.Context, l state.Layout) (*Membership, error) {
	if !durable.Exists(l.AdminConf()) {
		return nil, nil // a worker, or nothing yet
	}
	address, others := ownMember(l)
	if address == "" {
		return nil, nil
	}
	m := &Membership{Peer: "https://" + net.JoinHostPort(address, "2380")}
	m.etcd = etcdOf(l)
	all, err := m.etcd.Members(ctx)
	if err != nil {
		m.etcd.Close()
		if ctx.Err() == nil && !others {
			return nil, nil // as far as is known it is the only one, or etcd is elsewhere
		}
		return nil, stays(fmt.Errorf("etcd's members do not answer: %w", err))
	}
	for _, one := range all {
		if len(one.PeerURLs) > 0 && one.PeerURLs[0] == m.Peer {
			m.id, m.Name = one.ID, cmp.Or(one.Name, m.Peer)
		}
	}
	if m.Others = len(all) - 1; m.id == "" || m.Others == 0 {
		m.etcd.Close()
		return nil, nil
	}
	m.etcd.Without(m.Peer)
	return m, nil
}

var clientCA = regexp.MustCompile(`--client-ca-file=(/\S*)/ca\.crt`)

// etcdOf asks the members of etcd, with certificates from the folder that kubeadm's manifest of
// the API server names: a cluster may have one of its own.
func etcdOf(l state.Layout) *await.Etcd {
	dir := l.Certificates(nil, kubeadm.Args{})
	for _, path := range []string{l.Manifest(plan.APIServer), manifests.StagedAt(l, plan.APIServer)} {
		text, err := safefile.Read(path, state.MaxFile)
		if found := clientCA.FindSubmatch(text); err == nil && found != nil {
			dir = l.At(string(found[1]))
			break
		}
	}
	return (&await.Waiter{Layout: l, Certificates: dir}).Etcd()
}

// ownMember is the address that the board's etcd has, or was about to get, and whether there are
// known to be others. A join that was cut off may have added a member without its manifest.
func ownMember(l state.Layout) (address string, others bool) {
	if j, err := journal.Read(l.Journal()); err == nil && j != nil {
		others = slices.ContainsFunc(j.Plan.Steps, func(s plan.Step) bool {
			_, joins := s.(plan.JoinEtcd)
			return joins
		})
	}
	for _, c := range []string{plan.Etcd, plan.APIServer} {
		for _, path := range []string{l.Manifest(c), manifests.StagedAt(l, c)} {
			text, err := safefile.Read(path, state.MaxFile)
			if err != nil {
				continue
			}
			others = others || initialCluster.Match(text)
			if found := advertised.FindSubmatch(text); found != nil && address == "" {
				address = string(found[1])
			}
		}
	}
	return address, others
}

// An EtcdMember is one as status shows it. Nothing in it is secret.
type EtcdMember struct {
	// Name is the Node's, empty for one that was added and has not started.
	Name  string `json:"name,omitempty"`
	Peer  string `json:"peer"`
	Votes bool   `json:"votes"`
}

// EtcdMembers asks for the members of the cluster's etcd; none where there is none on the board,
// or it does not answer.
func EtcdMembers(ctx context.Context, l state.Layout) (all []EtcdMember) {
	if !durable.Exists(l.Manifest(plan.Etcd)) || !durable.Exists(l.AdminConf()) {
		return nil
	}
	etcd := etcdOf(l)
	defer etcd.Close()
	members, err := etcd.Members(ctx)
	if err != nil {
		return nil
	}
	for _, m := range members {
		one := EtcdMember{Name: m.Name, Votes: !m.Learner}
		if len(m.PeerURLs) > 0 {
			one.Peer = m.PeerURLs[0]
		}
		all = append(all, one)
	}
	return all
}

// EtcdProblems says what is wrong with the members of the cluster's etcd, and how many there are.
func EtcdProblems(ctx context.Context, l state.Layout) (members int, problems []string) {
	etcd := etcdOf(l)
	defer etcd.Close()
	return etcd.Problems(ctx)
}

// stays says that the board's member of etcd was not removed.
func stays(err error) error {
	return state.Refuse(state.Quorum, err, "etcd removes a member only while most of the others are on: switch the other "+
		"control planes on and repeat; if they are lost for good: kubeadm-arm reset --skip-phases=remove-etcd-member")
}

// Leave removes the member by the others, and proves that it is gone from their list. The
// error is a [*state.RefusedError] where etcd refuses it.
func (m *Membership) Leave(ctx context.Context) error {
	defer m.etcd.Close()
	// An answer may be lost, and the member be gone all the same: the list decides.
	removed := m.etcd.Remove(ctx, m.id)
	for until := time.Now().Add(leftPatience); ; {
		gone, err := m.gone(ctx)
		switch {
		case gone:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case removed != nil && err == nil:
			return stays(fmt.Errorf("etcd does not remove the member %s: %w", m.Name, removed))
		case time.Now().After(until):
			return stays(fmt.Errorf("etcd's members do not say that the member %s is gone: %w", m.Name,
				errors.Join(removed, err)))
		}
		if err := await.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

func (m *Membership) gone(ctx context.Context) (bool, error) {
	all, err := m.etcd.Members(ctx)
	if err != nil {
		return false, err
	}
	for _, one := range all {
		if one.ID == m.id {
			return false, nil
		}
	}
	return true, nil
}
