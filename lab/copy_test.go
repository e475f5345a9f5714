package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPathOnBoard(t *testing.T) {
	name, path, ok := boardPathOf("l1:/etc/hosts")
	assert.True(t, ok)
	assert.Equal(t, []string{"l1", "/etc/hosts"}, []string{name, path})
	for _, text := range []string{"", "file", "/tmp/a:b", "l1:relative", ":/etc", "L1:/etc"} {
		_, _, ok := boardPathOf(text)
		assert.False(t, ok, text)
	}
}
