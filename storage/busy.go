package storage

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/storage/users"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// services are those that work in the folders; the kubelet always, since it
// starts what works in them.
func services(folders []string) []string {
	all := []string{"kubelet"}
	under := func(top string) bool {
		return slices.ContainsFunc(folders, func(f string) bool { return tree.Inside(f, top) })
	}
	if under("/var/lib/docker") || under("/var/lib/containerd") {
		all = append(all, "docker.socket", "docker")
	}
	if under("/var/lib/containerd") {
		all = append(all, "containerd")
	}
	if under("/var/lib/containers") {
		all = append(all, "crio")
	}
	return all
}

// allServices are those that may have been stopped.
func allServices() []string { return services([]string{"/var/lib/containerd", "/var/lib/containers"}) }

// running are those of the services that systemd keeps running, also a kubelet
// that dies and is started again for want of a configuration.
func (b Board) running(ctx context.Context, folders []string) []string {
	var all []string
	for _, s := range services(folders) {
		out, _ := b.Run(ctx, "systemctl", "is-active", s)
		if state := strings.TrimSpace(string(out)); state == "active" || state == "activating" || state == "reloading" {
			all = append(all, s)
		}
	}
	return all
}

// podPatience is how long the processes of pods have to end after SIGTERM. An API
// server takes up to a minute to let its requests end.
const podPatience = 2 * time.Minute

// podProcesses are the processes that belong to a pod.
func podProcesses() []users.User {
	var all []users.User
	for _, pid := range users.PIDs("/proc") {
		dir := "/proc/" + strconv.Itoa(pid)
		text, err := safefile.Read(dir+"/cgroup", 1<<20)
		if err == nil && strings.Contains(string(text), "kubepods") {
			all = append(all, users.User{PID: pid, Name: users.Comm(dir)})
		}
	}
	return all
}

// stopPods ends the processes of all pods with SIGTERM and time, as the kubelet
// would. containerd still runs then and tidies up behind them. etcd and the pause
// programs go last: an API server that has lost its etcd waits for it in its own
// shutdown, and may not end at all.
func (b Board) stopPods(ctx context.Context, pods func() []users.User, patience time.Duration) error {
	now := pods()
	if len(now) == 0 {
		return nil
	}
	b.tell("stopping %d processes of pods", len(now))
	last := func(u users.User) bool { return u.Name == "etcd" || u.Name == "pause" }
	if err := b.endAll(ctx, func() []users.User { return slices.DeleteFunc(pods(), last) }, patience); err != nil {
		return err
	}
	return b.endAll(ctx, pods, patience)
}

// endAll ends processes, also those that are born meanwhile. Past its patience it
// kills API servers, which keep nothing of their own (the kubelet's grace is 30 s),
// and refuses because of anything else.
func (b Board) endAll(ctx context.Context, processes func() []users.User, patience time.Duration) error {
	asked := map[int]bool{}
	killed := map[int]bool{}
	end := time.Now().Add(patience)
	for now := processes(); len(now) > 0; now = processes() {
		for _, u := range now {
			if !asked[u.PID] {
				asked[u.PID] = true
				_ = syscall.Kill(u.PID, syscall.SIGTERM)
			}
		}
		if time.Now().After(end) {
			for _, u := range now {
				if u.Name != "kube-apiserver" || killed[u.PID] {
					return &RefusedError{Busy, fmt.Errorf("%s and %d other processes of pods do not end", u, len(now)-1),
						"end them, then repeat"}
				}
				b.tell("%s does not end after %s: killing it, it keeps no data", u, patience)
				killed[u.PID] = true
				_ = syscall.Kill(u.PID, syscall.SIGKILL)
			}
			end = time.Now().Add(patience)
		}
		if err := untilNextLook(ctx); err != nil {
			return err
		}
	}
	return nil
}

// untilNextLook waits until it is worth looking again at what ends by itself.
func untilNextLook(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(100 * time.Millisecond):
		return nil
	}
}

// quiet stops the services that work in the folders and refuses folders in use.
// What was stopped is in the journal before it is stopped.
func (b Board) quiet(ctx context.Context, j *journal, folders []string) error {
	running := b.running(ctx, folders)
	if len(running) > 0 {
		for _, s := range running {
			if !slices.Contains(j.Stopped, s) {
				j.Stopped = append(j.Stopped, s)
			}
		}
		if err := b.save(j); err != nil {
			return err
		}
		b.tell("stopping %s", strings.Join(running, ", "))
	}
	for i, s := range running {
		err := b.FS.Do("service", s, func() error {
			_, err := b.Run(ctx, "systemctl", "stop", s)
			return err
		})
		if err != nil {
			return fmt.Errorf("stop %s: %w", s, err)
		}
		if i == 0 {
			if err := b.stopPods(ctx, podProcesses, podPatience); err != nil {
				return err
			}
			if err := b.unmounted(ctx, folders, podPatience); err != nil {
				return err
			}
		}
	}
	return b.refuseBusy(ctx, folders)
}

// runtimeRoots is where containerd mounts its containers' root file systems.
const runtimeRoots = "/run/containerd/"

// unmounted waits until the container runtime has unmounted the root file systems of
// the containers that have ended, which lie in the folders. It is stopped next, and
// what it leaves stays mounted: it takes some time on a busy board. What an earlier
// containerd has left is unmounted here.
func (b Board) unmounted(ctx context.Context, folders []string, patience time.Duration) error {
	end := time.Now().Add(patience)
	for {
		m, err := readMounts()
		if err != nil {
			return err
		}
		left := m.containers(folders)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(end) {
			for _, at := range left {
				b.tell("unmounting %s, which no container uses any more", at)
				if _, err := b.Run(ctx, "umount", at); err != nil {
					return &RefusedError{Busy, fmt.Errorf("%s stays mounted: %w", at, err), "unmount it, then repeat"}
				}
			}
			return nil
		}
		if err := untilNextLook(ctx); err != nil {
			return err
		}
	}
}

// refuseBusy refuses folders that something works in or is mounted in.
func (b Board) refuseBusy(ctx context.Context, folders []string) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	for _, f := range folders {
		if below := m.below(f); len(below) > 0 {
			return &RefusedError{Busy, fmt.Errorf("%s cannot be moved: %s is mounted in it", f, below[0]),
				"stop what uses it, or begin after a restart of the board with: systemctl disable kubelet"}
		}
		if err := b.unused(ctx, f, f); err != nil {
			return err
		}
	}
	return nil
}

// unused refuses a folder, at a path, that somebody works in. name is what the
// owner calls it. A container's runtime lets go a moment after its last process.
func (b Board) unused(ctx context.Context, name, at string) error {
	if !durable.Exists(at) {
		return nil
	}
	var in []users.User
	for range 20 {
		m, err := readMounts()
		if err != nil {
			return err
		}
		if in, err = users.Of(ctx, "/proc", at, m.holding(at)); err != nil || len(in) == 0 {
			return err
		}
		if err := untilNextLook(ctx); err != nil {
			return err
		}
	}
	return &RefusedError{Busy, fmt.Errorf("%s is in use by %s", name, in[0]),
		"stop it, or unmount what it has mounted; then repeat"}
}

// startAgain starts what quiet stopped, in the reverse order.
func (b Board) startAgain(ctx context.Context, j *journal) error {
	for _, s := range slices.Backward(j.Stopped) {
		b.tell("starting %s", s)
		err := b.FS.Do("service", s, func() error {
			_, err := b.Run(ctx, "systemctl", "--no-block", "start", s)
			return err
		})
		if err != nil {
			return fmt.Errorf("start %s: %w", s, err)
		}
	}
	return nil
}
