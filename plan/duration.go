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

// inRange checks a duration that was read from a file.
func inRange(name string, d time.Duration) error {
	if d < 0 || d > 100*Longest {
		return fmt.Errorf("its %s is %s, want 0 to %s", name, d, 100*Longest)
	}
	return nil
}

// limit is a time of a step that waits.
type limit struct {
	name string
	time time.Duration
}

// checkWait checks the limits of a step that waits.
func checkWait(restarts int, limits ...limit) error {
	for _, l := range limits {
		if err := inRange(l.name, l.time); err != nil {
			return err
		}
	}
	if restarts < 0 || restarts > 1<<20 {
		return fmt.Errorf("its restarts are %d", restarts)
	}
	return nil
}

// roundUp rounds d up to a multiple of unit.
func roundUp(d, unit time.Duration) time.Duration {
	if rest := d % unit; rest > 0 {
		return d + unit - rest
	}
	return d
}

// short formats a time in seconds.
func short(s float64) string {
	return seconds(s).Round(10 * time.Microsecond).String()
}
