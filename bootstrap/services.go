package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// dropInName is our file in a unit's drop-in folder (systemd.unit(5)).
const dropInName = "50-kubeadm-arm.conf"

// runtimeUnits are systemd's names of container runtimes by the name of their
// process.
func runtimeUnits() map[string]string {
	return map[string]string{"containerd": "containerd", "crio": "crio", "dockerd": "docker"}
}

// dropIn is the path of our drop-in for a unit.
func (l Layout) dropIn(unit string) string {
	return filepath.Join(l.at("/etc/systemd/system"), unit+".service.d", dropInName)
}

// setSlack is what systemd runs when a unit has started, on 32-bit ARM. There
// TimerSlackNSec= sets what happens to be in a register: systemd hands 64 bits to
// prctl(2), which takes 32. Seen on Debian 12: 50 µs for one unit, 0.54 s for the
// other. Twice, since threads are made meanwhile.
const setSlack = `ExecStartPost=-/bin/sh -c 'for i in 1 2; do for t in $$(ls /proc/$MAINPID/task); do echo %d > /proc/$$t/timerslack_ns; done; done'` + "\n"

// dropInText is a drop-in's text for programs of an architecture, as Go names it
// (systemd.exec(5), TimerSlackNSec= and Environment=; systemd.service(5),
// ExecStartPost=).
func dropInText(arch string, slack time.Duration, env []plan.Variable) []byte {
	var b strings.Builder
	b.WriteString("# Written by kubeadm-arm init; kubeadm-arm reset removes it.\n[Service]\n")
	switch {
	case slack > 0 && arch == "arm":
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
	running := r.layout.processesNamed("containerd", "crio", "dockerd")
	if isFolder(r.layout.at("/etc/systemd/system")) {
		texts := map[string][]byte{"kubelet": dropInText(runtime.GOARCH, s.TimerSlack, s.Kubelet)}
		for name := range running {
			texts[runtimeUnits()[name]] = dropInText(runtime.GOARCH, s.TimerSlack, nil)
		}
		for unit, text := range texts {
			path := r.layout.dropIn(unit)
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
			if err := r.layout.setTimerSlack(pid, s.TimerSlack); err != nil {
				r.Tell(Event{Time: r.now(), Kind: Note, Number: r.number, Step: s.Title(),
					Detail: fmt.Sprintf("%s keeps its timers until it is started again: %v", name, err)})
			}
		}
	}
	return nil
}

// setTimerSlack changes every thread of a process; threads and processes made
// later inherit it (proc_pid_timerslack_ns(5), since Linux 4.6). A thread that
// ends meanwhile does not count.
func (l Layout) setTimerSlack(pid int, slack time.Duration) error {
	return l.setThreadsTimerSlack(l.threads(pid), slack)
}

// threads returns the ids of a process's threads.
func (l Layout) threads(pid int) []string {
	return numbersIn(filepath.Join(l.Proc(), strconv.Itoa(pid), "task"))
}

func (l Layout) setThreadsTimerSlack(threads []string, slack time.Duration) error {
	for _, t := range threads {
		err := writeKernelFile(filepath.Join(l.Proc(), t, "timerslack_ns"), strconv.FormatInt(slack.Nanoseconds(), 10))
		if err != nil && !ended(err) {
			return fmt.Errorf("set timer slack: %w", err)
		}
	}
	return nil
}

// ended tells whether an error says that a process is not there any more. A
// kernel without the file has it for no thread, and nothing can be done there.
func ended(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// processesNamed returns the ids of root's and its container runtimes' processes by
// name, as the kernel has it (comm).
func (l Layout) processesNamed(names ...string) map[string][]int {
	found := map[string][]int{}
	for _, id := range numbersIn(l.Proc()) {
		pid, err := strconv.Atoi(id)
		if err != nil {
			continue
		}
		comm, err := readKernelFile(filepath.Join(l.Proc(), id, "comm"))
		if err != nil {
			continue
		}
		name := strings.TrimSpace(string(comm))
		if !slices.Contains(names, name) {
			continue
		}
		p := process{PID: pid}
		if stat, err := readKernelFile(filepath.Join(l.Proc(), id, "stat")); err == nil {
			if parsed, err := parseStat(stat); err == nil {
				p = parsed
			}
		}
		if trusted(l.Proc(), p) {
			found[name] = append(found[name], pid)
		}
	}
	return found
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// untune takes back what tuneServices did to the container runtimes that run: 0
// stands for a thread's default (proc_pid_timerslack_ns(5)). What refused then
// may refuse now; it ends with the process.
func (l Layout) untune() {
	for _, pids := range l.processesNamed("containerd", "crio", "dockerd") {
		for _, pid := range pids {
			_ = l.setTimerSlack(pid, 0)
		}
	}
}

// removeDropIns takes our drop-ins away, and what they say from the runtimes that
// run, and returns their paths.
func (l Layout) removeDropIns() (removed []string, err error) {
	defer func() {
		if len(removed) > 0 {
			l.untune()
		}
	}()
	for _, unit := range []string{"kubelet", "containerd", "crio", "docker"} {
		path := l.dropIn(unit)
		if !fileExists(path) {
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
