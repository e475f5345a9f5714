package printable

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"Banana Pi": "Banana Pi", "größer — 100 %": "größer — 100 %", "a\x1b[2Jb": `a\u001b[2Jb`, "x\nhint: run this": `x\nhint: run this`,
		"a\rb": `a\u000db`, "\u009b31m": `\u009b31m`, "a\x9bb": "a\ufffdb", "\u202egnp.exe": `\u202egnp.exe`, "a\tb": "a b", "\x7f": `\u007f`,
		"\u2028": `\u2028`, "\U000e0041": `\udb40\udc41`, "": "",
	} {
		assert.Equal(t, want, Line(in), "%q", in)
	}
	assert.Equal(t, "a\nb\tc\\u001b", Text("a\nb\tc\x1b"))
}

func TestFprintf(t *testing.T) {
	got := Sprintf("\x1b[K%-8s|%6.2f|%*d|%v|%q|%s|%02d\n", "a\x1bb", 1.5, 4, 7, errors.New("x\ny"), "z",
		[]string{"p\n", "q"}, 3*time.Minute/time.Minute)
	assert.Equal(t, "\x1b[Ka\\u001bb     |  1.50|   7|x\\ny|\"z\"|[p\\n q]|03\n", got)
	var b strings.Builder
	_, _ = Fprintln(&b, "a\nb", 7)
	assert.Equal(t, "a\\nb 7\n", b.String())
	assert.Equal(t, "<nil>", Sprintf("%v", nil))
}

// TestWriterAtBoundaries cuts a text at every byte.
func TestWriterAtBoundaries(t *testing.T) {
	text := "é\x1b€\U0001f600\u202e\xff\xe2\x82"
	var whole strings.Builder
	w := Writer(&whole)
	_, _ = w.Write([]byte(text))
	require.NoError(t, w.Close())
	assert.Equal(t, "é\\u001b€\U0001f600\\u202e\ufffd\ufffd\ufffd", whole.String())
	for i := range text {
		var b strings.Builder
		w := Writer(&b)
		_, _ = w.Write([]byte(text[:i]))
		_, _ = w.Write([]byte(text[i:]))
		require.NoError(t, w.Close())
		assert.Equal(t, whole.String(), b.String(), i)
	}
}

// FuzzText: what comes out cannot steer a terminal, and in a JSON text it means what
// it meant.
func FuzzText(f *testing.F) {
	f.Add("a\x1b]0;x\x07\u202e\U000e0041", 3)
	f.Fuzz(func(t *testing.T, s string, cut int) {
		for _, r := range Line(s) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2028' {
				t.Fatalf("%q has %q", s, r)
			}
		}
		var b strings.Builder
		w := Writer(&b)
		cut = max(0, min(cut, len(s)))
		_, _ = w.Write([]byte(s[:cut]))
		_, _ = w.Write([]byte(s[cut:]))
		_ = w.Close()
		if !utf8.ValidString(b.String()) {
			t.Fatalf("%q became %q", s, b.String())
		}
		if !utf8.ValidString(s) {
			return
		}
		doc, err := json.Marshal(s)
		require.NoError(t, err)
		var back string
		require.NoError(t, json.Unmarshal([]byte(Text(string(doc))), &back))
		require.Equal(t, s, back)
	})
}
