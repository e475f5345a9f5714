package await

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

var (
	epoch  = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	limit1 = Limits{Quiet: time.Minute, Patience: 10 * time.Minute, Restarts: 3}
)

func TestWatchWaitsAsLongAsThingsMove(t *testing.T) {
	w := newWatch(limit1, epoch, Observation{})
	o := Observation{Running: true, PID: 7, Instances: 1}
	now := epoch
	// An hour of work, with a new check every nine minutes: no clock from the
	// start of the wait may end it.
	for i := range 60 {
		now = now.Add(time.Minute - time.Second)
		o.CPU += time.Second
		if i%9 == 0 {
			o.Health.Reach = ReachHTTP
			o.Health.Passed = append(o.Health.Passed, "check")
		}
		assert.Equal(t, KeepWaiting, w.judge(now, o), "minute %d: %s", i, w.why)
	}
	o.Health.Reach = ReachHealthy
	assert.Equal(t, Healthy, w.judge(now, o))
}

func TestWatchGivesUpWhenNothingMoves(t *testing.T) {
	o := Observation{Running: true, PID: 7, Instances: 1, CPU: time.Second}
	w := newWatch(limit1, epoch, o)
	verdict, waited := judgeUntilDone(w, o)
	assert.Equal(t, GiveUp, verdict)
	assert.Equal(t, time.Minute, waited)
	assert.Contains(t, w.why, "nothing moved for 1m0s")
	assert.Contains(t, w.why, "pid 7")
}

// judgeUntilDone has w see the same again every five seconds.
func judgeUntilDone(w *watch, o Observation) (verdict Verdict, waited time.Duration) {
	for verdict == KeepWaiting {
		waited += 5 * time.Second
		verdict = w.judge(epoch.Add(waited), o)
	}
	return verdict, waited
}

// When a board has stood still, with who looked, the first look afterwards shows what
// the last one before did.
func TestWatchBearsAStandstill(t *testing.T) {
	o := Observation{Running: true, PID: 7, Instances: 1, CPU: time.Second}
	for _, still := range []time.Duration{30 * time.Second, time.Minute, time.Hour} {
		w := newWatch(limit1, epoch, o)
		now := epoch.Add(still)
		assert.Equal(t, KeepWaiting, w.judge(now, o), w.why)
		for range 3 {
			now = now.Add(5 * time.Second)
			assert.Equal(t, KeepWaiting, w.judge(now, o), w.why)
		}
	}
}

func TestWatchGivesUpWhenItWorksWithoutProgress(t *testing.T) {
	o := Observation{Running: true, PID: 7, Instances: 1}
	o.Health = Health{Reach: ReachHTTP, Passed: []string{"ping"}, Failed: []string{"etcd"}}
	w := newWatch(limit1, epoch, o)
	now := epoch
	verdict := KeepWaiting
	for range 66 {
		now = now.Add(10 * time.Second)
		o.CPU += time.Second
		if verdict = w.judge(now, o); verdict != KeepWaiting {
			break
		}
	}
	assert.Equal(t, GiveUp, verdict)
	assert.Contains(t, w.why, "not yet: etcd")
	assert.GreaterOrEqual(t, now.Sub(epoch), limit1.Patience)
}

func TestWatchGivesUpOnACrashLoop(t *testing.T) {
	o := Observation{Running: true, PID: 7, Started: 1, Instances: 1}
	w := newWatch(limit1, epoch, o)
	now := epoch
	for i := range 3 {
		now = now.Add(30 * time.Second)
		o.PID, o.Started, o.Instances, o.CPU = 8+i, uint64(2+i), 2+i, time.Second
		got := w.judge(now, o)
		if i < 2 {
			assert.Equal(t, KeepWaiting, got)
		} else {
			assert.Equal(t, GiveUp, got)
		}
	}
	assert.Contains(t, w.why, "started again 3 times")
}

func TestRestartsThatComeFurtherAreForgiven(t *testing.T) {
	o := Observation{Running: true, PID: 7, Started: 1, Instances: 1}
	w := newWatch(limit1, epoch, o)
	now := epoch
	for i := range 8 {
		now = now.Add(30 * time.Second)
		o.PID, o.Started, o.Instances = 8+i, uint64(2+i), 2+i
		o.Health.Reach = ReachHTTP
		o.Health.Passed = append(o.Health.Passed, "one more")
		assert.Equal(t, KeepWaiting, w.judge(now, o), w.why)
	}
	assert.Equal(t, 8, w.restarts(o))
}

func TestWatchBeforeTheContainerIsThere(t *testing.T) {
	w := newWatch(limit1, epoch, Observation{})
	verdict, waited := judgeUntilDone(w, Observation{})
	assert.Equal(t, GiveUp, verdict)
	assert.Equal(t, time.Minute, waited)
	assert.Contains(t, w.why, "its container was not started")
}

// A clock that jumps back by years, as on a board without a battery that
// learns the time, must not end the wait, nor make it endless.
func TestWatchSurvivesAClockJump(t *testing.T) {
	o := Observation{Running: true, PID: 7, Instances: 1}
	w := newWatch(limit1, epoch, o)
	back := epoch.AddDate(-49, 0, 0)
	assert.Equal(t, KeepWaiting, w.judge(back, o))
}

// The container's log is there before its program runs: that is no end of it.
func TestWatchTellsAProcessThatIsYetToCome(t *testing.T) {
	o := Observation{Instances: 1}
	w := newWatch(limit1, epoch, o)
	assert.Equal(t, KeepWaiting, w.judge(epoch, o))
	assert.Equal(t, "its container is being started", w.describe())
	o.Running, o.PID = true, 7
	assert.Equal(t, KeepWaiting, w.judge(epoch, o))
	o.Running, o.PID = false, 0
	assert.Equal(t, KeepWaiting, w.judge(epoch, o))
	assert.Equal(t, "its process is gone", w.describe())
}
