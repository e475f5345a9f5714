package bootstrap

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// joinEtcd makes the board a member of etcd. kubeadm adds it, writes its manifest and promotes
// it; where it gave up in between, the list of members says what is still to be done. A member
// that was added is never added again.
func (r *run) joinEtcd(ctx context.Context, s plan.JoinEtcd, w *work) error {
	node, err := r.ownNode()
	if err != nil {
		return err
	}
	etcd := r.waiter.Etcd()
	defer etcd.Close()
	peer := "https://" + net.JoinHostPort(node.AdvertiseAddress, "2380")
	phases := plan.RunPhases{Name: "etcd", What: s.Title(), Keep: s.Keep, Attempts: 5}
	for ; ; w.attempts++ {
		// Also at first: an interrupted run may have come further than its journal.
		if r.etcdStarted() && etcd.Has(ctx, peer) {
			break
		}
		if err := r.patchEtcd(ctx, s, w); err != nil {
			return err
		}
		err := r.phasesOnce(ctx, phases, w)
		if err == nil {
			break
		}
		if ctx.Err() != nil || w.attempts >= phases.Attempts && !r.etcdStarted() {
			return err
		}
		r.note(s, fmt.Sprintf("kubeadm gave up: %s", kubeadm.Redact(kubeadm.ErrorLine(err))))
		if r.etcdStarted() {
			break
		}
		if err := await.Sleep(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	w.waited = plan.Etcd
	err = r.waiter.Member(ctx, s, etcd, peer, await.Listener{
		Seen: w.tell, Restarts: func(n int) { r.outcome.Restarts[plan.Etcd] = n },
	})
	if err != nil {
		return err
	}
	return r.keepWritten()
}

// etcdStarted reports whether the manifest of the board's etcd is there, and whole.
func (r *run) etcdStarted() bool {
	text, err := safefile.Read(r.layout.Manifest(plan.Etcd), state.MaxFile)
	if err != nil {
		return false
	}
	_, err = patch.Inspect(text)
	return err == nil
}

// patchEtcd has kubeadm write etcd's manifest with the plan's settings: it is given them as
// patches, found on a manifest that it writes elsewhere.
func (r *run) patchEtcd(ctx context.Context, s plan.JoinEtcd, w *work) error {
	if c := r.journal.Plan.Config; r.Cluster == nil || c == nil || !kubeadm.NamesPatches(c.API) {
		return nil
	}
	dir := r.layout.Upgrade()
	if err := r.layout.FS.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("patch etcd's manifest: %w", err)
	}
	if err := r.configureInit(r.Cluster, s.Startup); err != nil {
		return fmt.Errorf("patch etcd's manifest: %w", err)
	}
	err := kubeadm.InPlaceOf(dir, r.layout.Manifests(), func() error {
		return r.initPhase(ctx, w, "etcd", "local")
	})
	if err != nil {
		return err
	}
	if err := r.findPatches(dir, plan.Etcd, s.Settings, r.layout.Patches()); err != nil {
		return err
	}
	return r.passPatches()
}

// passPatches names the patches for etcd in kubeadm's configuration, in one folder with the
// owner's: what those set, ours leave alone.
func (r *run) passPatches() error {
	c, err := r.configCopy()
	if err != nil {
		return fmt.Errorf("patch etcd's manifest: %w", err)
	}
	to := r.layout.AllPatches()
	dirs := []string{r.layout.Patches()}
	if owners := c.For(kubeadm.Join).Own("patches", "directory"); owners != to {
		dirs = append(dirs, owners)
	}
	if err := r.unitePatches(dirs...); err != nil {
		return fmt.Errorf("patch etcd's manifest: %w", err)
	}
	c.SetOwn(r.journal.Plan.Config.API, to, "patches", "directory")
	return r.storeConfig(c)
}
