package emulate

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ports is how many commands can run on a board at once.
const ports = 8

// frame is a line of JSON on a serial port, as in guest/serve.go, which is built alone from
// its sources and imports nothing of lab.
type frame struct {
	ID     string   `json:"id"`
	Args   []string `json:"args,omitempty"`
	Env    []string `json:"env,omitempty"`
	In     []byte   `json:"in,omitempty"`
	EOF    bool     `json:"eof,omitempty"`
	Signal int      `json:"signal,omitempty"`
	Out    []byte   `json:"out,omitempty"`
	Err    []byte   `json:"err,omitempty"`
	Exit   *int     `json:"exit,omitempty"`
}

// Command is one to run on a board.
type Command struct {
	Args, Env      []string
	Stdin          io.Reader // nil is empty
	Stdout, Stderr io.Writer
	// Signals are passed on to it.
	Signals <-chan os.Signal
}

// ErrBoardGone is what Run returns when the board went down under the command.
var ErrBoardGone = errors.New("the board went down")

// Run runs a command on the board whose files are in dir, and returns its
// exit code: 128+n for signal n, 127 for a command that is not there. An ended
// ctx ends the command.
func Run(ctx context.Context, dir string, c Command) (int, error) {
	conn, release, err := dial(dir)
	if err != nil {
		return 0, err
	}
	defer release()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	s := &sender{conn: conn, id: hex.EncodeToString(id[:])}
	// A line end closes what another lab may have left half-written.
	if _, err := conn.Write([]byte{'\n'}); err != nil {
		return 0, err
	}
	if err := s.send(frame{Args: c.Args, Env: c.Env}); err != nil {
		return 0, err
	}
	go s.input(c.Stdin)
	done := make(chan struct{})
	defer close(done)
	go s.signals(c.Signals, done)
	code, err := receive(conn, s.id, c.Stdout, c.Stderr)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return code, err
}

// receive reads frames until the command has ended.
func receive(conn io.Reader, id string, stdout, stderr io.Writer) (int, error) {
	lines := bufio.NewReaderSize(conn, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return 0, ErrBoardGone
		}
		var f frame
		if json.Unmarshal(line, &f) != nil {
			continue // the rest of what another lab did not read
		}
		switch {
		case f.ID != id:
		case f.Exit != nil:
			return *f.Exit, nil
		default:
			if err := errors.Join(show(stdout, f.Out), show(stderr, f.Err)); err != nil {
				return 0, err
			}
		}
	}
}

func show(to io.Writer, text []byte) error {
	if len(text) == 0 || to == nil {
		return nil
	}
	_, err := to.Write(text)
	return err
}

// sender sends frames.
type sender struct {
	conn net.Conn
	id   string
	mu   sync.Mutex
}

func (s *sender) send(f frame) error {
	f.ID = s.id
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.conn.Write(append(text, '\n'))
	return err
}

// input sends the command's standard input. If that fails, receive says why.
func (s *sender) input(from io.Reader) {
	buf := make([]byte, 32<<10)
	for from != nil {
		n, err := from.Read(buf)
		if n > 0 && s.send(frame{In: buf[:n]}) != nil {
			return
		}
		if err != nil {
			break
		}
	}
	_ = s.send(frame{EOF: true})
}

func (s *sender) signals(signals <-chan os.Signal, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case got := <-signals:
			if n, ok := got.(syscall.Signal); ok {
				_ = s.send(frame{Signal: int(n)})
			}
		}
	}
}

// dial takes a port that no other lab uses. The lock goes with this process,
// however it ends.
func dial(dir string) (conn net.Conn, release func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	defer folder.Close()
	for i := range ports {
		lock, err := os.OpenFile(filepath.Join(dir, portName(i)+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, nil, err
		}
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			lock.Close()
			continue
		}
		// A socket's path has at most 107 bytes (unix(7)).
		conn, err := net.Dial("unix", filepath.Join("/proc/self/fd", strconv.Itoa(int(folder.Fd())), portName(i)))
		if err != nil {
			lock.Close()
			return nil, nil, ErrBoardGone
		}
		return conn, func() { _ = conn.Close(); _ = lock.Close() }, nil
	}
	return nil, nil, fmt.Errorf("all %d serial ports to the board are in use", ports)
}

func portName(i int) string { return "port" + strconv.Itoa(i) }
