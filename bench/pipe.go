package bench

import (
	"io"
	"net"
	"sync"
	"time"
)

// stream is one direction of a pipe: writes never wait, reads wait for data.
// net.Pipe would make each write wait for its reads, so that the handshake
// would be measured with several thread switches that a socket does not have.
type stream struct {
	mu     sync.Mutex
	filled sync.Cond
	data   []byte
	closed bool
}

func newStream() *stream {
	s := &stream{}
	s.filled.L = &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.data) == 0 {
		if s.closed {
			return 0, io.EOF
		}
		s.filled.Wait()
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, io.ErrClosedPipe
	}
	s.data = append(s.data, p...)
	s.filled.Signal()
	return len(p), nil
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.filled.Broadcast()
}

// pipeEnd is one end of an in-memory connection.
type pipeEnd struct{ in, out *stream }

func newPipe() (net.Conn, net.Conn) {
	a, b := newStream(), newStream()
	return pipeEnd{in: a, out: b}, pipeEnd{in: b, out: a}
}

func (p pipeEnd) Read(b []byte) (int, error)  { return p.in.read(b) }
func (p pipeEnd) Write(b []byte) (int, error) { return p.out.write(b) }

func (p pipeEnd) Close() error {
	p.in.close()
	p.out.close()
	return nil
}

func (pipeEnd) LocalAddr() net.Addr              { return pipeAddr{} }
func (pipeEnd) RemoteAddr() net.Addr             { return pipeAddr{} }
func (pipeEnd) SetDeadline(time.Time) error      { return nil }
func (pipeEnd) SetReadDeadline(time.Time) error  { return nil }
func (pipeEnd) SetWriteDeadline(time.Time) error { return nil }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "memory" }
func (pipeAddr) String() string  { return "memory" }
