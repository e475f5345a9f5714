package await

import (
	"fmt"
	"strings"
	"time"
)

// Observation is what one look at a component saw.
type Observation struct {
	// Running, PID and CPU are the process's; Started identifies its instance.
	Running bool
	PID     int
	Started uint64
	CPU     time.Duration
	// Instances is how many containers of it were started so far.
	Instances int
	LogBytes  int64
	Health    Health
}

// Limits say when to give up. All come from the plan, scaled to the board; none is a
// timeout that begins with the wait.
type Limits struct {
	// Quiet is how long nothing at all may move: no CPU time of the process,
	// no log line, no new check.
	Quiet time.Duration
	// Patience is how long things may move without a new milestone.
	Patience time.Duration
	// Restarts is how many restarts may pass without a new milestone.
	Restarts int
}

// A Verdict is what a watch makes of an observation.
type Verdict int

// The verdicts.
const (
	KeepWaiting Verdict = iota
	Healthy
	GiveUp
)

// watch judges observations of one component. It reads neither a clock nor the board, so
// that its rules can be tested with plain values.
type watch struct {
	limits Limits

	looked time.Time
	// waited is the time so far that counts (see count); moved and furthestAt are points in it.
	waited     time.Duration
	last       Observation
	moved      time.Duration
	furthest   int
	furthestAt time.Duration
	// restartsAt is the instance count when the furthest milestone was new.
	restartsAt int
	pids       map[[2]uint64]bool
	why        string
}

func newWatch(limits Limits, now time.Time, first Observation) *watch {
	w := &watch{limits: limits, looked: now, last: first, pids: map[[2]uint64]bool{}}
	w.see(first)
	w.restartsAt = w.restarts(first)
	w.furthest = milestone(first)
	return w
}

func (w *watch) see(o Observation) {
	if o.Running {
		w.pids[[2]uint64{uint64(o.PID), o.Started}] = true
	}
}

// restarts counts how often the component was started again. Logs count best;
// process identities are the fallback where logs are not in the usual place.
func (w *watch) restarts(o Observation) int {
	n := o.Instances - 1
	if p := len(w.pids) - 1; p > n {
		n = p
	}
	if n < 0 {
		return 0
	}
	return n
}

// milestone orders observations: a higher one has come further.
func milestone(o Observation) int {
	m := 0
	if o.Instances > 0 {
		m = 1
	}
	if o.Running {
		m = 2
	}
	if o.Health.Reach > ReachNothing {
		m = 2 + int(o.Health.Reach)
	}
	// Each passed check is a step of its own between HTTP and healthy.
	return m*1000 + len(o.Health.Passed)
}

// count adds the time since the last look. Of a gap that is longer than any look takes,
// only a part counts: the whole board stood still then, and the component could not
// make progress either.
func (w *watch) count(now time.Time) {
	w.waited += min(max(now.Sub(w.looked), 0), w.limits.Quiet/4)
	w.looked = now
}

// judge takes the next observation.
func (w *watch) judge(now time.Time, o Observation) Verdict {
	w.see(o)
	w.count(now)
	if o.Health.Reach == ReachHealthy {
		w.last = o
		return Healthy
	}
	if m := milestone(o); m > w.furthest {
		w.furthest, w.furthestAt, w.moved = m, w.waited, w.waited
		w.restartsAt = w.restarts(o)
	}
	if o.CPU != w.last.CPU || o.PID != w.last.PID || o.LogBytes != w.last.LogBytes || o.Instances != w.last.Instances {
		w.moved = w.waited
	}
	w.last = o
	switch again := w.restarts(o) - w.restartsAt; {
	case again >= w.limits.Restarts:
		w.why = fmt.Sprintf("it was started again %d times and came no further than: %s", again, w.describe())
	case w.waited-w.moved >= w.limits.Quiet:
		w.why = fmt.Sprintf("nothing moved for %s; seen last: %s", (w.waited - w.moved).Round(time.Second), w.describe())
	case w.waited-w.furthestAt >= w.limits.Patience:
		w.why = fmt.Sprintf("it works but came no further for %s; seen last: %s",
			(w.waited - w.furthestAt).Round(time.Second), w.describe())
	default:
		return KeepWaiting
	}
	return GiveUp
}

// describe says in words what was seen last.
func (w *watch) describe() string {
	o := w.last
	var parts []string
	switch {
	case !o.Running && o.Instances == 0:
		parts = append(parts, "its container was not started")
	case !o.Running && len(w.pids) == 0:
		// The runtime makes the log before the program runs.
		parts = append(parts, "its container is being started")
	case !o.Running:
		parts = append(parts, "its process is gone")
	default:
		parts = append(parts, fmt.Sprintf("pid %d, %.1f s of CPU", o.PID, o.CPU.Seconds()))
	}
	if o.Running || o.Health.Reach > ReachNothing {
		parts = append(parts, o.Health.Reach.String())
	}
	if n := len(o.Health.Passed) + len(o.Health.Failed); n > 0 && len(o.Health.Failed) > 0 {
		failed := o.Health.Failed
		more := ""
		if len(failed) > 3 {
			more = fmt.Sprintf(" and %d more", len(failed)-3)
			failed = failed[:3]
		}
		parts = append(parts, fmt.Sprintf("%d of %d checks pass, not yet: %s%s", len(o.Health.Passed), n,
			strings.Join(failed, ", "), more))
	}
	if n := w.restarts(o); n > 0 {
		parts = append(parts, fmt.Sprintf("restarts: %d", n))
	}
	return strings.Join(parts, ", ")
}
