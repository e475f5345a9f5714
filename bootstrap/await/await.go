package await

import (
	"context"
	"fmt"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/podlog"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// StuckError says that waiting for a component was given up, and what was seen.
type StuckError struct {
	Component string
	Why       string
	// Log holds the last lines that the component itself wrote.
	Log     []string
	LogFile string
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("wait for %s: gave up: %s", e.Component, e.Why)
}

// Hint says what can be done.
func (e *StuckError) Hint() string {
	if e.LogFile != "" {
		return "read the rest of its log in " + e.LogFile + " and the kubelet's with: journalctl -u kubelet"
	}
	return "its container was never started: read the kubelet's log with: journalctl -u kubelet"
}

// A Waiter waits for the components of one board.
type Waiter struct {
	Layout state.Layout
	// Certificates is kubeadm's folder of certificates.
	Certificates string
	// LogsBefore tells the logs of an earlier control plane from this one's; see
	// [podlog.Next].
	LogsBefore map[string]int
	// Pause pauses the kubelet while the API server starts; nil leaves it alone.
	Pause Pauser
	Now   func() time.Time
	// Processes finds the components' processes.
	Processes linux.Finder
}

// A Listener is told how a wait goes on.
type Listener struct {
	// Seen is what was seen last.
	Seen func(string)
	// Note is for what the owner may want to keep.
	Note func(string)
	// Restarts is how often the component was started again.
	Restarts func(int)
}

// Wait waits for one component, looking again and again, until it is healthy or nothing
// moves any more; then the error is a [*StuckError].
func (a *Waiter) Wait(ctx context.Context, s plan.AwaitHealthy, listener Listener) error {
	p, err := a.Prober(s.Component, patienceOf(s))
	if err != nil {
		return err
	}
	defer p.Close()
	kubelet := &KubeletPause{Layout: a.Layout, Note: listener.Note}
	if s.PauseKubelet {
		kubelet.Pause, kubelet.LongTurns = a.Pause, true
	}
	defer kubelet.Resume()
	limits := Limits{Quiet: s.Quiet, Patience: s.Patience, Restarts: s.Restarts}
	began := a.Now()
	w := newWatch(limits, began, a.look(ctx, s.Component, p, Observation{}, true))
	for n := 1; ; n++ {
		kubelet.renew()
		o, whole := w.last, wholeLook(n, w.last, kubelet.wanted())
		if !whole {
			o.Health = p.Ask(ctx)
			whole = o.Health.Reach < w.last.Health.Reach // it got worse: look for the reason
		}
		if whole {
			o = a.look(ctx, s.Component, p, w.last, scanNow(n, w.last, kubelet.wanted()))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		listener.Restarts(w.restarts(o))
		switch w.judge(a.Now(), o) {
		case Healthy:
			return nil
		case GiveUp:
			log := podlog.Read(a.Layout.PodLogs(), s.Component, a.LogsBefore)
			return &StuckError{Component: s.Component, Why: w.why, Log: podlog.LastLines(log.Newest, 12), LogFile: log.Newest}
		case KeepWaiting:
		}
		if whole {
			kubelet.Observe(o.Running, o.PID)
		}
		listener.Seen(w.describe())
		wait := untilNextLook(s, a.Now().Sub(began))
		if kubelet.wanted() {
			wait = s.Poll // the kubelet is to be paused as soon as the process is there
		}
		if err := Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Healthy asks a component once.
func (a *Waiter) Healthy(ctx context.Context, component string) bool {
	if !durable.Exists(a.Layout.Manifest(component)) {
		return false
	}
	p, err := a.Prober(component, Patience)
	if err != nil {
		return false
	}
	defer p.Close()
	return p.Ask(ctx).Reach == ReachHealthy
}

// Sleep waits for a while; the error is the context's.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// untilNextLook is the plan's time between two looks, and twice as much while the
// expected end is far: each look takes CPU time from what is waited for. Not more, as
// a board that was busy while it was measured is done in a third of what is expected.
func untilNextLook(s plan.AwaitHealthy, waited time.Duration) time.Duration {
	return min(max(s.Poll, (s.Predicted-waited)/10), 2*s.Poll)
}

// wholeLook reports whether look n is for all that a component leaves, or only asks for
// its health. The latter is enough three times of four once its process is known.
func wholeLook(n int, last Observation, hold bool) bool {
	return !last.Running || hold || n%4 == 0
}

// Patience is how long one health request may take at least.
const Patience = 15 * time.Second

// patienceOf is how long one health request may take: on the slowest board a
// handshake alone can take ten seconds and more.
func patienceOf(s plan.AwaitHealthy) time.Duration {
	return min(max(Patience, s.Predicted/2), 2*time.Minute)
}

// scanNow reports whether look n reads all of /proc for a component's process. That
// costs more than all else, and without hold the process is only shown to people.
// Without a log the component is not there, since the runtime makes the log before the
// program runs; but where that lies is the kubelet's choice (podLogsDir), so it is
// looked for every few looks.
func scanNow(n int, last Observation, hold bool) bool {
	switch {
	case last.Instances == 0:
		return n%8 == 0
	case hold, last.Health.Reach > ReachNothing: // it runs, then
		return true
	}
	return n%4 == 0
}

// look makes one observation. Its health is not asked for while the process is not there.
func (a *Waiter) look(ctx context.Context, component string, p *Prober, last Observation, scan bool) Observation {
	var o Observation
	log := podlog.Read(a.Layout.PodLogs(), component, a.LogsBefore)
	o.Instances, o.LogBytes = log.Instances, log.Bytes
	find := func(last Observation) {
		if proc, ok := a.Processes.Again(component, linux.Process{PID: last.PID, Started: last.Started}); ok {
			o.Running, o.PID, o.Started, o.CPU = true, proc.PID, proc.Started, proc.CPU
		}
	}
	if scan || last.Running {
		find(last)
	}
	if o.Running || o.Instances > 0 {
		asked := a.Now()
		o.Health = p.Ask(ctx)
		if o.Running && a.Now().Sub(asked) > time.Second {
			find(o) // an answer can take a minute, so the CPU time is read again
		}
	}
	return o
}
