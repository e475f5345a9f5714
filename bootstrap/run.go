package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/fault"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Options are what a run needs besides the plan.
type Options struct {
	Layout    Layout
	Kubeadm   string
	Behaviour kubeadm.Behaviour
	Args      kubeadm.InitArgs
	// Program returns the path of this program for the unit that puts staged
	// manifests back when the board starts, or why root's units must not name it
	// ([systemd.TrustedProgram]); nil to install none.
	Program func() (string, error)
	// Config is the owner's configuration, nil without --config.
	Config *kubeadm.Config
	Plan   plan.Plan
	// Resume is the journal of an interrupted run to go on with, or nil.
	Resume *Journal
	// Check is what Check was given: it is asked again under the lock.
	Check CheckInput

	// The doors to the outside world.
	Runner kubeadm.Runner
	Env    []string
	Now    func() time.Time
	Tell   func(Event)
	// Output receives what kubeadm prints as it comes; it may hold secrets.
	Output io.Writer
	// Logs returns the last lines of a systemd unit's log; nil without.
	Logs func(unit string) string
	// Hold stops the kubelet while the API server starts; nil leaves it alone.
	Hold Stopper
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
	Findings []Finding
	// APIServerLog holds the API server's last lines then, from APIServerLogFile.
	APIServerLog     []string
	APIServerLogFile string
	// KubeadmCPU is the CPU time of all kubeadm processes.
	KubeadmCPU time.Duration
}

// StepOutcome is how one step went.
type StepOutcome struct {
	Title string
	// Component is what the step waited for, empty for other steps.
	Component string
	// Expect is the predicted time of a wait.
	Expect time.Duration
	Took   time.Duration
	// Skipped says that an interrupted run had done it.
	Skipped  bool
	Attempts int
}

type run struct {
	Options
	layout   Layout
	restarts map[string]int
	outcome  *Outcome
	journal  *Journal
	// number of the step under way, from 1.
	number    int
	processes finder
}

func (r *run) now() time.Time { return r.Now() }

func (r *run) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Run carries out the plan. Whatever happens, no manifest stays staged when it
// returns: on success all are released, on failure they are put back.
func Run(ctx context.Context, o Options) (Outcome, error) {
	r := &run{Options: o, layout: o.Layout, restarts: map[string]int{}}
	r.outcome = &Outcome{Restarts: r.restarts, Changes: map[string][]patch.Change{}}
	if err := r.refuseSpecialCertificates(); err != nil {
		return *r.outcome, err
	}
	unlock, err := r.layout.enter()
	if err != nil {
		return *r.outcome, err
	}
	defer unlock()
	// After a reset that was cut off.
	if _, err := r.layout.putForeignBack(); err != nil {
		return *r.outcome, fmt.Errorf("put back the static pods in %s: %w", r.layout.kept(), err)
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
	before := r.layout.readPressure()
	if err = safely(func() error { return r.walk(ctx) }); err != nil {
		if ctx.Err() == nil {
			r.outcome.Findings = r.layout.explain(before, r.logsBefore(), r.Logs)
			r.outcome.APIServerLog, r.outcome.APIServerLogFile = r.layout.apiServerLog(r.logsBefore())
		}
		err = errors.Join(err, r.putBack())
		if r.layout.untouched(r.journal) {
			// As when kubeadm refuses a flag or the board: nothing binds the next
			// try, and nothing is to be left behind.
			r.outcome.Untouched = true
			_, e := r.layout.removeDropIns()
			r.layout.untune() // without systemd there was no drop-in
			err = errors.Join(err, e, r.layout.tidy())
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

// writeConfig writes the copy of the configuration that kubeadm gets.
func (r *run) writeConfig() error {
	c, err := MakeConfig(r.Plan.Config, r.Config, r.Args, r.Behaviour)
	if err != nil {
		return err
	}
	return r.storeConfig(c)
}

func (r *run) storeConfig(c *kubeadm.Config) error {
	text, err := c.Bytes()
	if err != nil {
		return err
	}
	// It may hold tokens and keys: nobody but root reads it, also while it is
	// being written.
	if err := r.layout.FS.WriteFile(r.layout.ConfigCopy(), text, 0o600); err != nil {
		return fmt.Errorf("write kubeadm's configuration: %w", err)
	}
	return nil
}

// MakeConfig merges the plan's additions, the owner's configuration and, where
// there is none, the owner's flags.
func MakeConfig(p *plan.ConfigPlan, owner *kubeadm.Config, args kubeadm.InitArgs, b kubeadm.Behaviour) (*kubeadm.Config, error) {
	c, err := owner.Clone()
	if err != nil {
		return nil, err
	}
	if owner == nil && p.Translate {
		if _, err := c.Translate(args, b, p.API); err != nil {
			return nil, err
		}
	}
	for _, e := range p.Edits {
		switch {
		case e.Gate:
			c.SetClusterGate(p.API, e.Path[len(e.Path)-1], true)
		case e.KubeletArg:
			c.SetKubeletExtraArg(p.API, e.Path[len(e.Path)-1], e.Text)
		case e.Text != "" && e.Cluster:
			c.SetCluster(p.API, e.Text, e.Path...)
		case e.Text != "":
			c.SetInit(p.API, e.Text, e.Path...)
		case e.Cluster:
			c.RaiseCluster(p.API, e.Duration, e.Path...)
		default:
			c.RaiseInit(p.API, e.Duration, e.Path...)
		}
	}
	if p.PinToken && !c.HasTokens() {
		token, err := kubeadm.NewToken()
		if err != nil {
			return nil, err
		}
		c.AddToken(p.API, token)
	}
	return c, nil
}

// walk carries out the steps in order. Every step is in the journal before it
// begins and after it is done.
func (r *run) walk(ctx context.Context) error {
	total := len(r.journal.Plan.Steps)
	first := true
	for i, s := range r.journal.Plan.Steps {
		r.number = i + 1
		if i < r.journal.Done {
			r.outcome.Steps = append(r.outcome.Steps, StepOutcome{Title: s.Title(), Skipped: true})
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		again := first && r.journal.Begun && r.Resume != nil
		if first {
			r.journal.Begun = true
			if err := r.journal.write(r.layout); err != nil {
				return err
			}
		}
		first = false
		began := r.now()
		event := Event{Time: began, Kind: StepBegun, Number: r.number, Total: total, Step: s.Title()}
		if a, ok := s.(plan.AwaitHealthy); ok {
			event.Expect = a.Expect
		}
		r.Tell(event)
		tell := func(detail string) {
			e := event
			e.Time, e.Kind, e.Elapsed, e.Detail = r.now(), StepWaiting, r.now().Sub(began), detail
			r.Tell(e)
		}
		attempts, err := r.do(ctx, s, again, tell)
		event.Time, event.Elapsed = r.now(), r.now().Sub(began)
		step := StepOutcome{Title: s.Title(), Took: event.Elapsed, Attempts: attempts}
		if a, ok := s.(plan.AwaitHealthy); ok {
			step.Component, step.Expect = a.Component, a.Expect
		}
		r.outcome.Steps = append(r.outcome.Steps, step)
		if err != nil {
			event.Kind = StepFailed
			r.Tell(event)
			return err
		}
		// The next step begins with the end of this one: one write tells both.
		r.journal.Done, r.journal.Begun = i+1, i+1 < total
		r.record()
		if err := r.journal.write(r.layout); err != nil {
			return err
		}
		event.Kind = StepDone
		r.Tell(event)
	}
	return nil
}

// do carries out one step. again says that an interrupted run had begun it.
func (r *run) do(ctx context.Context, s plan.Step, again bool, tell func(string)) (attempts int, err error) {
	switch s := s.(type) {
	case plan.RunPhases:
		return r.runPhases(ctx, s, again, tell)
	case plan.PatchManifests:
		return 1, r.patchManifests(s)
	case plan.StageManifests:
		if err := r.layout.installUnit(r.Program); err != nil {
			return 1, err
		}
		for _, c := range s.Components {
			if err := r.layout.stage(c); err != nil {
				return 1, err
			}
		}
		return 1, nil
	case plan.ReleaseManifest:
		return 1, r.layout.release(s.Component)
	case plan.AwaitHealthy:
		return 1, r.await(ctx, s, tell)
	case plan.TuneServices:
		return 1, r.tuneServices(s)
	case plan.KubeletCertificates:
		return 1, r.kubeletCertificates(s)
	}
	return 0, fmt.Errorf("carry out the plan: unknown step %T", s)
}

func (r *run) patchManifests(s plan.PatchManifests) error {
	for _, c := range plan.Components() {
		settings, ok := s.Settings[c]
		if !ok {
			continue
		}
		path := r.layout.Manifest(c)
		patched, err := patch.Prepare(path, settings)
		if errors.Is(err, os.ErrNotExist) {
			continue // external etcd, or a phase that the owner skips
		}
		if err != nil {
			return err
		}
		// First, so that a run that ends between the two does not lose them.
		if err := r.writeDurable(c, patched.Changes); err != nil {
			return err
		}
		if err := r.layout.FS.Do("patch", path, patched.Write); err != nil {
			return err
		}
		r.outcome.Changes[c] = patched.Changes
	}
	return nil
}

// runPhases runs kubeadm, again if it fails and the plan allows it.
func (r *run) runPhases(ctx context.Context, s plan.RunPhases, again bool, tell func(string)) (int, error) {
	if s.Name != "head" && s.Name != "all" {
		if err := r.pinVersion(); err != nil {
			return 0, err
		}
	}
	args := r.phaseArgs(s, again)
	for attempt := 1; ; attempt++ {
		lines := lineTeller(tell, r.Output)
		res, err := r.Runner(ctx, kubeadm.Command{Path: r.Kubeadm, Args: args, Env: r.Env, Output: lines, Signal: r.Signal})
		r.outcome.KubeadmCPU += res.CPU
		if err == nil {
			if words := closingWords(string(res.Stdout)); words != "" {
				r.outcome.ClosingWords = words
			}
			return attempt, r.keepWritten()
		}
		r.discardTorn()
		if ctx.Err() != nil {
			return attempt, ctx.Err()
		}
		if attempt >= s.Attempts {
			return attempt, err
		}
		r.Tell(Event{Time: r.now(), Kind: Note, Number: r.number, Step: s.Title(),
			Detail: fmt.Sprintf("attempt %d of %d failed: %s", attempt, s.Attempts, Redact(lastError(err)))})
		s = r.goOn(s, err)
		args = r.phaseArgs(s, again)
		if err := r.sleep(ctx, 2*time.Second); err != nil {
			return attempt, err
		}
	}
}

// phaseArgs are the owner's arguments with a longer --skip-phases and, where
// the plan wants one, our copy of the configuration.
func (r *run) phaseArgs(s plan.RunPhases, again bool) []string {
	p := r.journal.Plan
	args := []string{"init"}
	var drop []string
	switch {
	case p.Config != nil && r.Config != nil:
		drop = []string{"config"}
	case p.Config != nil:
		for _, f := range r.Args.Flags {
			if !r.Behaviour.AllowedBesideConfig(f.Name) {
				drop = append(drop, f.Name)
			}
		}
	}
	drop = append(drop, "skip-phases", "ignore-preflight-errors")
	args = append(args, r.Args.Without(drop...)...)
	if p.Config != nil {
		args = append(args, "--config="+r.layout.ConfigCopy())
	} else if v := r.pinnedVersion(); v != "" && s.Name != "head" && s.Name != "all" {
		if _, given := r.Args.Get("kubernetes-version"); !given {
			args = append(args, "--kubernetes-version="+v)
		}
	}
	skip := r.ownerSkips()
	for _, phase := range r.Behaviour.AllBut(s.Keep...) {
		if !slices.Contains(skip, phase) {
			skip = append(skip, phase)
		}
	}
	if len(skip) > 0 {
		args = append(args, "--skip-phases="+strings.Join(skip, ","))
	}
	ignore := r.Args.List("ignore-preflight-errors")
	if again && slices.Contains(s.Keep, "preflight") && !slices.Contains(ignore, "all") {
		ignore = append(ignore, leftByUs()...)
	}
	if len(ignore) > 0 {
		args = append(args, "--ignore-preflight-errors="+strings.Join(ignore, ","))
	}
	return args
}

// leftByUs are the preflight checks that an interrupted run of ours makes fail
// by what it had written (cmd/kubeadm/app/preflight/checks.go).
func leftByUs() []string {
	var all []string
	for _, c := range plan.Components() {
		all = append(all, "FileAvailable--etc-kubernetes-manifests-"+c+".yaml")
	}
	return append(all, "DirAvailable--etc-kubernetes-manifests", "DirAvailable--var-lib-etcd", "Port-10250", "Port-6443", "Port-2379", "Port-2380", "Port-10257", "Port-10259")
}

func (r *run) ownerSkips() []string {
	if _, given := r.Args.Get("skip-phases"); given {
		return slices.Clone(r.Args.List("skip-phases"))
	}
	return r.Config.InitList("skipPhases")
}

// imageTag is the image of a kubeadm manifest.
var imageTag = regexp.MustCompile(`(?m)^\s*image:\s*["']?\S*?:(v\d+\.\d+\.\d+\S*?)["']?\s*$`)

// pinnedVersion is the Kubernetes version that the head wrote into the API
// server's manifest. kubeadm would look "stable-1" up anew in every process,
// and could find another answer the second time.
func (r *run) pinnedVersion() string {
	for _, path := range r.manifestPlaces(plan.APIServer) {
		text, err := safefile.Read(path, maxFile)
		if err != nil {
			continue
		}
		if m := imageTag.FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	return ""
}

func (r *run) manifestPlaces(component string) []string {
	places := []string{r.layout.Manifest(component)}
	if staged := r.layout.stagedAt(component); staged != "" {
		places = append(places, staged)
	}
	return places
}

// pinVersion writes that version into our copy of the configuration.
func (r *run) pinVersion() error {
	if r.journal.Plan.Config == nil {
		return nil
	}
	v := r.pinnedVersion()
	if v == "" {
		return nil
	}
	f, err := safefile.Open(r.layout.ConfigCopy())
	if err != nil {
		return fmt.Errorf("pin the Kubernetes version: %w", err)
	}
	defer f.Close()
	c, err := kubeadm.ReadConfig(f, r.layout.ConfigCopy())
	if err != nil {
		return err
	}
	if was := c.Cluster("kubernetesVersion"); was == v || kubeadm.IsExact(was) {
		return nil
	}
	c.SetCluster(r.journal.Plan.Config.API, v, "kubernetesVersion")
	return r.storeConfig(c)
}

// finish removes what only a run needs.
func (r *run) finish() error {
	if _, err := r.layout.releaseAll(); err != nil {
		return err
	}
	if err := r.keepHoldingBack(); err != nil {
		return err
	}
	return r.layout.tidy()
}
