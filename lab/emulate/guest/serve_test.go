package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// otherSide plays lab run at the other side of a serial port.
type otherSide struct {
	t     *testing.T
	f     *os.File
	lines *bufio.Reader
}

func connect(t *testing.T) *otherSide {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	board, host := os.NewFile(uintptr(pair[0]), "board"), os.NewFile(uintptr(pair[1]), "host")
	t.Cleanup(func() { _ = host.Close() })
	go (&port{f: board}).listen()
	return &otherSide{t, host, bufio.NewReader(host)}
}

func (o *otherSide) send(f frame) {
	text, err := json.Marshal(f)
	require.NoError(o.t, err)
	_, err = o.f.Write(append(text, '\n'))
	require.NoError(o.t, err)
}

// until reads frames until the command has ended.
func (o *otherSide) until(id string) (stdout, stderr string, code int) {
	for {
		line, err := o.lines.ReadString('\n')
		require.NoError(o.t, err)
		var f frame
		if json.Unmarshal([]byte(line), &f) != nil || f.ID != id {
			continue
		}
		stdout, stderr = stdout+string(f.Out), stderr+string(f.Err)
		if f.Exit != nil {
			return stdout, stderr, *f.Exit
		}
	}
}

func TestCommandsOnAPort(t *testing.T) {
	o := connect(t)
	o.send(frame{ID: "a", Args: []string{"sh", "-c", `echo "$GREETING"; echo oh >&2; cat; exit 7`}, Env: []string{"GREETING=hello"}})
	o.send(frame{ID: "a", In: []byte("more\n")})
	o.send(frame{ID: "a", EOF: true})
	out, errs, code := o.until("a")
	assert.Equal(t, "hello\nmore\n", out)
	assert.Equal(t, "oh\n", errs)
	assert.Equal(t, 7, code)

	o.send(frame{ID: "b", Args: []string{"no-such-program"}})
	_, errs, code = o.until("b")
	assert.Equal(t, 127, code)
	assert.Contains(t, errs, "no-such-program")
}

// A signal reaches a command whose input nobody reads.
func TestSignalOvertakesInput(t *testing.T) {
	o := connect(t)
	o.send(frame{ID: "a", Args: []string{"sh", "-c", `echo ready; sleep 100`}})
	line, err := o.lines.ReadString('\n')
	for err == nil && !strings.Contains(line, "out") {
		line, err = o.lines.ReadString('\n')
	}
	require.NoError(t, err)
	for range 12 {
		o.send(frame{ID: "a", In: make([]byte, 32<<10)})
	}
	o.send(frame{ID: "a", Signal: int(syscall.SIGTERM)})
	_, _, code := o.until("a")
	assert.Equal(t, 128+int(syscall.SIGTERM), code)
}

// What a lab that was killed left half-written does no harm to the next one's
// command, and its own command ends.
func TestANewLabAfterAKilledOne(t *testing.T) {
	o := connect(t)
	mark := t.TempDir() + "/mark"
	script := "trap '' HUP; echo started > " + mark + "; sleep 100; echo survived > " + mark
	o.send(frame{ID: "a", Args: []string{"sh", "-c", script}})
	// The shell makes the file before it writes into it.
	started := func() bool { text, _ := os.ReadFile(mark); return len(text) > 0 }
	require.Eventually(t, started, time.Hour, time.Millisecond)
	_, err := o.f.WriteString(`{"id":"a","in":"c29tZX`)
	require.NoError(t, err)
	_, err = o.f.WriteString("\n")
	require.NoError(t, err)
	o.send(frame{ID: "b", Args: []string{"echo", "b"}})
	out, _, code := o.until("b")
	assert.Equal(t, "b\n", out)
	assert.Zero(t, code)
	text, err := os.ReadFile(mark)
	require.NoError(t, err)
	assert.Equal(t, "started\n", string(text))
}

func TestBusy(t *testing.T) {
	got, err := busy("cpu  100 20 30 4000 500 6 7 8 100 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	require.NoError(t, err)
	assert.InDelta(t, 1.71, got, 1e-9)
	for _, bad := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8 9", "cpu a b c d e f g h i"} {
		_, err := busy(bad)
		assert.Error(t, err, bad)
	}
}

func TestTimes(t *testing.T) {
	name, seconds, ok := times("12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 5")
	assert.True(t, ok)
	assert.Equal(t, "a) b", name)
	assert.InDelta(t, 2.0, seconds, 1e-9)
	for _, bad := range []string{"", "12 (a", "12 (a) S 1"} {
		_, _, ok := times(bad)
		assert.False(t, ok, bad)
	}
}
