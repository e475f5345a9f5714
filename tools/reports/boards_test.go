package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range append(throttledBoards(), emulatedBoards("lab", "dist", nil)...) {
		assert.False(t, seen[b.name], b.name)
		seen[b.name] = true
		assert.Equal(t, b.name, filepath.Base(b.name))
	}
	assert.Len(t, seen, 19)
}
