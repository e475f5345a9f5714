package drive

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Log prints lines with the seconds since it was made.
type Log struct {
	began  time.Time
	mu     *sync.Mutex
	to     io.Writer
	prefix string
}

// NewLog begins now.
func NewLog(to io.Writer) Log { return Log{began: time.Now(), mu: new(sync.Mutex), to: to} }

// With is the same log with more before every line, where several boards talk at once.
func (l Log) With(prefix string) Log {
	l.prefix += prefix
	return l
}

// Began is when the log was made.
func (l Log) Began() time.Time { return l.began }

// Printf prints one line.
func (l Log) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.to, "%6.1fs  %s%s\n", time.Since(l.began).Seconds(), l.prefix, fmt.Sprintf(format, args...))
}
