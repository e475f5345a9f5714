package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestEachPartKeepsItsSection(t *testing.T) {
	day := time.Date(2026, 11, 30, 23, 0, 0, 0, time.UTC)
	text := withSection("", parts[3], day, "ours, first\n")
	text = withSection(text, parts[2], day, "stock\n")
	text = withSection(text, parts[4], day, "systemd\n")
	once := text
	text = withSection(text, parts[3], day.AddDate(0, 0, 1), "ours, second\n")
	assert.Equal(t, strings.NewReplacer("ours, first", "ours, second").Replace(once),
		strings.Replace(text, "2026-12-01", "2026-11-30", 1))
	assert.Less(t, strings.Index(text, "\nstock\n"), strings.Index(text, "\nours, second\n"))
	assert.Equal(t, 3, strings.Count(text, "\n## "))
	assert.True(t, strings.HasPrefix(text, "# "))
}
