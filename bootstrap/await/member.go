package await

import (
	"context"
	"fmt"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/podlog"
	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A MemberError says that waiting for the board's member of etcd was given up, and what was
// seen last.
type MemberError struct {
	Peer, Why string
	LogFile   string
}

func (e *MemberError) Error() string {
	return fmt.Sprintf("wait for the member %s of etcd to vote: gave up: %s", e.Peer, e.Why)
}

// Hint says what can be done.
func (e *MemberError) Hint() string {
	return (&StuckError{LogFile: e.LogFile}).Hint()
}

// Member waits until the board's member of etcd, which listens to the others at peer, votes. One
// that only learns is promoted as soon as the others agree: etcd refuses that until it has
// caught up. The error is a [*MemberError] when nothing moves any more.
func (a *Waiter) Member(ctx context.Context, s plan.JoinEtcd, etcd *Etcd, peer string, l Listener) error {
	seen := ""
	look := func(last Observation) (o Observation) {
		log := podlog.Read(a.Layout.PodLogs(), plan.Etcd, a.LogsBefore)
		o.Instances, o.LogBytes = log.Instances, log.Bytes
		if p, ok := a.Processes.Again(plan.Etcd, linux.Process{PID: last.PID, Started: last.Started}); ok {
			o.Running, o.PID, o.Started, o.CPU = true, p.PID, p.Started, p.CPU
		}
		o.Health, seen = askMember(ctx, etcd, peer)
		return o
	}
	w := newWatch(Limits{Quiet: s.Quiet, Patience: s.Patience, Restarts: s.Restarts}, a.Now(), look(Observation{}))
	for {
		o := look(w.last)
		if err := ctx.Err(); err != nil {
			return err
		}
		l.Restarts(w.restarts(o))
		switch w.judge(a.Now(), o) {
		case Healthy:
			return nil
		case GiveUp:
			log := podlog.Read(a.Layout.PodLogs(), plan.Etcd, a.LogsBefore)
			return &MemberError{peer, strings.Replace(w.why, w.describe(), seen, 1), log.Newest}
		case KeepWaiting:
		}
		l.Seen(seen)
		if err := Sleep(ctx, s.Poll); err != nil {
			return err
		}
	}
}

// askMember looks how far the member is, and has a learner promoted.
func askMember(ctx context.Context, etcd *Etcd, peer string) (h Health, seen string) {
	all, err := etcd.Members(ctx)
	if err != nil {
		return h, "etcd's members do not answer: " + printable.Brief(err.Error())
	}
	h.Reach = ReachHTTP
	member, listed := cluster.MemberAt(all, peer)
	if !listed {
		return h, "etcd has no such member"
	}
	h.Passed = append(h.Passed, "added")
	if member.Name == "" {
		return h, "the member is added, and has not started yet"
	}
	h.Passed = append(h.Passed, "started")
	if member.Learner {
		if err := etcd.promote(ctx, member.ID); err != nil {
			return h, "the member learns: " + printable.Brief(err.Error())
		}
	}
	h.Reach = ReachHealthy
	return h, "the member votes"
}
