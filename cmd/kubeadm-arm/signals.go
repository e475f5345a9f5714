package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signals ends a context at the first SIGINT, SIGTERM or SIGHUP and remembers
// which it was.
type signals struct {
	ctx    context.Context
	cancel context.CancelFunc
	got    atomic.Int32
	in     chan os.Signal
}

func listenForSignals() *signals {
	s := &signals{in: make(chan os.Signal, 4)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	signal.Notify(s.in, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for sig := range s.in {
			if n, ok := sig.(syscall.Signal); ok {
				s.got.CompareAndSwap(0, int32(n))
			}
			s.cancel()
		}
	}()
	return s
}

func (s *signals) signal() syscall.Signal { return syscall.Signal(s.got.Load()) }

func (s *signals) close() {
	signal.Stop(s.in)
	close(s.in)
	s.cancel()
}
