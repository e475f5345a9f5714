package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
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

// And the API server's threads get long turns meanwhile. When it begins to serve,
// some eighty of its own parts dial it at once, each with a full handshake against
// a certificate with an RSA-2048 key, which nothing can change (apiserver,
// pkg/server/options/serving_with_loopback.go). The first connection would do for
// all of them, but Go's scheduler gives each handshake 10 ms in turn, so that all
// are done at the same time: after more than their 10 s on an ARMv6 board, and then
// all are dialled again. What ends a turn is a thread of Go's runtime that sleeps up
// to 10 ms (sysmon, runtime/proc.go); with timers that may be this much late a
// handshake is done in one turn.
const longTurns = 300 * time.Millisecond

// stillness holds the kubelet while the API server starts.
type stillness struct {
	layout Layout
	hold   Stopper // nil: the kubelet is left alone
	tell   func(string)

	// longTurns says to give the API server's threads long turns.
	longTurns bool

	pause  *Pause // nil: the kubelet runs
	server int    // the API server's process when it was seen last
	etcd   []int  // etcd's when the kubelet was stopped
	// was is the timer slack that the API server's process turns had before.
	turns int
	was   time.Duration
	// given are the threads that have long turns.
	given map[string]bool
}

// see takes what one look at the API server found: whether it is on its way to
// becoming healthy, and its process.
func (s *stillness) see(starting bool, pid int) {
	s.renew()
	again := starting && pid == s.server
	if !again || s.pause != nil && !s.etcdLives() {
		s.end()
	}
	s.server = 0
	if !starting {
		return
	}
	s.server = pid
	s.giveTurns(pid)
	// Seen twice: what the kubelet does when a container has started is done.
	if again && s.pause == nil && s.hold != nil {
		s.begin()
	}
}

// renew keeps a pause going.
func (s *stillness) renew() {
	if s.pause != nil {
		s.pause.Renew()
	}
}

// wanted tells whether the kubelet is still to be held.
func (s *stillness) wanted() bool { return s.hold != nil && s.pause == nil }

func (s *stillness) proc() linux.Proc { return linux.Proc(s.layout.Proc()) }

func (s *stillness) begin() {
	found := s.proc().Named("kubelet", "etcd")
	if len(found["kubelet"]) != 1 || fileExists(s.layout.Manifest(plan.Etcd)) && len(found["etcd"]) == 0 {
		return
	}
	kubelet := found["kubelet"][0]
	if s.watched(kubelet) {
		s.tell("the kubelet goes on while the API server starts: systemd would end it if it stood still (WatchdogSec=)")
		s.hold = nil
		return
	}
	pause, err := s.hold(kubelet)
	if err != nil {
		s.tell(fmt.Sprintf("the kubelet goes on while the API server starts: %v", err))
		s.hold = nil
		return
	}
	s.pause, s.etcd = &pause, found["etcd"]
}

// watched tells whether systemd wants regular words from a process
// (sd_watchdog_enabled(3)).
func (s *stillness) watched(pid int) bool {
	environ, err := safefile.Read(filepath.Join(s.layout.Proc(), strconv.Itoa(pid), "environ"), maxFile)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	return bytes.HasPrefix(environ, []byte("WATCHDOG_USEC=")) || bytes.Contains(environ, []byte("\x00WATCHDOG_USEC="))
}

// etcdLives tells whether etcd is as it was: only a kubelet can start it again.
func (s *stillness) etcdLives() bool {
	for _, pid := range s.etcd {
		if !s.proc().Exists(pid) {
			return false
		}
	}
	return true
}

// giveTurns makes the timers of the API server's threads late. A kernel before
// Linux 4.6 cannot, and then it starts as it did.
func (s *stillness) giveTurns(pid int) {
	if !s.longTurns {
		return
	}
	if s.turns == 0 {
		was, err := s.proc().TimerSlack(pid)
		if err != nil {
			return
		}
		if was >= longTurns {
			was = 0 // left by a run that was killed; 0 is a thread's default
		}
		s.turns, s.was, s.given = pid, was, map[string]bool{}
	}
	// A thread has its maker's: whoever was made by one that had not yet got its own
	// is found the next time.
	var others []string
	for _, t := range s.proc().Threads(pid) {
		if !s.given[t] {
			s.given[t] = true
			others = append(others, t)
		}
	}
	_ = s.proc().SetThreadsTimerSlack(others, longTurns)
}

// end has the kubelet go on, if it was stopped, and gives the API server's
// threads their usual turns.
func (s *stillness) end() {
	if s.turns > 0 {
		_ = s.proc().SetTimerSlack(s.turns, s.was)
		s.turns = 0
	}
	if s.pause != nil {
		s.pause.End()
		s.pause = nil
	}
}
