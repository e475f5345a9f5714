package emulate

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeBoard answers on one port as a board's service does.
func fakeBoard(t *testing.T, answer func(f frame, send func(any))) string {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, portName(0)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			enc := json.NewEncoder(c)
			lines := bufio.NewScanner(c)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				var f frame
				if json.Unmarshal(lines.Bytes(), &f) == nil {
					answer(f, func(v any) {
						if v == nil {
							_ = c.Close()
							return
						}
						_ = enc.Encode(v)
					})
				}
			}
		}
	}()
	return dir
}

func TestRunBringsOutputAndExitCode(t *testing.T) {
	code := 3
	var input bytes.Buffer
	dir := fakeBoard(t, func(f frame, send func(any)) {
		switch {
		case f.Args != nil:
			assert.Equal(t, []string{"cat", "-"}, f.Args)
			assert.Equal(t, []string{"A=b"}, f.Env)
			// The rest of a lab that is gone.
			send(map[string]any{"id": "other", "out": []byte("not mine"), "exit": 9})
			send(frame{ID: f.ID, Out: []byte("out\n")})
			send(frame{ID: f.ID, Err: []byte("err\n")})
		case f.In != nil:
			input.Write(f.In)
		case f.EOF:
			send(frame{ID: f.ID, Exit: &code})
		}
	})
	var both bytes.Buffer
	got, err := Run(t.Context(), dir, Command{Args: []string{"cat", "-"}, Env: []string{"A=b"},
		Stdin: strings.NewReader("hello"), Stdout: &both, Stderr: &both})
	require.NoError(t, err)
	assert.Equal(t, 3, got)
	assert.Equal(t, "out\nerr\n", both.String())
	assert.Equal(t, "hello", input.String())
}

func TestRunPassesSignalsOn(t *testing.T) {
	dir := fakeBoard(t, func(f frame, send func(any)) {
		if f.Signal != 0 {
			code := 128 + f.Signal
			send(frame{ID: f.ID, Exit: &code})
		}
	})
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGINT
	code, err := Run(t.Context(), dir, Command{Args: []string{"sleep"}, Signals: signals})
	require.NoError(t, err)
	assert.Equal(t, 130, code)
}

func TestRunOnABoardThatGoesDown(t *testing.T) {
	dir := fakeBoard(t, func(f frame, send func(any)) { send(nil) })
	_, err := Run(t.Context(), dir, Command{Args: []string{"poweroff"}})
	require.ErrorIs(t, err, ErrBoardGone)
	_, err = Run(t.Context(), t.TempDir(), Command{Args: []string{"true"}})
	require.ErrorIs(t, err, ErrBoardGone)
}

func TestRunEndsWithItsContext(t *testing.T) {
	dir := fakeBoard(t, func(frame, func(any)) {})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := Run(ctx, dir, Command{Args: []string{"sleep"}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
