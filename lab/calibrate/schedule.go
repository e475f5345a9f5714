package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
)

// Boards with counted time are slowed down by nothing that runs beside them; each takes a
// core of this machine. Slow throttled boards run side by side while together they leave most of a core idle. A
// quick board is alone: what runs on the other half of its core made its benchmark
// half as slow again, or twice as slow, for the moment that it takes.
const (
	together = 0.2
	quick    = 0.2
	counted  = 2
)

// fits reports whether next may start beside those that run.
func fits(running []board, next board) bool {
	if len(running) > 0 && (next.counted() || running[0].counted()) {
		return next.counted() && running[0].counted() && len(running) < counted
	}
	total, most := next.share, next.share
	for _, b := range running {
		total += b.share
		most = max(most, b.share)
	}
	return len(running) == 0 || total <= together && most < quick
}

// run measures all boards, the slowest first, so that the end is not one of them
// alone.
func (c *calibration) run(ctx context.Context, boards []board) error {
	waiting := append([]board{}, boards...)
	sort.SliceStable(waiting, func(i, k int) bool { return waiting[i].share < waiting[k].share })
	type ended struct {
		board board
		err   error
	}
	var running []board
	var failures []error
	done := make(chan ended)
	var group sync.WaitGroup
	for len(waiting) > 0 || len(running) > 0 {
		for i := 0; i < len(waiting) && ctx.Err() == nil; {
			b := waiting[i]
			if !fits(running, b) {
				i++
				continue
			}
			waiting = append(waiting[:i], waiting[i+1:]...)
			running = append(running, b)
			group.Go(func() { done <- ended{b, c.one(ctx, b)} })
		}
		if len(running) == 0 {
			break // interrupted
		}
		e := <-done
		for i := range running {
			if running[i].name == e.board.name {
				running = append(running[:i], running[i+1:]...)
				break
			}
		}
		if e.err != nil {
			c.log.Printf("%s: %v", e.board.name, e.err)
			failures = append(failures, fmt.Errorf("%s: %w", e.board.name, e.err))
		}
	}
	group.Wait()
	return errors.Join(append(failures, ctx.Err())...)
}
