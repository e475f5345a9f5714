package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// While the API server starts, the kubelet has nothing to do that could succeed,
// and does it without rest: it asks for its node, its lease and its pods, lists
// containers every second and reads their figures. On a board with one slow core
// that is a third of the CPU, and some of the API server's deadlines cannot be
// moved, such as the minute for its first check of service addresses
// (pkg/registry/core/rest/storage_core.go). So the kubelet is stopped
// (SIGSTOP, signal(7)) once the API server's process runs, and goes on as soon as
// that is healthy or gone.

// A Stopper stops a process until letGo is called. The process goes on also when
// this program ends without calling it.
type Stopper func(pid int) (letGo func(), err error)

// guard waits for the end of its input, which is this program's end or letGo,
// whichever comes first. Signals of a terminal or of systemd are not for it.
const guard = `trap '' HUP INT QUIT TERM; read -r _; kill -CONT "$1"`

// HoldProcess is the Stopper of a real board.
func HoldProcess(pid int) (letGo func(), err error) {
	cmd := exec.Command("/bin/sh", "-c", guard, "kubeadm-arm-guard", strconv.Itoa(pid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("hold process %d: %w", pid, err)
	}
	letGo = func() {
		_ = pipe.Close()
		_ = cmd.Wait()
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		letGo()
		return nil, fmt.Errorf("hold process %d: %w", pid, err)
	}
	return letGo, nil
}

// stillness holds the kubelet while the API server starts.
type stillness struct {
	layout Layout
	hold   Stopper // nil: the kubelet is left alone
	tell   func(string)

	letGo  func()
	server int   // the API server's process when it was seen last
	etcd   []int // etcd's when the kubelet was stopped
}

// see takes what one look at the API server found: whether it is on its way to
// becoming healthy, and its process.
func (s *stillness) see(starting bool, pid int) {
	if s.hold == nil {
		return
	}
	if s.letGo != nil {
		if !starting || pid != s.server || !s.etcdLives() {
			s.end()
		}
	} else if starting && pid == s.server {
		// Seen twice: what the kubelet does when a container has started is done.
		s.begin()
	}
	s.server = 0
	if starting {
		s.server = pid
	}
}

func (s *stillness) begin() {
	found := s.layout.processesNamed("kubelet", "etcd")
	if len(found["kubelet"]) != 1 || fileExists(s.layout.Manifest(plan.Etcd)) && len(found["etcd"]) == 0 {
		return
	}
	kubelet := found["kubelet"][0]
	if s.watched(kubelet) {
		s.tell("the kubelet goes on while the API server starts: systemd would end it if it stood still (WatchdogSec=)")
		s.hold = nil
		return
	}
	letGo, err := s.hold(kubelet)
	if err != nil {
		s.tell(fmt.Sprintf("the kubelet goes on while the API server starts: %v", err))
		s.hold = nil
		return
	}
	s.letGo, s.etcd = letGo, found["etcd"]
}

// watched tells whether systemd wants regular words from a process
// (sd_watchdog_enabled(3)).
func (s *stillness) watched(pid int) bool {
	environ, err := os.ReadFile(filepath.Join(s.layout.Proc(), strconv.Itoa(pid), "environ"))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	return bytes.HasPrefix(environ, []byte("WATCHDOG_USEC=")) || bytes.Contains(environ, []byte("\x00WATCHDOG_USEC="))
}

// etcdLives tells whether etcd is as it was: only a kubelet can start it again.
func (s *stillness) etcdLives() bool {
	for _, pid := range s.etcd {
		if !fileExists(filepath.Join(s.layout.Proc(), strconv.Itoa(pid))) {
			return false
		}
	}
	return true
}

// end has the kubelet go on, if it was stopped.
func (s *stillness) end() {
	if s.letGo != nil {
		s.letGo()
		s.letGo = nil
	}
}
