package runner

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that prints without end, or does not end.
func TestExecIsLimited(t *testing.T) {
	_, err := Exec(t.Context(), "sh", "-c", "head -c 40000000 /dev/zero")
	require.ErrorContains(t, err, "it printed more than")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Exec(ctx, "sleep", "600")
	require.ErrorIs(t, err, context.Canceled)
}
