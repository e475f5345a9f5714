package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplitCommands(t *testing.T) {
	got, err := splitCommands([]string{"detect", "-o", "json", "--", "version"})
	require.NoError(t, err)
	assert.Equal(t, [][]string{{"detect", "-o", "json"}, {"version"}}, got)
	for _, bad := range [][]string{nil, {"--"}, {"a", "--"}, {"a", "--", "--", "b"}} {
		_, err := splitCommands(bad)
		assert.Error(t, err, bad)
	}
}
