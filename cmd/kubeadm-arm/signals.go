package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// signals ends a context at the first SIGINT, SIGTERM or SIGHUP and remembers
// which it was. A SIGHUP that nohup ignores stays ignored. SIGPIPE is caught and
// ignored: by default it would end the program in the middle of its work when the reader
// of its output goes away.
type signals struct {
	ctx    context.Context
	cancel context.CancelFunc
	got    atomic.Int32
	in     chan os.Signal
	answer *time.Timer
	ended  chan struct{}
}

// answerWithin is how soon after Ctrl-C the program says that it is stopping, if it has
// not stopped by then.
const answerWithin = 700 * time.Millisecond

func (v invocation) listen() *signals {
	s := &signals{in: make(chan os.Signal, 4), ended: make(chan struct{})}
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
			if n, ok := sig.(syscall.Signal); ok && s.got.CompareAndSwap(0, int32(n)) {
				s.answer = time.AfterFunc(answerWithin, func() {
					// One write, on a line of its own: a step's line may stand there.
					_, _ = io.WriteString(v.rawStderr, "\nkubeadm-arm: stopping; running commands have 10 s to end\n")
				})
			}
			s.cancel()
		}
		if s.answer != nil {
			s.answer.Stop()
		}
		close(s.ended)
	}()
	return s
}

// suspensions receives each Ctrl-Z, which from then on stops the program only if the
// receiver does so.
func suspensions() <-chan os.Signal {
	c := make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGTSTP) {
		signal.Notify(c, syscall.SIGTSTP)
	}
	return c
}

// signal is the first one that came, 0 without one.
func (s *signals) signal() syscall.Signal { return syscall.Signal(s.got.Load()) }

// interrupted is the error of a command that a signal has ended, nil without one.
func (s *signals) interrupted(hint string) error {
	sig := s.signal()
	if sig == 0 {
		return nil
	}
	return &problem{128 + int(sig), hint, fmt.Errorf("interrupted by %s", signalName(sig))}
}

func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "SIGINT (Ctrl-C)"
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGHUP:
		return "SIGHUP (the terminal was closed)"
	}
	return s.String()
}

func (s *signals) close() {
	signal.Stop(s.in)
	close(s.in)
	<-s.ended
	s.cancel()
}
