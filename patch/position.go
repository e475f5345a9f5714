package patch

import (
	"bytes"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v3"
)

// lineStarts are the offsets at which lines begin. The YAML reader ends lines at
// more than line feeds (yaml.org/spec/1.1, section 4.1.4).
func lineStarts(text []byte) []int {
	starts := []int{0}
	for i := 0; i < len(text); {
		n := breakAt(text[i:])
		if n == 0 {
			i++
			continue
		}
		i += n
		starts = append(starts, i)
	}
	return starts
}

// breakAt is the length of the line break that text begins with, 0 without one.
func breakAt(text []byte) int {
	switch {
	case bytes.HasPrefix(text, []byte("\r\n")):
		return 2
	case text[0] == '\n' || text[0] == '\r':
		return 1
	case bytes.HasPrefix(text, []byte("\u0085")):
		return 2
	case bytes.HasPrefix(text, []byte("\u2028")), bytes.HasPrefix(text, []byte("\u2029")):
		return 3
	}
	return 0
}

// line returns a line, counted from 1, with and without its line break.
func (d *document) line(number int) (whole, bare []byte) {
	whole = d.text[d.lines[number-1]:]
	if number < len(d.lines) {
		whole = d.text[d.lines[number-1]:d.lines[number]]
	}
	return whole, bytes.TrimRight(whole, "\r\n")
}

// eol is the line ending to use near a line: its own, or that of the line
// before where the text ends without one.
func (d *document) eol(number int) string {
	for ; number > 0; number-- {
		whole, bare := d.line(number)
		switch end := string(whole[len(bare):]); end {
		case "\n", "\r\n":
			return end
		}
	}
	return "\n"
}

// offset is where a node begins. The reader counts columns in characters, and
// leaves out a byte order mark.
func (d *document) offset(n *yaml.Node) (int, error) {
	if n.Line < 1 || n.Line > len(d.lines) {
		return 0, refuse(n.Line, "", "cannot find this line again")
	}
	at := d.lines[n.Line-1]
	if at == 0 && bytes.HasPrefix(d.text, []byte("\ufeff")) {
		at = len("\ufeff")
	}
	for range n.Column - 1 {
		if at >= len(d.text) {
			return 0, refuse(n.Line, "", "cannot find column %d again", n.Column)
		}
		_, size := utf8.DecodeRune(d.text[at:])
		at += size
	}
	return at, nil
}

// span is the bytes of a scalar, quotes included.
func (d *document) span(n *yaml.Node) (from, to int, err error) {
	if from, err = d.offset(n); err != nil {
		return 0, 0, err
	}
	text := d.text[from:]
	length := 0
	switch {
	case n.Kind != yaml.ScalarNode || len(text) == 0:
	case text[0] == '"':
		length = doubleQuoted(text)
	case text[0] == '\'':
		length = singleQuoted(text)
	case n.Value != "" && bytes.HasPrefix(text, []byte(n.Value)):
		length = len(n.Value)
	}
	if length == 0 {
		return 0, 0, refuse(n.Line, "write it as a plain value on one line",
			"%q is written in a way that cannot be edited in place", n.Value)
	}
	return from, from + length, nil
}

// doubleQuoted is the length of a "string", quotes included; 0 when it has no
// end.
func doubleQuoted(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// singleQuoted is the same for a 'string', in which two quotes stand for one.
func singleQuoted(text []byte) int {
	for i := 1; i < len(text); i++ {
		if text[i] != '\'' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '\'' {
			i++
			continue
		}
		return i + 1
	}
	return 0
}
