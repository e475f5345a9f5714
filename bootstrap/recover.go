package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// checkAgain looks once more under the lock: between the first look and the
// lock another run may have begun, ended or both.
func (r *run) checkAgain() error {
	j, err := Check(r.layout, r.Check)
	if err != nil {
		return err
	}
	if (j == nil) != (r.Resume == nil) || j != nil && (j.Done != r.Resume.Done || j.Begun != r.Resume.Begun) {
		return &RefusedError{Locked, errors.New("another kubeadm-arm was at work on this board meanwhile"), "look what it did with: kubeadm-arm status"}
	}
	return nil
}

// prepare writes the first journal and kubeadm's configuration.
func (r *run) prepare(ctx context.Context) error {
	r.layout.removeTemps()
	if r.Resume != nil {
		r.journal = r.Resume
	} else {
		kept, omitted := keepArgs(r.Args)
		before, err := r.layout.files()
		if err != nil {
			return err
		}
		r.journal = &Journal{Version: journalVersion, Started: r.now(), Request: r.Check.Request, Plan: r.Plan,
			Args: kept, Omitted: omitted, Board: r.Check.Board, Before: before, LogsBefore: r.layout.podLogsSoFar(), Written: map[string]string{},
			Kubeadm: r.Kubeadm, KubeadmVersion: r.Behaviour.Version.String()}
	}
	r.journal.Writer = r.layout.me()
	if staged, err := r.layout.staged(); err == nil {
		r.journal.Staged = staged
	}
	if err := r.journal.write(r.layout); err != nil {
		return err
	}
	for _, c := range plan.Components() {
		if err := r.layout.settle(c); err != nil {
			return err
		}
	}
	if r.Resume != nil && r.journal.Begun {
		if err := r.sweep(); err != nil {
			return err
		}
	}
	if err := r.stageAgain(ctx); err != nil {
		return err
	}
	if r.Plan.Config == nil || r.journal.Done == len(r.journal.Plan.Steps) {
		return nil
	}
	if r.Resume != nil && fileExists(r.layout.ConfigCopy()) {
		return nil // the token in it may be in the cluster already
	}
	if r.Resume != nil && len(r.journal.Omitted) > 0 {
		for _, name := range r.journal.Omitted {
			if _, ok := r.Args.Get(name); !ok {
				return &RefusedError{BadJournal, fmt.Errorf("%s is gone, and with it the value of --%s", r.layout.ConfigCopy(), name),
					"repeat the same kubeadm-arm init with all its flags to go on"}
			}
		}
	}
	return r.writeConfig()
}

// stageAgain restores what an interrupted run had staged and put back when it
// ended: every manifest that was staged and whose release is still to come. Once
// the API server is healthy nothing is gained by it any more, and one that is
// starting has work behind it that a second start would throw away.
func (r *run) stageAgain(ctx context.Context) error {
	var again []string
	staged := false
	for i, s := range r.journal.Plan.Steps {
		switch s := s.(type) {
		case plan.StageManifests:
			staged = i < r.journal.Done
		case plan.ReleaseManifest:
			if staged && i >= r.journal.Done {
				again = append(again, s.Component)
			}
		}
	}
	if len(again) == 0 || r.healthyNow(ctx, plan.APIServer) {
		return nil
	}
	if err := r.layout.installUnit(r.Program); err != nil {
		return err
	}
	for _, c := range again {
		if _, runs := r.processes.Newest(c); runs && c == plan.APIServer && fileExists(r.layout.Manifest(c)) {
			continue
		}
		if err := r.layout.stage(c); err != nil {
			return err
		}
	}
	return nil
}

// healthyNow asks a component once.
func (r *run) healthyNow(ctx context.Context, component string) bool {
	if !fileExists(r.layout.Manifest(component)) {
		return false
	}
	p, err := r.proberFor(component, patienceOf(plan.AwaitHealthy{}))
	if err != nil {
		return false
	}
	defer p.close()
	return p.ask(ctx).Reach == ReachHealthy
}

// putBack releases everything that is staged when a run ends badly.
func (r *run) putBack() error {
	released, err := r.layout.releaseAll()
	r.outcome.Released = released
	if err != nil {
		return fmt.Errorf("put staged manifests back: %w", err)
	}
	if len(r.layout.stagedNow()) == 0 {
		return r.layout.removeUnit()
	}
	return nil
}

// keepWritten has on the disk what kubeadm wrote, before the journal says that
// it did.
func (r *run) keepWritten() error {
	for _, dir := range []string{r.layout.Kubernetes(), filepath.Dir(r.layout.KubeletConfig())} {
		if !fileExists(dir) {
			continue
		}
		if err := r.layout.FS.SyncFS(dir); err != nil {
			return err
		}
	}
	return nil
}

// record puts hashes of what the steps so far have written into the journal.
func (r *run) record() {
	r.journal.Written = map[string]string{}
	if h := hashFile(r.layout.ConfigCopy()); h != "" {
		r.journal.Written[r.layout.ConfigCopy()] = h
	}
	for _, c := range plan.Components() {
		for _, path := range r.manifestPlaces(c) {
			if h := hashFile(path); h != "" {
				// Under the name it belongs to, wherever it waits.
				r.journal.Written[r.layout.Manifest(c)] = h
			}
		}
	}
}

// discardTorn removes manifests that a failing kubeadm left half written: it
// writes them in place, and the kubelet would read them.
func (r *run) discardTorn() {
	for _, c := range plan.Components() {
		path := r.layout.Manifest(c)
		text, err := safefile.Read(path, maxFile)
		if err != nil || r.wasThere(path) {
			continue
		}
		if _, err := patch.Inspect(text); err != nil {
			_ = r.layout.FS.Remove(path)
		}
	}
}

// files lists the files below /etc/kubernetes that are not ours, by path below
// that folder. What cannot be read is not listed, and then not touched either: sweep
// reads a file before it removes it.
func (l Layout) files() ([]string, error) {
	all, err := safefile.Files(l.Kubernetes(), maxListed)
	if err != nil {
		return nil, err
	}
	ours := filepath.Base(l.State()) + "/"
	return slices.DeleteFunc(all, func(path string) bool { return strings.HasPrefix(path, ours) }), nil
}

func (r *run) wasThere(path string) bool {
	rel, err := filepath.Rel(r.layout.Kubernetes(), path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return true
	}
	for _, b := range r.journal.Before {
		if b == rel {
			return true
		}
	}
	return false
}

// tidy removes what only a run needs. The copy of the configuration with its
// secrets and the lock go before the journal, so that they are never left behind: as
// long as there is a journal, a repetition comes here again. Who takes the lock
// meanwhile finds a run with nothing left to do.
func (l Layout) tidy() error {
	if err := l.removeUnit(); err != nil {
		return fmt.Errorf("tidy up: %w", err)
	}
	for _, path := range []string{l.ConfigCopy(), l.Lock(), l.Journal()} {
		if err := l.FS.Remove(path); err != nil {
			return fmt.Errorf("tidy up: %w", err)
		}
	}
	l.removeTemps()
	l.removeStagedFolders()
	// Goes only when it is empty.
	_ = os.Remove(l.State())
	return nil
}
