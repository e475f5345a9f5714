package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestListenFindsTheReportBetweenTheKernelsWords(t *testing.T) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, err := zip.Write([]byte(`{"schema":"x"}`))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	text := base64.StdEncoding.EncodeToString(packed.Bytes())
	console := "Booting Linux\r\n" + said + text[:20] + "\r\n[    1.0] random words\r\n" + said + text[20:] + "\r\n\r\n" + done + "\r\nreboot: Power down\r\n"
	got, err := listen(strings.NewReader(console))
	require.NoError(t, err)
	assert.JSONEq(t, `{"schema":"x"}`, string(got))
}

func TestListenTellsWhatWentWrong(t *testing.T) {
	_, err := listen(strings.NewReader("Booting\r\n" + failed + "mount /proc: no such device\r\n"))
	assert.EqualError(t, err, "on the board: mount /proc: no such device")
	_, err = listen(strings.NewReader("Booting\nKernel panic\n"))
	assert.EqualError(t, err, "the board fell silent; its last words:\nBooting\nKernel panic")
	_, err = listen(strings.NewReader(said + "%%%\n" + done + "\n"))
	assert.ErrorContains(t, err, "garbled")
	_, err = listen(strings.NewReader(said + "AAAA\n" + done + "\n"))
	assert.ErrorContains(t, err, "garbled")
}

// The kernel's reader of cpio is strict; cpio's own is at hand everywhere.
func TestArchiveIsCpio(t *testing.T) {
	var b bytes.Buffer
	a := archive{w: &b}
	a.add("dev", folderMode|0o755, 0, nil)
	a.add("init", fileMode|0o755, 0, []byte("hello"))
	a.add("TRAILER!!!", 0, 0, nil)
	require.NoError(t, a.err)
	assert.Zero(t, b.Len()%4)
	fields := b.String()
	assert.Equal(t, 3, strings.Count(fields, "070701"))
	if _, err := exec.LookPath("cpio"); err == nil {
		cmd := exec.Command("cpio", "-t")
		cmd.Stdin = bytes.NewReader(b.Bytes())
		out, err := cmd.Output()
		require.NoError(t, err)
		assert.Equal(t, "dev\ninit\n", string(out))
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range append(throttledBoards(), emulatedBoards(t.TempDir())...) {
		assert.False(t, seen[b.name], b.name)
		seen[b.name] = true
		assert.Equal(t, b.name, filepath.Base(b.name))
	}
	assert.Len(t, seen, 15)
}
