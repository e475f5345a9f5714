package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

var started = time.Now()

// say tells what is being done, with the time since the program began.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %6.1fs  %s\n", strings.TrimPrefix(filepath.Base(os.Args[0]), "kubeadm-arm-"), time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}

// step says what do is about to do, and says so again while it lasts.
func step(ctx context.Context, what string, do func() error) error {
	return counting(ctx, what, func(*progress) error { return do() })
}

// progress is how many parts of a long step are done, of at most so many; a most of 0
// is not known.
type progress struct {
	done atomic.Int64
	most atomic.Int64
}

// left tells how much is left after a time. What was compiled before is not compiled
// again, so that it may be less.
func (p *progress) left(after time.Duration) string {
	done, most := p.done.Load(), p.most.Load()
	if done == 0 || done >= most {
		return ""
	}
	rest := time.Duration(float64(after) * float64(most-done) / float64(done))
	return fmt.Sprintf("; %d of at most %d packages, at most %s left at this rate", done, most, rest.Round(10*time.Second))
}

// counting is step, of parts that can be counted.
func counting(ctx context.Context, what string, do func(*progress) error) error {
	say("%s", what)
	begin, p := time.Now(), new(progress)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		tick := time.NewTicker(30 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				after := time.Since(begin)
				say("still %s, for %.0f s now%s", what, after.Seconds(), p.left(after))
			}
		}
	}()
	return do(p)
}
