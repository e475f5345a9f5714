package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/podlog"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/runner"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// switchManifests stops the control plane, copies etcd's data or puts an earlier copy in
// its place, and has other manifests staged. If it is interrupted before the one rename that switches them,
// the old ones are left, and it begins anew; after that rename it is done.
func (r *run) switchManifests(ctx context.Context, s plan.SwitchManifests, w *work) error {
	done, err := manifests.Are(r.layout, r.layout.At(s.From), s.All)
	if err != nil || done {
		return errors.Join(err, manifests.RemoveIncoming(r.layout), r.removeUnused(ctx, s))
	}
	if err := manifests.InstallUnit(r.layout, r.Program); err != nil {
		return err
	}
	w.tell("stopping the control plane")
	if err := r.stopAll(ctx, s, w); err != nil {
		return err
	}
	r.journal.LogsBefore = podlog.Next(r.layout.PodLogs())
	r.waiter.LogsBefore = r.journal.LogsBefore
	if s.Keep != "" {
		if err := r.keepData(ctx, s, w); err != nil {
			return err
		}
	}
	if s.Back != "" {
		if err := r.restoreData(s); err != nil {
			return err
		}
	}
	return manifests.Switch(r.layout, r.layout.At(s.From), s.All)
}

// stopPatience is how long a control plane may take to end. The kubelet kills after 30 s
// of grace, but on a slow board it is late itself.
const stopPatience = 10 * time.Minute

// stopAll stages every component and waits for its end, those that need others first. etcd
// has to outlive the API server: that does not end by itself without it, and is killed after 30 s.
func (r *run) stopAll(ctx context.Context, s plan.SwitchManifests, w *work) error {
	var etcd, others []string
	for _, c := range slices.Backward(plan.Components()) {
		switch {
		case !slices.Contains(s.All, c):
		case c == plan.Etcd:
			etcd = append(etcd, c)
		default:
			others = append(others, c)
		}
	}
	for _, group := range [][]string{others, etcd} {
		for _, c := range group {
			if err := manifests.Stage(r.layout, c); err != nil {
				return err
			}
		}
		if err := r.awaitEnd(ctx, group, s, w); err != nil {
			return err
		}
	}
	return nil
}

// awaitEnd waits until components' processes are gone, and nobody has etcd's database open.
func (r *run) awaitEnd(ctx context.Context, components []string, s plan.SwitchManifests, w *work) error {
	var names []string
	for _, c := range components {
		names = append(names, manifests.ProcessName(c))
	}
	for began := r.now(); len(names) > 0; {
		running := linux.Proc(r.layout.Proc()).Named(names...)
		held := s.Data != "" && slices.Contains(components, plan.Etcd) && inUse(r.dataFile(s))
		if len(running) == 0 && !held {
			return nil
		}
		var left []string
		for name := range running {
			left = append(left, name)
		}
		slices.Sort(left)
		if r.now().Sub(began) > stopPatience {
			return fmt.Errorf("stop the control plane: after %s these still run: %s", stopPatience, strings.Join(left, ", "))
		}
		w.tell("waiting for the end of " + strings.Join(left, ", "))
		if err := await.Sleep(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// dataFile is etcd's database (go.etcd.io/etcd/server/v3/storage/datadir).
func (r *run) dataFile(s plan.SwitchManifests) string {
	return filepath.Join(r.layout.At(s.Data), member, "snap", "db")
}

// member is the folder in etcd's data folder that holds all its data.
const member = "member"

// inUse reports whether a process has a database open: bbolt locks it with flock(2).
func inUse(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// keepData copies etcd's data. A copy of an interrupted run is older than what etcd has
// written since.
func (r *run) keepData(ctx context.Context, s plan.SwitchManifests, w *work) error {
	data, keep := r.layout.At(s.Data), filepath.Join(r.layout.At(s.Data), s.Keep)
	bytes, _, err := tree.Usage(ctx, filepath.Join(data, member))
	if err != nil {
		return fmt.Errorf("copy etcd's data: %w", err)
	}
	w.tell(fmt.Sprintf("copying etcd's data, %.1f MB, and reading the copy again", float64(bytes)/1e6))
	if err := tree.Remove(ctx, r.layout.FS, keep); err != nil {
		return fmt.Errorf("copy etcd's data: %w", err)
	}
	if err := r.layout.FS.MkdirAll(keep, 0o700); err != nil {
		return fmt.Errorf("copy etcd's data: %w", err)
	}
	_, err = tree.Copy(ctx, r.layout.FS, runner.Exec, filepath.Join(data, member), filepath.Join(keep, member))
	return err
}

// removeUnused removes a copy of an upgrade that never switched manifests.
func (r *run) removeUnused(ctx context.Context, s plan.SwitchManifests) error {
	unused := filepath.Join(r.layout.At(s.Data), s.Back)
	if s.Back == "" || durable.Exists(filepath.Join(unused, newer)) {
		return nil
	}
	return tree.Remove(ctx, r.layout.FS, unused)
}

// newer is the name of the data that a copy has replaced.
const newer = "newer"

// restoreData has the copy take the place of etcd's data, which stays beside it. It can
// be interrupted after each rename.
func (r *run) restoreData(s plan.SwitchManifests) error {
	data := r.layout.At(s.Data)
	now, back := filepath.Join(data, member), filepath.Join(data, s.Back, member)
	if !durable.Exists(back) {
		return nil // it is in place
	}
	aside := filepath.Join(data, s.Back, newer)
	if durable.Exists(now) {
		if durable.Exists(aside) {
			return fmt.Errorf("put etcd's data back: %s and %s are both there", now, aside)
		}
		if err := r.layout.FS.Rename(now, aside); err != nil {
			return fmt.Errorf("put etcd's data back: %w", err)
		}
	}
	if err := r.layout.FS.Rename(back, now); err != nil {
		return fmt.Errorf("put etcd's data back: %w", err)
	}
	return nil
}
