package emulate

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"os"
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
	_, err := zip.Write([]byte(`[{"exitCode":3}]`))
	require.NoError(t, err)
	require.NoError(t, zip.Close())
	text := base64.StdEncoding.EncodeToString(packed.Bytes())
	console := "Booting Linux\r\n" + said + text[:20] + "\r\n[    1.0] random words\r\n" + said + text[20:] +
		"\r\n\r\n" + done + "\r\nreboot: Power down\r\n"
	got, err := listen(strings.NewReader(console))
	require.NoError(t, err)
	assert.JSONEq(t, `[{"exitCode":3}]`, string(got))
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
func TestInitramfsIsCpio(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	require.NoError(t, os.WriteFile(program, []byte("hello"), 0o755))
	path := filepath.Join(dir, "initramfs")
	require.NoError(t, writeInitramfs(path, program, map[string]string{"/usr/bin/a": program, "/usr/lib/b": program},
		map[string][]byte{"/c": []byte("x")}))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Zero(t, len(text)%4)
	// Folders once each, and before what is in them.
	assert.Equal(t, 1, strings.Count(string(text), "\x00usr\x00")+strings.Count(string(text), "00000000usr\x00"))
	if _, err := exec.LookPath("cpio"); err == nil {
		cmd := exec.Command("cpio", "-t", "--quiet")
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.Output()
		require.NoError(t, err)
		assert.Equal(t, "dev proc sys tmp run etc root dev/console init usr usr/bin usr/bin/a usr/lib usr/lib/b c",
			strings.Join(strings.Fields(string(out)), " "))
	}
}

func TestGuestAndHostSpeakTheSameLanguage(t *testing.T) {
	source, err := guestSource.ReadFile("guest/commands.go")
	require.NoError(t, err)
	for _, word := range []string{said, done, failed} {
		assert.Contains(t, string(source), `"`+word+`"`)
	}
}

func TestFind(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range Boards() {
		assert.False(t, seen[b.Name], b.Name)
		seen[b.Name] = true
		found, err := Find(b.Name)
		require.NoError(t, err)
		assert.Equal(t, b, found)
	}
	_, err := Find("abacus")
	assert.ErrorContains(t, err, "raspberrypi1")
}
