package tomledit

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A span is a range of bytes of the document, without its end.
type span struct{ start, end int }

// A section is what stands below one [header]; the first one is what stands
// before any header, with an empty path and an empty header.
type section struct {
	path   []string
	header span
	// list is set for [[header]]: an element of an array of tables.
	list bool
	// end is where the section's last expression ends.
	end int
}

// An entry is one `key = value`, in a section or in an inline table.
type entry struct {
	section int
	path    []string
	// inside is the inline table that it stands in, -1 for none.
	inside int
	key    span
	value  span
	kind   unstable.Kind
	// elements are those of an array that are strings.
	elements []element
}

type element struct {
	span
	text string
}

// document is a parsed TOML document with the places of its parts.
type document struct {
	text     []byte
	sections []section
	entries  []entry
}

// read parses a document. An error names the line, as go-toml does.
func read(text []byte) (*document, map[string]any, error) {
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		return nil, nil, err
	}
	d := &document{text: text, sections: []section{{}}}
	var p unstable.Parser
	p.Reset(text)
	for p.NextExpression() {
		n := p.Expression()
		switch n.Kind {
		case unstable.Table, unstable.ArrayTable:
			path, key := keys(n.Key())
			key.start, key.end = d.lineStart(key.start), d.lineEnd(key.end)
			d.sections = append(d.sections, section{path: path, header: key, list: n.Kind == unstable.ArrayTable, end: key.end})
		case unstable.KeyValue:
			d.add(n, d.sections[len(d.sections)-1].path, -1)
			last := &d.sections[len(d.sections)-1]
			last.end = d.lineEnd(spanOf(n.Raw).end)
		}
	}
	if err := p.Error(); err != nil {
		return nil, nil, err
	}
	return d, tree, nil
}

func spanOf(r unstable.Range) span { return span{int(r.Offset), int(r.Offset + r.Length)} }

// keys are the parts of a dotted key and the place of all of it.
func keys(it unstable.Iterator) (path []string, all span) {
	for it.Next() {
		at := spanOf(it.Node().Raw)
		if len(path) == 0 {
			all.start = at.start
		}
		all.end = at.end
		path = append(path, string(it.Node().Data))
	}
	return path, all
}

// add notes an entry and those inside it.
func (d *document) add(n *unstable.Node, prefix []string, inside int) {
	path, key := keys(n.Key())
	e := entry{section: len(d.sections) - 1, path: slices.Concat(prefix, path), inside: inside, key: key,
		kind: n.Value().Kind}
	// The parser gives no place for an array or the whole of an inline table:
	// a value is what follows the equals sign.
	e.value = span{key.end, spanOf(n.Raw).end}
	equals := bytes.IndexByte(d.text[e.value.start:e.value.end], '=')
	e.value.start += equals + 1
	for e.value.start < e.value.end && (d.text[e.value.start] == ' ' || d.text[e.value.start] == '\t') {
		e.value.start++
	}
	if e.kind == unstable.Array {
		for it := n.Value().Children(); it.Next(); {
			if it.Node().Kind == unstable.String {
				e.elements = append(e.elements, element{spanOf(it.Node().Raw), string(it.Node().Data)})
			}
		}
	}
	d.entries = append(d.entries, e)
	if e.kind == unstable.InlineTable {
		own := len(d.entries) - 1
		for it := n.Value().Children(); it.Next(); {
			if it.Node().Kind == unstable.KeyValue {
				d.add(it.Node(), e.path, own)
			}
		}
	}
}

func (d *document) entry(path []string) *entry {
	for i := range d.entries {
		if slices.Equal(d.entries[i].path, path) {
			return &d.entries[i]
		}
	}
	return nil
}

func (d *document) lineStart(at int) int { return bytes.LastIndexByte(d.text[:at], '\n') + 1 }

// lineEnd is the end of a line with its newline, if it has one.
func (d *document) lineEnd(at int) int {
	if n := bytes.IndexByte(d.text[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(d.text)
}

// newline is the document's own: the first one's.
func (d *document) newline() string {
	if n := bytes.IndexByte(d.text, '\n'); n > 0 && d.text[n-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// indent are the blanks before what stands at a place, empty when anything else
// stands before it on its line.
func (d *document) indent(at int) string {
	before := d.text[d.lineStart(at):at]
	if len(bytes.Trim(before, " \t")) > 0 {
		return ""
	}
	return string(before)
}

// replace puts text in place of a range.
func (d *document) replace(at span, text string) []byte {
	return slices.Concat(d.text[:at.start], []byte(text), d.text[at.end:])
}

// insertLine puts a line at a place that is the beginning of a line, or the end
// of a document whose last line has no newline.
func (d *document) insertLine(at int, line string) []byte {
	nl := d.newline()
	if at > 0 && d.text[at-1] != '\n' {
		return d.replace(span{at, at}, nl+line)
	}
	return d.replace(span{at, at}, line+nl)
}

// RefusedError says that a document cannot be changed in place.
type RefusedError struct {
	Key string
	Why string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("set %s: %s", e.Key, e.Why) }
