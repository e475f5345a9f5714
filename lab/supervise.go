package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The board has no systemd. A supervisor keeps its two services, and the same
// program answers to the name systemctl with the few verbs that kubeadm and
// people use (cmd/kubeadm/app/util/initsystem/initsystem_unix.go).

const socketPath = "/run/lab-supervisor.sock"

// unit is one service.
type unit struct {
	name    string
	command func() []string
	// needs are files without which a start makes no sense yet.
	needs []string
	// pause between an end and the next start; kubeadm's drop-in for the
	// kubelet says RestartSec=10.
	pause time.Duration

	mu     sync.Mutex
	wanted bool
	proc   *os.Process
	wake   chan struct{}
}

func units() map[string]*unit {
	u := map[string]*unit{
		"containerd": {name: "containerd", pause: time.Second, command: func() []string { return []string{"containerd"} }},
		"kubelet":    {name: "kubelet", pause: 10 * time.Second, needs: []string{"/var/lib/kubelet/config.yaml"}, command: kubeletCommand},
	}
	for _, x := range u {
		x.wake = make(chan struct{}, 1)
	}
	return u
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
	_, value, _ := strings.Cut(strings.TrimSpace(string(text)), "=")
	return append(args, strings.Fields(strings.Trim(value, `"`))...)
}

// supervise keeps the services and serves the socket. It ends with the board.
func supervise() error {
	all := units()
	listener, err := net.Listen("unix", socketPath)
	if err != nil {
		return err
	}
	for _, u := range all {
		go u.keep()
	}
	all["containerd"].want(true)
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

func answer(all map[string]*unit, words []string) string {
	if len(words) != 2 || all[words[1]] == nil {
		return "unknown"
	}
	u := all[words[1]]
	switch words[0] {
	case "start":
		u.want(true)
	case "stop":
		u.want(false)
		u.waitEnded()
	case "restart":
		u.want(false)
		u.waitEnded()
		u.want(true)
	}
	return u.state()
}

func (u *unit) want(on bool) {
	u.mu.Lock()
	u.wanted = on
	if !on && u.proc != nil {
		_ = u.proc.Signal(syscall.SIGTERM)
	}
	u.mu.Unlock()
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *unit) waitEnded() {
	for range 300 {
		u.mu.Lock()
		gone := u.proc == nil
		u.mu.Unlock()
		if gone {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// state is in systemd's words.
func (u *unit) state() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.proc != nil:
		return "active"
	case u.wanted:
		return "activating"
	}
	return "inactive"
}

// keep starts the service whenever it is wanted and does not run.
func (u *unit) keep() {
	for {
		u.mu.Lock()
		start := u.wanted && u.ready()
		u.mu.Unlock()
		if !start {
			select {
			case <-u.wake:
			case <-time.After(500 * time.Millisecond):
			}
			continue
		}
		u.once()
		select {
		case <-u.wake:
		case <-time.After(u.pause):
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

func (u *unit) once() {
	log, err := os.OpenFile("/var/log/"+u.name+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer log.Close()
	args := u.command()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// As systemd's KillMode=process: containers outlive their runtime.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	u.mu.Lock()
	err = cmd.Start()
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
	u.mu.Unlock()
}

// systemctl is the other end. Exit codes are systemctl(1)'s: 3 for a service
// that is not active.
func systemctl(args []string) int {
	var words []string
	quiet := false
	for _, a := range args {
		if a == "--quiet" || a == "-q" {
			quiet = true
		}
		if !strings.HasPrefix(a, "-") {
			words = append(words, a)
		}
	}
	if len(words) == 0 {
		fmt.Fprintln(os.Stderr, "systemctl: this board knows start, stop, restart, status, is-active, is-enabled, enable, daemon-reload")
		return 1
	}
	if words[0] == "daemon-reload" || words[0] == "enable" {
		return 0
	}
	if len(words) < 2 {
		return 1
	}
	name := strings.TrimSuffix(words[1], ".service")
	if units()[name] == nil {
		if !quiet {
			fmt.Printf("Unit %s.service could not be found.\n", name)
		}
		return 4
	}
	if words[0] == "is-enabled" {
		fmt.Println("enabled")
		return 0
	}
	state, err := ask(words[0], name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "systemctl:", err)
		return 1
	}
	switch words[0] {
	case "is-active":
		if !quiet {
			fmt.Println(state)
		}
		if state != "active" {
			return 3
		}
	case "status":
		fmt.Printf("* %s.service\n     Loaded: loaded (lab; enabled)\n     Active: %s\n", name, state)
		if state != "active" {
			return 3
		}
	}
	return 0
}

func ask(verb, name string) (string, error) {
	c, err := net.Dial("unix", socketPath)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s %s\n", verb, name); err != nil {
		return "", err
	}
	text, err := io.ReadAll(c)
	return strings.TrimSpace(string(text)), err
}
