package tree

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Reading ends with the context, however large a file is: this one takes an hour.
func TestReadsEndWithTheContext(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "db")
	require.NoError(t, os.WriteFile(big, nil, 0o600))
	require.NoError(t, os.Truncate(big, 1<<40))
	same := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(same, "db"), nil, 0o600))
	require.NoError(t, os.Truncate(filepath.Join(same, "db"), 1<<40))
	for name, read := range map[string]func(context.Context) error{
		"Fingerprint": func(ctx context.Context) error { _, err := TakeFingerprint(ctx, dir); return err },
		"Contained":   func(ctx context.Context) error { _, _, err := Contained(ctx, dir, same, false); return err },
		"difference":  func(ctx context.Context) error { _, err := FirstDifference(ctx, dir, same); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		begun := make(chan struct{})
		go func() {
			<-begun
			cancel()
		}()
		close(begun)
		assert.ErrorIs(t, read(ctx), context.Canceled, name)
	}
}
