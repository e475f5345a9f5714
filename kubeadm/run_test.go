package kubeadm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func script(t *testing.T, text string) string {
	path := filepath.Join(t.TempDir(), "kubeadm")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	return path
}

// TestAProgramThatNeverAnswers: one that prints forever is ended by its output, one
// that is silent by its time, and both by the context, together with their children.
func TestAProgramThatNeverAnswers(t *testing.T) {
	_, err := AskVersion(t.Context(), Exec, script(t, "yes aaaaaaaaaaaaaaaaaaaaaaaaaa"))
	assert.ErrorContains(t, err, "it printed more than 4 MiB")
	_, err = AskVersion(t.Context(), Exec, script(t, "yes | tr -d '\\n' >&2"))
	assert.ErrorContains(t, err, "it printed more than 4 MiB", "on one line, and to standard error")

	_, err = Exec(t.Context(), Command{Path: script(t, "trap '' TERM INT; sleep 1000; sleep 1000"),
		Patience: 50 * time.Millisecond})
	var failed *CommandError
	require.ErrorAs(t, err, &failed)
	assert.ErrorContains(t, err, "it did not answer within 50ms")

	ctx, cancel := context.WithCancel(t.Context())
	path := script(t, "trap '' TERM INT; echo here; sleep 1000")
	begun := Lines(func([]byte, bool) error { cancel(); return nil })
	_, err = Exec(ctx, Command{Path: path, Patience: time.Hour, Output: begun})
	assert.True(t, ctx.Err() != nil && err != nil, "the test would not end else")
	assert.NotContains(t, err.Error(), "did not answer")
}

// TestMuchOutput: of a command that works, the end of the output is kept.
func TestMuchOutput(t *testing.T) {
	res, err := Exec(t.Context(), Command{Path: script(t, "head -c 9000000 /dev/zero | tr '\\0' a; echo; echo the end")})
	require.NoError(t, err)
	assert.Len(t, res.Stdout, keptBytes)
	assert.True(t, strings.HasSuffix(string(res.Stdout), "a\nthe end\n"))
	assert.Len(t, res.Tail, tailBytes)
	_, err = Exec(t.Context(), Command{Path: script(t, "echo why >&2; exit 3")})
	var failed *CommandError
	require.True(t, errors.As(err, &failed))
	assert.Equal(t, 3, failed.ExitCode)
	assert.Equal(t, "why\n", failed.Tail)
}
