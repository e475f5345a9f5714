// Package text lays text out for people at a terminal: in lines of 80 columns, with
// every duration in one form. It does not make foreign text harmless; see printable.
package text

import (
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Width is that of a serial console, less the column that some of them wrap at.
const Width = 79

// Duration is a duration in Go's form, as precise as people want it: "400ms", "9.1s",
// "45s", "2m18s".
func Duration(d time.Duration) string {
	unit := time.Second
	if d.Abs() < 10*time.Second {
		unit = 100 * time.Millisecond
	}
	return d.Round(unit).String()
}

// Wrap writes words in lines of at most Width columns, the first after the text first and
// the others after indent. A word that is longer than a line has a line of its own.
func Wrap(w io.Writer, first, indent, words string) error {
	var b strings.Builder
	line, empty := first, true
	for _, word := range strings.Fields(words) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > Width {
			b.WriteString(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	_, err := io.WriteString(w, b.String()+strings.TrimRight(line, " ")+"\n")
	return err
}
