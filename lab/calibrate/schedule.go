package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
)

// Boards run side by side while that disturbs none of them: together they leave
// a good part of the first core idle, or those beside the quickest take less
// than a tenth of what it does.
const (
	together = 0.7
	beside   = 0.1
)

// fits tells whether next may start beside those that run.
func fits(running []board, next board) bool {
	total, most := next.load(), next.load()
	for _, b := range running {
		total += b.load()
		most = max(most, b.load())
	}
	return len(running) == 0 || total <= together || total-most <= beside*most
}

// run measures all boards. The slowest are begun first, and at once the
// quickest beside them, so that all take hardly longer than the slowest.
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
			c.say("%s: %v", e.board.name, e.err)
			failures = append(failures, fmt.Errorf("%s: %w", e.board.name, e.err))
		}
	}
	group.Wait()
	return errors.Join(append(failures, ctx.Err())...)
}
