package kubeadm

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLines(t *testing.T) {
	var got []string
	w := Lines(func(line []byte, cut bool) error {
		got = append(got, fmt.Sprintf("%d %.5s %t", len(line), line, cut))
		return nil
	})
	for _, part := range []string{"one\ntw", "o\n\n", strings.Repeat("x", 3*maxLine), strings.Repeat("y", maxLine),
		"\nlast\nrest"} {
		n, err := w.Write([]byte(part))
		require.NoError(t, err)
		assert.Equal(t, len(part), n)
	}
	assert.Equal(t, []string{"3 one false", "3 two false", "0  false", "65536 xxxxx true", "4 last false"}, got)
	assert.LessOrEqual(t, cap(w.(*lines).rest), 2*maxLine, "a line without an end costs no memory")
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\n\nc"), 3)
	f.Fuzz(func(t *testing.T, text []byte, at int) {
		var got bytes.Buffer
		w := Lines(func(line []byte, cut bool) error { got.Write(append(line, '\n')); return nil })
		at = max(0, min(at, len(text)))
		_, _ = w.Write(text[:at])
		_, _ = w.Write(text[at:])
		end := bytes.LastIndexByte(text, '\n') + 1
		if len(text) <= maxLine {
			require.Equal(t, string(text[:end]), got.String())
		}
	})
}
