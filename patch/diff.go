package patch

import (
	"bytes"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff returns the difference of two manifests as patch(1) reads it, "" when
// there is none.
func Diff(name string, before, after []byte) string {
	text := diff.Diff(name, before, name, after)
	// The first line is for a terminal only.
	_, text, _ = bytes.Cut(text, []byte("\n"))
	return string(text)
}
