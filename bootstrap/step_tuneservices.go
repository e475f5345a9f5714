package bootstrap

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// runtimeUnits are systemd's names of container runtimes by the name of their
// process.
func runtimeUnits() map[string]string {
	return map[string]string{"containerd": "containerd", "crio": "crio", "dockerd": "docker"}
}

// setSlack is what systemd runs when a unit has started, on 32-bit ARM. There
// TimerSlackNSec= sets what happens to be in a register: systemd hands 64 bits to
// prctl(2), which takes 32. Seen on Debian 12: 50 µs for one unit, 0.54 s for the
// other. Twice, since threads are made meanwhile.
const setSlack = "ExecStartPost=-/bin/sh -c 'for i in 1 2; do for t in $$(ls /proc/$MAINPID/task); do " +
	"echo %d > /proc/$$t/timerslack_ns; done; done'\n"

// dropInText is a drop-in's text, on 32-bit ARM or elsewhere (systemd.exec(5), TimerSlackNSec= and Environment=;
// systemd.service(5),
// ExecStartPost=).
func dropInText(arm32 bool, slack time.Duration, env []plan.Variable) []byte {
	var b strings.Builder
	b.WriteString("# Written by kubeadm-arm init; kubeadm-arm reset removes it.\n[Service]\n")
	switch {
	case slack > 0 && arm32:
		fmt.Fprintf(&b, setSlack, slack.Nanoseconds())
	case slack > 0:
		fmt.Fprintf(&b, "TimerSlackNSec=%d\n", slack.Nanoseconds())
	}
	for _, v := range env {
		fmt.Fprintf(&b, "Environment=%s=%s\n", v.Name, v.Value)
	}
	return []byte(b.String())
}

// tuneServices writes drop-ins for the kubelet, which starts after this, and the
// container runtimes that run, and has the latter change at once: containers
// inherit their timer slack by way of the shims. None of it is needed for a
// cluster to work, so a kernel that refuses is only noted.
func (r *run) tuneServices(s plan.TuneServices) error {
	running := linux.Proc(r.layout.Proc()).Named("containerd", "crio", "dockerd")
	if isFolder(r.layout.At("/etc/systemd/system")) {
		texts := map[string][]byte{"kubelet": dropInText(r.ARM32, s.TimerSlack, s.Kubelet)}
		for name := range running {
			texts[runtimeUnits()[name]] = dropInText(r.ARM32, s.TimerSlack, nil)
		}
		for unit, text := range texts {
			path := r.layout.DropIn(unit)
			if err := r.layout.FS.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return fmt.Errorf("tune %s: %w", unit, err)
			}
			if err := r.layout.FS.WriteFile(path, text, 0o644); err != nil {
				return fmt.Errorf("tune %s: %w", unit, err)
			}
		}
	}
	// This process, too: kubeadm inherits from it.
	running["kubeadm-arm"] = []int{os.Getpid()}
	for name, pids := range running {
		for _, pid := range pids {
			if err := linux.Proc(r.layout.Proc()).SetTimerSlack(pid, s.TimerSlack); err != nil {
				r.note(s, fmt.Sprintf("%s keeps its timers until it is started again: %v", name, err))
			}
		}
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// untune undoes what tuneServices did to the container runtimes that run: 0 stands for a
// thread's default (proc_pid_timerslack_ns(5)). An error does not matter, as the setting
// ends with the process.
func untune(l state.Layout) {
	proc := linux.Proc(l.Proc())
	for _, pids := range proc.Named("containerd", "crio", "dockerd") {
		for _, pid := range pids {
			_ = proc.SetTimerSlack(pid, 0)
		}
	}
}

// removeDropIns removes our drop-ins, resets the runtimes that run, and returns the
// drop-ins' paths.
func removeDropIns(l state.Layout) (removed []string, err error) {
	defer func() {
		if len(removed) > 0 {
			untune(l)
		}
	}()
	for _, unit := range []string{"kubelet", "containerd", "crio", "docker"} {
		path := l.DropIn(unit)
		if !durable.Exists(path) {
			continue
		}
		if err := l.FS.Remove(path); err != nil {
			return removed, err
		}
		removed = append(removed, path)
		_ = os.Remove(filepath.Dir(path)) // only if nobody else has a drop-in there
	}
	return removed, nil
}
