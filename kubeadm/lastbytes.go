package kubeadm

import (
	"bytes"
	"io"
	"sync"
)

// lastBytes keeps the last max bytes that were written to it. It may be
// written from several goroutines.
type lastBytes struct {
	max int
	mu  sync.Mutex
	buf []byte
}

func (l *lastBytes) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(p)
	p = p[max(0, n-l.max):]
	// Twice as much as is wanted, so that not every write moves all of it.
	if len(l.buf)+len(p) > 2*l.max {
		l.buf = append(l.buf[:0], l.last(l.max-len(p))...)
	}
	l.buf = append(l.buf, p...)
	return n, nil
}

func (l *lastBytes) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.last(l.max))
}

// last are the last n bytes, or all.
func (l *lastBytes) last(n int) []byte { return l.buf[max(0, len(l.buf)-n):] }

// guarded lets one goroutine at a time write.
type guarded struct {
	mu sync.Mutex
	to io.Writer
}

func (g *guarded) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.to.Write(p)
}
