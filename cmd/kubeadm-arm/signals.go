package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// signals ends a context at the first SIGINT, SIGTERM or SIGHUP and remembers
// which it was. A SIGHUP that nohup has switched off stays so. SIGPIPE is taken
// too, and nothing done: the default would end the program, in the middle, when
// whoever reads its output goes away.
type signals struct {
	ctx    context.Context
	cancel context.CancelFunc
	got    atomic.Int32
	in     chan os.Signal
}

func listenForSignals() *signals {
	s := &signals{in: make(chan os.Signal, 4)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	listen := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE}
	if !signal.Ignored(syscall.SIGHUP) {
		listen = append(listen, syscall.SIGHUP)
	}
	signal.Notify(s.in, listen...)
	go func() {
		for sig := range s.in {
			if sig == syscall.SIGPIPE {
				continue
			}
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
