package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/diagnose"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/fault"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Options are what a run needs besides the plan.
type Options struct {
	Layout    state.Layout
	Kubeadm   string
	Behaviour kubeadm.Behaviour
	// ARM32 says that the board's programs are for 32-bit ARM.
	ARM32 bool
	Args  kubeadm.Args
	// Program returns the path of this program for the unit that puts staged
	// manifests back when the board starts, or why root's units must not name it
	// ([systemd.TrustedProgram]); nil to install none.
	Program func() (string, error)
	// Config is the owner's configuration, nil without --config.
	Config *kubeadm.Config
	Plan   plan.Plan
	// Cluster is the cluster's own configuration, for an upgrade and for the join of another
	// control plane; Config is the command's own then. nil where it is not known.
	Cluster *kubeadm.Config
	// Patches is the folder of patches that an upgrade passes to kubeadm, OwnersPatches the owner's
	// own; empty for none.
	Patches, OwnersPatches string
	// Renew renews the certificates of an upgrade, and returns where the old ones are;
	// empty if there was nothing to renew.
	Renew func(context.Context) (kept string, err error)
	// SetEndpoint gives the cluster its controlPlaneEndpoint; repeated, it does no harm.
	SetEndpoint func(ctx context.Context, endpoint string) error
	// Resume is the journal of an interrupted run to go on with, or nil.
	Resume *journal.Journal
	// Check is what Check was given: it is asked again under the lock.
	Check CheckInput

	// The interfaces to the outside world, replaced in tests.
	Runner kubeadm.Runner
	Env    []string
	Now    func() time.Time
	Tell   func(Event)
	// Output receives what kubeadm prints as it comes; it may hold secrets.
	Output io.Writer
	// Logs returns the last lines of a systemd unit's log; nil without.
	Logs func(unit string) string
	// Pause pauses the kubelet while the API server starts; nil leaves it alone.
	Pause await.Pauser
	// Signal is the signal that ended the context, 0 when none did.
	Signal func() syscall.Signal
}

// Outcome is what a run leaves.
type Outcome struct {
	Steps []StepOutcome
	// Restarts counts by component how often it was started again.
	Restarts map[string]int
	// ClosingWords are kubeadm's own, with the join command: not to be kept in
	// any file.
	ClosingWords string
	// Changes are what was changed in the manifests.
	Changes map[string][]patch.Change
	// Untouched says that the run failed before anything was changed.
	Untouched bool
	// Released lists components that were put back because the run failed.
	Released []string
	// Findings are what was seen on the board when the run failed, the most
	// telling first.
	Findings []diagnose.Finding
	// APIServerLog holds the API server's last lines then, from APIServerLogFile.
	APIServerLog     []string
	APIServerLogFile string
	// KubeadmCPU is the CPU time of all kubeadm processes.
	KubeadmCPU time.Duration
}

// StepOutcome is how one step went.
type StepOutcome struct {
	Step plan.Step
	// Waited is the component that the step waited for, empty for other steps.
	Waited string
	Took   time.Duration
	// Skipped says that an interrupted run had done it.
	Skipped  bool
	Attempts int
}

// certificates is kubeadm's folder of them.
func (o Options) certificates() string {
	if o.Cluster != nil {
		return o.Layout.Certificates(o.Cluster, kubeadm.Args{})
	}
	return o.Layout.Certificates(o.Config, o.Args)
}

type run struct {
	Options
	layout  state.Layout
	outcome *Outcome
	journal *journal.Journal
	waiter  *await.Waiter
	// number of the step under way, from 1.
	number int
}

func newRun(o Options) *run {
	return &run{
		Options: o, layout: o.Layout,
		outcome: &Outcome{Restarts: map[string]int{}, Changes: map[string][]patch.Change{}},
		waiter: &await.Waiter{
			Layout: o.Layout, Certificates: o.certificates(), Pause: o.Pause, Now: o.Now,
			Processes: linux.Finder{Proc: linux.Proc(o.Layout.Proc())},
		},
	}
}

func (r *run) now() time.Time { return r.Now() }

// note tells the owner something about a step.
func (r *run) note(s plan.Step, detail string) {
	r.Tell(Event{Time: r.now(), Kind: Note, Number: r.number, Step: s.Title(), Detail: detail})
}

// Run carries out the plan. Whatever happens, no manifest stays staged when it
// returns: on success all are released, on failure they are put back.
func Run(ctx context.Context, o Options) (Outcome, error) {
	r := newRun(o)
	if err := r.refuseSpecialCertificates(); err != nil {
		return *r.outcome, err
	}
	unlock, err := state.Enter(r.layout)
	if err != nil {
		return *r.outcome, err
	}
	defer unlock()
	// After a reset that was cut off.
	if _, err := manifests.PutForeignBack(r.layout); err != nil {
		return *r.outcome, fmt.Errorf("put back the static pods in %s: %w", r.layout.StaticPods(), err)
	}
	if err := r.checkAgain(); err != nil {
		return *r.outcome, err
	}
	if err := CheckProgram(r.layout, r.Plan, r.Program); err != nil {
		return *r.outcome, err
	}
	if err := safely(func() error { return r.prepare(ctx) }); err != nil {
		return *r.outcome, errors.Join(err, r.putBack())
	}
	before := diagnose.ReadPressure(r.layout)
	if err = safely(func() error { return r.walk(ctx) }); err != nil {
		if ctx.Err() == nil {
			r.outcome.Findings = diagnose.Explain(r.layout, before, r.waiter.LogsBefore, r.Logs)
			r.outcome.APIServerLog, r.outcome.APIServerLogFile = diagnose.APIServerLog(r.layout, r.waiter.LogsBefore)
		}
		err = errors.Join(err, r.putBack())
		if untouched(r.layout, r.journal) {
			// As when kubeadm refuses a flag or the board: the next run may differ, and
			// nothing is to be left behind.
			r.outcome.Untouched = true
			_, e := removeDropIns(r.layout)
			untune(r.layout) // without systemd there was no drop-in
			err = errors.Join(err, e, removeServingCertificate(r.layout, r.journal), tidy(r.layout))
		}
		return *r.outcome, err
	}
	return *r.outcome, r.finish()
}

// safely has a fault of this program end as a failure does: what is staged is put back.
func safely(do func() error) (err error) {
	defer fault.Catch(&err)
	return do()
}

// walk carries out the steps in order. Every step is in the journal before it
// begins and after it is done.
func (r *run) walk(ctx context.Context) error {
	total := len(r.journal.Plan.Steps)
	first := true
	for i, s := range r.journal.Plan.Steps {
		r.number = i + 1
		if i < r.journal.Done {
			r.outcome.Steps = append(r.outcome.Steps, StepOutcome{Step: s, Skipped: true})
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		again := first && r.journal.Begun && r.Resume != nil
		if first {
			r.journal.Begun = true
			if err := r.journal.Write(r.layout); err != nil {
				return err
			}
		}
		first = false
		began := r.now()
		event := Event{Time: began, Kind: StepBegun, Number: r.number, Total: total, Step: s.Title(), Expect: s.Expect()}
		r.Tell(event)
		w := &work{again: again, tell: func(detail string) {
			e := event
			e.Time, e.Kind, e.Elapsed, e.Detail = r.now(), StepWaiting, r.now().Sub(began), detail
			r.Tell(e)
		}}
		err := r.do(ctx, s, w)
		event.Time, event.Elapsed = r.now(), r.now().Sub(began)
		r.outcome.Steps = append(r.outcome.Steps, StepOutcome{Step: s, Waited: w.waited, Took: event.Elapsed,
			Attempts: w.attempts})
		if err != nil {
			event.Kind = StepFailed
			r.Tell(event)
			return err
		}
		// The next step begins with the end of this one: one write records both.
		r.journal.Done, r.journal.Begun = i+1, i+1 < total
		r.record()
		if err := r.journal.Write(r.layout); err != nil {
			return err
		}
		event.Kind = StepDone
		r.Tell(event)
	}
	return nil
}
