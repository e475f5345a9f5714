package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// runPhases runs kubeadm, again if it fails and the plan allows it.
func (r *run) runPhases(ctx context.Context, s plan.RunPhases, w *work) error {
	if r.laterPart(s) {
		if err := r.pinVersion(); err != nil {
			return err
		}
	}
	for ; ; w.attempts++ {
		if r.bootstrapped(s) {
			return r.keepWritten()
		}
		s = r.pastPreflight(s)
		err := r.phasesOnce(ctx, s, w)
		switch {
		case err == nil:
			return r.keepWritten()
		case ctx.Err() != nil || w.attempts >= s.Attempts:
			return err
		}
		r.note(s, fmt.Sprintf("attempt %d of %d failed: %s", w.attempts, s.Attempts, kubeadm.Redact(kubeadm.ErrorLine(err))))
		s = r.fromFailedPhase(s, err)
		if err := await.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

// phasesOnce runs kubeadm, and removes what it leaves half written where it fails.
func (r *run) phasesOnce(ctx context.Context, s plan.RunPhases, w *work) error {
	printed, err := r.runKubeadm(ctx, w, r.phaseArgs(s, w.again || w.attempts > 1))
	if err != nil {
		r.discardTorn()
		return err
	}
	if words := kubeadm.CutClosingWords(string(printed)); words != "" {
		r.outcome.ClosingWords = words
	}
	return nil
}

// runKubeadm runs kubeadm for a step and returns what it printed. The error is the context's
// where that has ended it.
func (r *run) runKubeadm(ctx context.Context, w *work, args []string) (printed []byte, err error) {
	res, err := r.Runner(ctx, kubeadm.Command{Path: r.Kubeadm, Args: args, Env: r.Env,
		Output: kubeadm.PhaseLines(w.tell, r.Output), Signal: r.Signal})
	r.outcome.KubeadmCPU += res.CPU
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return res.Stdout, err
}

// laterPart reports whether an init has written its manifests before this step.
func (r *run) laterPart(s plan.RunPhases) bool {
	return r.journal.Plan.Command == kubeadm.Init && s.Name != "head" && s.Name != "all"
}

// phaseArgs are the owner's arguments with a longer --skip-phases and, where
// the plan wants one, our copy of the configuration.
func (r *run) phaseArgs(s plan.RunPhases, again bool) []string {
	p := r.journal.Plan
	if p.Command.Upgrades() {
		return r.upgradeArgs(s)
	}
	args := []string{string(p.Command)}
	if p.Config == nil { // else they are in it
		args = append(args, r.Args.Words...)
	}
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
	} else if v := r.pinnedVersion(); v != "" && r.laterPart(s) {
		if _, given := r.Args.Get("kubernetes-version"); !given {
			args = append(args, "--kubernetes-version="+v)
		}
	}
	skip := r.ownerSkips()
	for _, phase := range r.Behaviour.AllBut(p.Command, s.Keep...) {
		if !slices.Contains(skip, phase) {
			skip = append(skip, phase)
		}
	}
	if len(skip) > 0 {
		args = append(args, "--skip-phases="+strings.Join(skip, ","))
	}
	ignore := r.Args.List("ignore-preflight-errors")
	switch {
	case !again || slices.Contains(ignore, "all"):
	case r.joins() && len(s.Keep) == 0:
		ignore = append(ignore, leftByJoin()...)
	case !r.joins() && slices.Contains(s.Keep, "preflight"):
		ignore = append(ignore, leftByUs()...)
	}
	if len(ignore) > 0 {
		args = append(args, "--ignore-preflight-errors="+strings.Join(ignore, ","))
	}
	return args
}

// upgradeArgs are the arguments of one process of an upgrade. Where it cannot be taken
// apart, its dry run stands for its checks.
func (r *run) upgradeArgs(s plan.RunPhases) []string {
	p := r.journal.Plan
	u := r.upgrade()
	u.Ignore = s.Ignore
	config := ""
	if p.Config != nil {
		config = r.layout.ConfigCopy()
	}
	args := r.Behaviour.UpgradeArgs(r.Args, u, config, s.Keep)
	if s.Name == "checks" && len(r.Behaviour.Phases(p.Command)) == 0 {
		args = append(args, "--dry-run")
	}
	return args
}

// upgrade is what kubeadm is to do in an upgrade beside what its owner asked for.
func (r *run) upgrade() kubeadm.Upgrade {
	u := kubeadm.Upgrade{Verb: r.journal.Plan.Command, Patches: r.Patches, Skip: r.ownerSkips()}
	for _, s := range r.journal.Plan.Steps {
		switch s := s.(type) {
		case plan.RenderManifests:
			u.Version = s.Version
		case plan.SwitchManifests:
			u.EtcdDone = s.Data != ""
		}
	}
	if u.Version == "" && len(r.Args.Words) > 0 {
		u.Version = r.Args.Words[0]
	}
	return u
}

// leftByUs are the preflight checks that an interrupted run makes fail
// by what it had written (cmd/kubeadm/app/preflight/checks.go).
func leftByUs() []string {
	var all []string
	for _, c := range plan.Components() {
		all = append(all, "FileAvailable--etc-kubernetes-manifests-"+c+".yaml")
	}
	return append(all, "DirAvailable--etc-kubernetes-manifests", "DirAvailable--var-lib-etcd", "Port-10250", "Port-6443",
		"Port-2379", "Port-2380", "Port-10257", "Port-10259")
}

func (r *run) ownerSkips() []string {
	if _, given := r.Args.Get("skip-phases"); given {
		return slices.Clone(r.Args.List("skip-phases"))
	}
	return r.Config.Skips()
}

// keepWritten syncs what kubeadm wrote to the disk, before the journal records it.
func (r *run) keepWritten() error {
	for _, dir := range []string{r.layout.Kubernetes(), filepath.Dir(r.layout.KubeletConfig())} {
		if !durable.Exists(dir) {
			continue
		}
		if err := r.layout.FS.SyncFS(dir); err != nil {
			return err
		}
	}
	return nil
}

// failedPhase finds the phase that a kubeadm gave up in
// (cmd/kubeadm/app/cmd/phases/workflow/runner.go).
var failedPhase = regexp.MustCompile(`(?m)^(?:error: )?error execution phase ([a-z/-]+): `)

// fromFailedPhase returns the step that continues where a failed kubeadm stopped: with the
// phase that failed and those after it. Where a request is lost now and then, going
// through all of them again can fail forever. A certificate key lives only in the
// process that made it, so with uploaded certificates all of it is done again.
func (r *run) fromFailedPhase(s plan.RunPhases, failure error) plan.RunPhases {
	var c *kubeadm.CommandError
	if !errors.As(failure, &c) || r.uploadsCerts() || r.joins() {
		return s
	}
	m := failedPhase.FindStringSubmatch(c.Tail)
	if m == nil {
		return s
	}
	phase, _, _ := strings.Cut(m[1], "/")
	if at := slices.Index(s.Keep, phase); at > 0 {
		s.Keep = append(joinNeeds(s.Keep[:at], s.Keep[at:]), s.Keep[at:]...)
	}
	return s
}

// joinNeeds are the phases without which kubeadm does not print its closing words
// ("unresolved dependencies"; phases/init/showjoincommand.go). The token is pinned,
// and without --upload-certs no certificate is uploaded.
func joinNeeds(done, rest []string) []string {
	if !slices.Contains(rest, "show-join-command") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(done), func(phase string) bool {
		return phase != "bootstrap-token" &&
			phase != "upload-certs"
	})
}

// uploadsCerts reports whether kubeadm makes a certificate key and shows it at the
// end: --upload-certs, or the flag's older name.
func (r *run) uploadsCerts() bool {
	for _, name := range []string{"upload-certs", "experimental-upload-certs"} {
		if r.Args.Bool(name) {
			return true
		}
	}
	return false
}
