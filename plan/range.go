package plan

import (
	"fmt"
	"time"
)

// Longest is the longest time that a plan holds: far more than any board needs, and
// so little that sums and multiples of it do not overflow.
const Longest = 30 * 24 * time.Hour

// seconds is a time in seconds as a duration. What is not a number is nothing, and what
// is too long is Longest.
func seconds(s float64) time.Duration {
	switch {
	case !(s > 0): // NaN, too
		return 0
	case s >= Longest.Seconds():
		return Longest
	}
	return time.Duration(s * float64(time.Second))
}

// CheckRange looks at the numbers of a step that was read from a file.
func CheckRange(s Step) error {
	a, ok := s.(AwaitHealthy)
	if !ok {
		if t, ok := s.(TuneServices); ok {
			return inRange("timer slack", t.TimerSlack)
		}
		return nil
	}
	for _, d := range []struct {
		name string
		time time.Duration
	}{{"expect", a.Expect}, {"quiet", a.Quiet}, {"patience", a.Patience}, {"poll", a.Poll}} {
		if err := inRange(d.name, d.time); err != nil {
			return err
		}
	}
	if a.Restarts < 0 || a.Restarts > 1<<20 {
		return fmt.Errorf("its restarts are %d", a.Restarts)
	}
	return nil
}

func inRange(name string, d time.Duration) error {
	if d < 0 || d > 100*Longest {
		return fmt.Errorf("its %s is %s, want 0 to %s", name, d, 100*Longest)
	}
	return nil
}
