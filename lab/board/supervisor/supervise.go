// Package supervisor takes the place of systemd on boards of namespaces: it keeps
// containerd and the kubelet running, and answers to the names systemctl and journalctl.
package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The board has no systemd. A supervisor keeps its two services, and the same
// program answers to the name systemctl (systemctl.go).

// Socket is where the supervisor listens on the board.
const Socket = "/run/lab/supervisor.sock"

// unit is one service.
type unit struct {
	name    string
	log     string
	command func() []string
	// needs are files without which a start makes no sense yet.
	needs []string
	// pause between an end and the next start; kubeadm's drop-in for the
	// kubelet says RestartSec=10.
	pause time.Duration

	mu       sync.Mutex
	wanted   bool
	enabled  bool
	proc     *os.Process
	restarts int
	wake     chan struct{}
}

func units() map[string]*unit {
	return map[string]*unit{
		"containerd": {name: "containerd", log: logPath("containerd"), pause: time.Second, enabled: true,
			wake:    make(chan struct{}, 1),
			command: func() []string { return []string{"containerd"} }},
		"kubelet": {name: "kubelet", log: logPath("kubelet"), pause: 10 * time.Second, enabled: true,
			wake:  make(chan struct{}, 1),
			needs: []string{"/var/lib/kubelet/config.yaml"}, command: kubeletCommand},
	}
}

// kubeletCommand is kubeadm's drop-in 10-kubeadm.conf: the flags that it wrote
// come in by /var/lib/kubelet/kubeadm-flags.env.
func kubeletCommand() []string {
	args := []string{"kubelet", "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
		"--kubeconfig=/etc/kubernetes/kubelet.conf", "--config=/var/lib/kubelet/config.yaml"}
	text, err := os.ReadFile("/var/lib/kubelet/kubeadm-flags.env")
	if err != nil {
		return args
	}
	return append(args, parseFlagsEnv(string(text))...)
}

// parseFlagsEnv reads kubeadm-flags.env: KUBELET_KUBEADM_ARGS="--a=b --c=d"
// (cmd/kubeadm/app/phases/kubelet/flags.go).
func parseFlagsEnv(text string) []string {
	_, value, _ := strings.Cut(strings.TrimSpace(text), "=")
	return strings.Fields(strings.Trim(value, `"`))
}

// mountFstab mounts what the board's fstab lists, as a boot does. What cannot be
// mounted keeps no board from starting.
func mountFstab() {
	if info, err := os.Stat("/etc/fstab"); err != nil || info.Size() == 0 {
		return
	}
	if out, err := exec.Command("mount", "-a").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "mount -a: %v: %s\n", err, out)
	}
}

// Run keeps the services and serves the socket. It ends with the board.
func Run() error {
	all := units()
	name, err := unix.BytePtrFromString("lab-supervise")
	if err != nil {
		return err
	}
	// What ps shows; the name of /proc/self/exe says nothing.
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0); err != nil {
		return err
	}
	if err := os.MkdirAll("/run/lab", 0o755); err != nil {
		return err
	}
	mountFstab()
	listener, err := net.Listen("unix", Socket)
	if err != nil {
		return err
	}
	for _, u := range all {
		go u.keep()
	}
	all["containerd"].want(true)
	// On a board that was up before, the kubelet is enabled and starts with it.
	if _, err := os.Stat("/var/lib/kubelet/config.yaml"); err == nil {
		all["kubelet"].want(true)
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			line, err := bufio.NewReader(c).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return
			}
			fmt.Fprintln(c, answer(all, strings.Fields(line)))
		}()
	}
}

// answer does what a line of the socket says, VERB UNIT, and returns the unit's
// state: active state, process id, restarts.
func answer(all map[string]*unit, words []string) string {
	if len(words) != 2 || all[words[1]] == nil {
		return "unknown 0 0 disabled"
	}
	u := all[words[1]]
	switch words[0] {
	case "start":
		u.want(true)
		u.waitStarted()
	case "stop":
		u.want(false)
		u.waitEnded()
	case "restart":
		u.want(false)
		u.waitEnded()
		u.want(true)
		u.waitStarted()
	case "enable", "disable":
		u.mu.Lock()
		u.enabled = words[0] == "enable"
		u.mu.Unlock()
	}
	return u.state()
}

func (u *unit) want(on bool) {
	u.mu.Lock()
	u.wanted = on
	if on {
		u.restarts = 0
	} else if u.proc != nil {
		_ = u.proc.Signal(syscall.SIGTERM)
	}
	u.mu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// waitEnded waits for a stopped service; after 90 s, systemd's DefaultTimeoutStopSec,
// it is killed.
func (u *unit) waitEnded() {
	deadline := time.Now().Add(90 * time.Second)
	for {
		u.mu.Lock()
		gone := u.proc == nil
		if !gone && time.Now().After(deadline) {
			_ = u.proc.Kill()
		}
		u.mu.Unlock()
		if gone {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// waitStarted waits for the process to be there, as systemctl does for a
// service of Type=simple; not when it lacks what it needs.
func (u *unit) waitStarted() {
	for range 50 {
		u.mu.Lock()
		there := u.proc != nil || !u.ready()
		u.mu.Unlock()
		if there {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (u *unit) state() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	state, pid, enabled := "inactive", 0, "disabled"
	switch {
	case u.proc != nil:
		state, pid = "active", u.proc.Pid
	case u.wanted:
		state = "activating"
	}
	if u.enabled {
		enabled = "enabled"
	}
	return fmt.Sprintf("%s %d %d %s", state, pid, u.restarts, enabled)
}

// keep starts the service whenever it is wanted and does not run.
func (u *unit) keep() {
	for {
		u.mu.Lock()
		wanted := u.wanted
		u.mu.Unlock()
		switch {
		case !wanted:
			<-u.wake
		case !u.ready():
			// Its files come without a word.
			select {
			case <-u.wake:
			case <-time.After(500 * time.Millisecond):
			}
		default:
			// Whoever woke this up did so for the start that is to come.
			select {
			case <-u.wake:
			default:
			}
			u.once()
			select {
			case <-u.wake:
			case <-time.After(u.pause):
			}
		}
	}
}

func (u *unit) ready() bool {
	for _, path := range u.needs {
		if _, err := os.Stat(path); err != nil {
			return false
		}
	}
	return true
}

// once runs the service until it ends.
func (u *unit) once() {
	log, err := os.OpenFile(u.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer log.Close()
	args := u.command()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// As with systemd's KillMode=process, containers outlive their runtime.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	u.mu.Lock()
	if !u.wanted {
		// Stopped in the meantime.
		u.mu.Unlock()
		return
	}
	err = startTuned(cmd, readDropIns("/", u.name))
	if err == nil {
		u.proc = cmd.Process
	}
	u.mu.Unlock()
	if err == nil {
		err = cmd.Wait()
	}
	fmt.Fprintf(log, "%s %s ended: %v\n", time.Now().UTC().Format(time.RFC3339), u.name, err)
	u.mu.Lock()
	u.proc = nil
	if u.wanted {
		u.restarts++
	}
	u.mu.Unlock()
}

// startTuned starts a service with what its drop-ins say. A process inherits the
// timer slack of the thread that started it.
func startTuned(cmd *exec.Cmd, d dropIns) error {
	cmd.Env = append(os.Environ(), d.env...)
	if d.slack > 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(d.slack.Nanoseconds()), 0, 0, 0); err != nil {
			return fmt.Errorf("set timer slack: %w", err)
		}
		defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }()
	}
	return cmd.Start()
}

func logPath(unit string) string { return "/var/log/" + unit + ".log" }
