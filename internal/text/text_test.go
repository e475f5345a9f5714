package text

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 380 * time.Millisecond: "400ms", 9140 * time.Millisecond: "9.1s", 9990 * time.Millisecond: "10s", 45400 * time.Millisecond: "45s",
		138 * time.Second: "2m18s", 5 * time.Minute: "5m0s", 3723 * time.Second: "1h2m3s", -90 * time.Second: "-1m30s",
	} {
		assert.Equal(t, want, Duration(d))
	}
}

func TestWrap(t *testing.T) {
	wrapped := func(first, indent, words string) string {
		var b strings.Builder
		require.NoError(t, Wrap(&b, first, indent, words))
		return b.String()
	}
	assert.Equal(t, "a: b c\n", wrapped("a: ", "   ", " b\n c "))
	assert.Equal(t, "a:\n", wrapped("a: ", "   ", ""))
	long := strings.Repeat("x", 100)
	assert.Equal(t, "a: b\n   "+long+"\n   c\n", wrapped("a: ", "   ", "b "+long+" c"))
	for _, line := range strings.Split(wrapped("  1. ", "     ", strings.Repeat("µs überall ", 40)), "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), Width)
	}
}
