package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var started = time.Now()

// say tells what is being done, with the time since the program began.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%s %6.1fs  %s\n", strings.TrimPrefix(filepath.Base(os.Args[0]), "kubeadm-arm-"), time.Since(started).Seconds(), fmt.Sprintf(format, args...))
}

// step says what do is about to do, and says so again while it lasts.
func step(ctx context.Context, what string, do func() error) error {
	say("%s", what)
	begin := time.Now()
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
				say("still %s, for %.0f s now", what, time.Since(begin).Seconds())
			}
		}
	}()
	return do()
}
