package await

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// While the API server starts, nothing that the kubelet does can succeed, and yet it
// asks for its node, its lease and its pods all the time, lists containers every second
// and reads their metrics. On a board with one slow core that takes a third of the CPU,
// and some of the API server's deadlines are constants, such as the minute for its
// first check of service addresses (pkg/registry/core/rest/storage_core.go). So the
// kubelet is paused once the API server's process runs, and resumed as soon as that is
// healthy or gone.

// longTurns is how late the timers of the API server's threads may fire meanwhile. When
// it begins to serve, some eighty of its own parts dial it at once, each with a full
// handshake against a certificate with an RSA-2048 key, which nothing can change
// (apiserver, pkg/server/options/serving_with_loopback.go). The first connection would
// serve all of them, but Go's scheduler gives each handshake 10 ms in turn, so all end
// at the same time, on a slow board after their deadline of 10 s, and are dialed again.
// A turn is ended by a thread of Go's runtime that sleeps up to 10 ms (sysmon,
// runtime/proc.go); if that sleep is longer, a handshake is done in one turn.
const longTurns = 300 * time.Millisecond

// A KubeletPause pauses the kubelet while the API server starts.
type KubeletPause struct {
	Layout state.Layout
	// Pause pauses a process; nil leaves the kubelet alone.
	Pause Pauser
	// Note receives why the kubelet is not paused.
	Note func(string)
	// LongTurns says to give the API server's threads long turns.
	LongTurns bool

	pause  *Pause // nil: the kubelet runs
	server int    // the API server's process when it was seen last
	etcd   []int  // etcd's when the kubelet was stopped
	// was is the timer slack that the API server's process turns had before.
	turns int
	was   time.Duration
	// given are the threads that have long turns.
	given map[string]bool
}

// Observe takes what one look at the API server found: whether it is on its way to
// becoming healthy, and its process.
func (s *KubeletPause) Observe(starting bool, pid int) {
	s.renew()
	again := starting && pid == s.server
	if !again || s.pause != nil && !s.etcdRuns() {
		s.Resume()
	}
	s.server = 0
	if !starting {
		return
	}
	s.server = pid
	s.giveTurns(pid)
	// Seen twice, so the kubelet has finished what it does when a container has started.
	if again && s.pause == nil && s.Pause != nil {
		s.begin()
	}
}

// renew keeps a pause going.
func (s *KubeletPause) renew() {
	if s.pause != nil {
		s.pause.Renew()
	}
}

// wanted reports whether the kubelet is still to be paused.
func (s *KubeletPause) wanted() bool { return s.Pause != nil && s.pause == nil }

func (s *KubeletPause) proc() linux.Proc { return linux.Proc(s.Layout.Proc()) }

func (s *KubeletPause) begin() {
	found := s.proc().Named("kubelet", "etcd")
	if len(found["kubelet"]) != 1 || durable.Exists(s.Layout.Manifest(plan.Etcd)) && len(found["etcd"]) == 0 {
		return
	}
	kubelet := found["kubelet"][0]
	if s.watched(kubelet) {
		s.Note("the kubelet is not paused while the API server starts: systemd would end it (WatchdogSec=)")
		s.Pause = nil
		return
	}
	pause, err := s.Pause(kubelet)
	if err != nil {
		s.Note(fmt.Sprintf("the kubelet is not paused while the API server starts: %v", err))
		s.Pause = nil
		return
	}
	s.pause, s.etcd = &pause, found["etcd"]
}

// watched reports whether systemd wants regular keep-alives from a process
// (sd_watchdog_enabled(3)).
func (s *KubeletPause) watched(pid int) bool {
	environ, err := safefile.Read(filepath.Join(s.Layout.Proc(), strconv.Itoa(pid), "environ"), state.MaxFile)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	return bytes.HasPrefix(environ, []byte("WATCHDOG_USEC=")) || bytes.Contains(environ, []byte("\x00WATCHDOG_USEC="))
}

// etcdRuns reports whether etcd runs as before: only a kubelet can start it again.
func (s *KubeletPause) etcdRuns() bool {
	for _, pid := range s.etcd {
		if !s.proc().Exists(pid) {
			return false
		}
	}
	return true
}

// giveTurns makes the timers of the API server's threads late. A kernel before
// Linux 4.6 cannot, and then it starts as it did.
func (s *KubeletPause) giveTurns(pid int) {
	if !s.LongTurns {
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
	// A thread inherits its parent's. A child of a thread that was not yet changed is
	// found the next time.
	var others []string
	for _, t := range s.proc().Threads(pid) {
		if !s.given[t] {
			s.given[t] = true
			others = append(others, t)
		}
	}
	_ = s.proc().SetThreadsTimerSlack(others, longTurns)
}

// Resume lets the kubelet run again, if it was paused, and gives the API server's
// threads their usual turns.
func (s *KubeletPause) Resume() {
	if s.turns > 0 {
		_ = s.proc().SetTimerSlack(s.turns, s.was)
		s.turns = 0
	}
	if s.pause != nil {
		s.pause.End()
		s.pause = nil
	}
}
