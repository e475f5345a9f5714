package storage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// user is a process that has files of a folder open.
type user struct {
	pid  int
	name string
}

func (u user) String() string { return fmt.Sprintf("%s (pid %d)", u.name, u.pid) }

// users are the processes that work in a folder: with a file or folder of it
// open, mapped or as their working folder, or in a container that has it mounted.
func users(proc, folder string, m mounts) []user {
	var all []user
	on := m.holding(folder)
	for _, pid := range pids(proc) {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		if pid != os.Getpid() && (hasOpen(dir, folder) || on != nil && container(dir) && mountsOf(dir, on, folder)) {
			all = append(all, user{pid, comm(dir)})
		}
	}
	return all
}

func pids(proc string) []int {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil
	}
	var all []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

func comm(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "comm"))
	if err != nil {
		return "a process"
	}
	return strings.TrimSpace(string(text))
}

// hasOpen looks at the links in /proc/PID (proc_pid_fd(5) and others) and at
// what is mapped. Another container may have a folder of that name of its own:
// what counts must lie on the same file system.
func hasOpen(dir, folder string) bool {
	var here, there unix.Stat_t
	if unix.Stat(folder, &here) != nil {
		return false
	}
	links := []string{filepath.Join(dir, "cwd"), filepath.Join(dir, "root"), filepath.Join(dir, "exe")}
	for _, more := range []string{"fd", "map_files"} {
		entries, _ := os.ReadDir(filepath.Join(dir, more))
		for _, e := range entries {
			links = append(links, filepath.Join(dir, more, e.Name()))
		}
	}
	for _, l := range links {
		to, err := os.Readlink(l)
		if err == nil && inside(to, folder) && unix.Stat(l, &there) == nil && there.Dev == here.Dev {
			return true
		}
	}
	return false
}

// inside tells whether a path is a folder or below it.
func inside(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

// container tells whether a process belongs to a pod or a container of docker.
func container(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	return err == nil && (strings.Contains(string(text), "kubepods") || strings.Contains(string(text), "docker"))
}

// mountsOf tells whether a process's own mounts show a folder.
func mountsOf(dir string, on *mountinfo.Info, folder string) bool {
	f, err := os.Open(filepath.Join(dir, "mountinfo"))
	if err != nil {
		return false
	}
	defer f.Close()
	root := filepath.Join(on.Root, strings.TrimPrefix(folder, on.Mountpoint))
	all, err := mountinfo.GetMountsFromReader(f, nil)
	return err == nil && slices.ContainsFunc(all, func(i *mountinfo.Info) bool {
		return i.Major == on.Major && i.Minor == on.Minor && inside(i.Root, root)
	})
}

// services are those that work in the folders; the kubelet always, since it
// starts what works in them.
func services(folders []string) []string {
	all := []string{"kubelet"}
	under := func(top string) bool {
		return slices.ContainsFunc(folders, func(f string) bool { return inside(f, top) })
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
func podProcesses() []user {
	var all []user
	for _, pid := range pids("/proc") {
		dir := "/proc/" + strconv.Itoa(pid)
		text, err := os.ReadFile(dir + "/cgroup")
		if err == nil && strings.Contains(string(text), "kubepods") {
			all = append(all, user{pid, comm(dir)})
		}
	}
	return all
}

// stopPods ends the processes of all pods with SIGTERM and time, as the kubelet
// would. containerd still runs then and tidies up behind them. etcd and the pause
// programs go last: an API server that has lost its etcd waits for it in its own
// shutdown, and may not end at all.
func (b Board) stopPods(ctx context.Context, pods func() []user, patience time.Duration) error {
	now := pods()
	if len(now) == 0 {
		return nil
	}
	b.tell("stopping %d processes of pods", len(now))
	last := func(u user) bool { return u.name == "etcd" || u.name == "pause" }
	if err := b.endAll(ctx, func() []user { return slices.DeleteFunc(pods(), last) }, patience); err != nil {
		return err
	}
	return b.endAll(ctx, pods, patience)
}

// endAll ends processes, also those that are born meanwhile. Past its patience it
// kills API servers, which keep nothing of their own (the kubelet's grace is 30 s),
// and refuses because of anything else.
func (b Board) endAll(ctx context.Context, processes func() []user, patience time.Duration) error {
	asked := map[int]bool{}
	killed := map[int]bool{}
	end := time.Now().Add(patience)
	for now := processes(); len(now) > 0; now = processes() {
		for _, u := range now {
			if !asked[u.pid] {
				asked[u.pid] = true
				_ = syscall.Kill(u.pid, syscall.SIGTERM)
			}
		}
		if time.Now().After(end) {
			for _, u := range now {
				if u.name != "kube-apiserver" || killed[u.pid] {
					return &RefusedError{Busy, fmt.Errorf("%s and %d other processes of pods do not end", u, len(now)-1), "end them, then repeat"}
				}
				b.tell("%s does not end after %s: killing it, it keeps no data", u, patience)
				killed[u.pid] = true
				_ = syscall.Kill(u.pid, syscall.SIGKILL)
			}
			end = time.Now().Add(patience)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
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
		}
	}
	return b.refuseBusy(folders)
}

// refuseBusy refuses folders that something works in or is mounted in.
func (b Board) refuseBusy(folders []string) error {
	m, err := readMounts()
	if err != nil {
		return err
	}
	for _, f := range folders {
		if below := m.below(f); len(below) > 0 {
			return &RefusedError{Busy, fmt.Errorf("%s cannot be moved: %s is mounted in it", f, below[0]), "stop what uses it, or begin after a restart of the board with: systemctl disable kubelet"}
		}
		// A container's runtime lets go a moment after its last process.
		var in []user
		for range 20 {
			if in = users("/proc", f, m); len(in) == 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if len(in) > 0 {
			return &RefusedError{Busy, fmt.Errorf("%s is in use by %s", f, in[0]), "stop it, then repeat"}
		}
	}
	return nil
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
