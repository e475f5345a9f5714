package emulate

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A board that went on while its state was saved was found corrupted later.
func TestABoardIsStoppedBeforeItsStateIsSaved(t *testing.T) {
	dir := t.TempDir()
	port, err := net.Listen("unix", filepath.Join(dir, controls))
	require.NoError(t, err)
	defer port.Close()
	called := make(chan []string, 1)
	go func() { called <- answerAll(port) }()
	require.NoError(t, Machine{Dir: dir}.save(context.Background()))
	assert.Equal(t, []string{"qmp_capabilities", "migrate-set-capabilities", "stop", "migrate-set-parameters",
		"migrate", "query-migrate", "quit"}, <-called)
}

// answerAll is a QEMU to which everything succeeds. It returns what it was told to do.
func answerAll(port net.Listener) (called []string) {
	conn, err := port.Accept()
	if err != nil {
		return nil
	}
	defer conn.Close()
	fmt.Fprintln(conn, `{"QMP": {}}`)
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		var command struct{ Execute string }
		if json.Unmarshal(lines.Bytes(), &command) != nil {
			return nil
		}
		called = append(called, command.Execute)
		fmt.Fprintln(conn, `{"return": {"status": "completed"}}`)
	}
	return called
}
