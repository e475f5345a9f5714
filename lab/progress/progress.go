// Package progress prints what is being done, and that it is still being done.
package progress

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

// Log says what is being done, with the time since the program began.
func Log(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %6.1fs  %s\n", strings.TrimPrefix(filepath.Base(os.Args[0]), "kubeadm-arm-"),
		time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}

// Step says what do is about to do, and says so again while it lasts.
func Step(ctx context.Context, what string, do func() error) error {
	return Counted(ctx, what, func(*Counter) error { return do() })
}

// Counter is how many parts of a long step are done, of at most so many; a most of 0
// is not known.
type Counter struct {
	Done atomic.Int64
	Most atomic.Int64
}

// left says how much is left after a time. What was compiled before is not compiled
// again, so that it may be less.
func (p *Counter) left(after time.Duration) string {
	done, most := p.Done.Load(), p.Most.Load()
	if done == 0 || done >= most {
		return ""
	}
	rest := time.Duration(float64(after) * float64(most-done) / float64(done))
	return fmt.Sprintf("; %d of at most %d packages, at most %s left at this rate", done, most,
		rest.Round(10*time.Second))
}

// Counted is step, of parts that can be counted.
func Counted(ctx context.Context, what string, do func(*Counter) error) error {
	Log("%s", what)
	begin, p := time.Now(), new(Counter)
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
				Log("still %s, for %.0f s now%s", what, after.Seconds(), p.left(after))
			}
		}
	}()
	return do(p)
}
