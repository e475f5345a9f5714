package certs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The status fits a terminal of 80 columns, and says nothing secret.
func TestStatus(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	n.put(defaultPKI+"/etcd/peer.crt", nil, 0o644)
	for name, now := range map[string]time.Time{
		"valid": born.AddDate(0, 1, 0), "expired": later, "last-year": born.AddDate(9, 6, 0),
	} {
		st := StatusOf(n.look(), Clock{Now: now, Synchronized: true})
		text := st.Text()
		for _, line := range strings.Split(text, "\n") {
			// Links and commands stay whole, to be pasted.
			if !strings.Contains(line, "https://") && !strings.HasPrefix(line, "  sudo ") {
				assert.LessOrEqual(t, len(line), 80, line)
			}
		}
		golden := filepath.Join("testdata", "status-"+name+".golden")
		if *update {
			require.NoError(t, os.WriteFile(golden, []byte(text), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), text, "go test ./certs -run TestStatus -update writes it")
		doc, err := json.Marshal(st)
		require.NoError(t, err)
		assert.NotContains(t, string(doc), "PRIVATE")
	}
}

// A clock is right when it is synchronized, or not before what the board has written.
func TestClock(t *testing.T) {
	n := newNode(t, "ECDSA-P256")
	s := n.look()
	root := n.board(nil).root()
	for _, dir := range []string{"/etc", "/var/lib"} { // as if all had been written when the board was made
		require.NoError(t, filepath.WalkDir(n.root+dir, func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink != 0 {
				return err
			}
			return os.Chtimes(path, born, born)
		}))
	}
	read := func(now time.Time, synchronized bool) Clock { return ReadClock(root, s, now, synchronized) }
	assert.True(t, read(born, false).Right())
	assert.False(t, read(born.Add(-time.Second), false).Right())
	assert.True(t, read(time.Unix(0, 0), true).Right())
	wal := "/var/lib/etcd/member/wal/0.wal"
	n.put(wal, nil, 0o600)
	require.NoError(t, os.Chtimes(filepath.Join(n.root, wal), later, later))
	require.NoError(t, os.Chtimes(filepath.Dir(filepath.Join(n.root, wal)), born, born))
	c := read(born.AddDate(0, 1, 0), false)
	assert.False(t, c.Right())
	assert.Equal(t, "the clock says 2025-04-01 12:00 UTC, and "+wal+" was written on 2026-04-05 12:00 UTC", c.Why())
}
