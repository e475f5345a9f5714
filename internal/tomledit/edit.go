package tomledit

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Set gives the setting at path a value: a bool, an int64, a string or a
// []string. A value
// that is there is replaced; a new one goes where the document has its table,
// in the form that this table has. The error is a [*RefusedError], or go-toml's
// for a document that is none.
func Set(text []byte, value any, path ...string) ([]byte, error) {
	d, tree, err := read(text)
	if err != nil {
		return nil, err
	}
	literal, err := format(value)
	if err != nil {
		return nil, &RefusedError{dotted(path), err.Error()}
	}
	var after []byte
	if e := d.entry(path); e != nil {
		after = d.replace(e.value, literal)
	} else if after, err = d.insert(literal, path); err != nil {
		return nil, err
	}
	if err := put(tree, value, path); err != nil {
		return nil, &RefusedError{dotted(path), err.Error()}
	}
	return after, same(after, tree, path)
}

// RemoveStrings removes the elements of the array at path for which drop says
// so. A document without that array, or without such an element, is returned as
// it is. Errors are those of [Set].
func RemoveStrings(text []byte, drop func(string) bool, path ...string) ([]byte, error) {
	d, tree, err := read(text)
	if err != nil {
		return nil, err
	}
	e := d.entry(path)
	if e == nil {
		return text, nil
	}
	after := text
	for i := len(e.elements) - 1; i >= 0; i-- {
		if drop(e.elements[i].text) {
			after = cutElement(after, e.elements[i].span, e.value.start)
		}
	}
	list, ok := at(tree, path[:len(path)-1])[path[len(path)-1]].([]any)
	if !ok {
		return text, nil
	}
	kept := slices.DeleteFunc(slices.Clone(list), func(x any) bool { s, ok := x.(string); return ok && drop(s) })
	if err := put(tree, kept, path); err != nil {
		return nil, &RefusedError{dotted(path), err.Error()}
	}
	return after, same(after, tree, path)
}

// same proves that a text is the document that it is meant to be.
func same(after []byte, want map[string]any, path []string) error {
	var got map[string]any
	if err := toml.Unmarshal(after, &got); err != nil {
		return &RefusedError{dotted(path), "the file is written in a form that cannot be changed in place"}
	}
	if !reflect.DeepEqual(normal(got), normal(want)) {
		return &RefusedError{dotted(path), "the change would mean something else in this file"}
	}
	return nil
}

// normal makes an absent list and an empty one equal.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = normal(x)
		}
	case []any:
		if len(v) == 0 {
			return []any{}
		}
		for i, x := range v {
			v[i] = normal(x)
		}
	}
	return v
}

// at walks down a decoded document; nil when there is no such table.
func at(tree map[string]any, path []string) map[string]any {
	for _, name := range path {
		tree, _ = tree[name].(map[string]any)
	}
	return tree
}

// put sets a value in a decoded document.
func put(tree map[string]any, value any, path []string) error {
	for _, name := range path[:len(path)-1] {
		next, ok := tree[name].(map[string]any)
		if !ok {
			if tree[name] != nil {
				return fmt.Errorf("%s is not a table", name)
			}
			next = map[string]any{}
			tree[name] = next
		}
		tree = next
	}
	if list, ok := value.([]string); ok {
		all := make([]any, len(list))
		for i, s := range list {
			all[i] = s
		}
		value = all
	}
	tree[path[len(path)-1]] = value
	return nil
}

// insert adds a setting that the document does not have, next to the nearest
// table above it that it has.
func (d *document) insert(literal string, path []string) ([]byte, error) {
	for n := len(path) - 1; n > 0; n-- {
		if e := d.entry(path[:n]); e != nil {
			if e.kind != unstable.InlineTable {
				return nil, &RefusedError{dotted(path), dotted(path[:n]) + " is not a table"}
			}
			return d.insertInline(*e, dotted(path[n:])+" = "+literal), nil
		}
		if i := slices.IndexFunc(d.sections, func(s section) bool { return slices.Equal(s.path, path[:n]) }); i > 0 {
			return d.insertSection(i, literal, path)
		}
		if e := d.dottedInto(path[:n]); e != nil {
			if e.inside >= 0 {
				table := d.entries[e.inside]
				return d.insertInline(table, dotted(path[len(table.path):])+" = "+literal), nil
			}
			line := d.indent(e.key.start) + dotted(path[len(d.sections[e.section].path):]) + " = " + literal
			return d.insertLine(d.lineEnd(e.value.end), line), nil
		}
	}
	return d.insertTop(literal, path)
}

// dottedInto finds the last entry that makes a table by its dotted key, such as
// `a.b = 1` the table a. TOML lets nothing but dotted keys beside it add to it.
func (d *document) dottedInto(table []string) *entry {
	for i := len(d.entries) - 1; i >= 0; i-- {
		e := &d.entries[i]
		base := len(d.sections[e.section].path)
		if e.inside >= 0 {
			base = len(d.entries[e.inside].path)
		}
		if base < len(table) && len(e.path) > len(table) && slices.Equal(e.path[:len(table)], table) {
			return e
		}
	}
	return nil
}

// insertSection adds a setting to the section i, or a section of its own after
// the last of those below it.
func (d *document) insertSection(i int, literal string, path []string) ([]byte, error) {
	s := d.sections[i]
	if s.list {
		return nil, &RefusedError{dotted(path), dotted(s.path) + " is a list of tables"}
	}
	header := d.text[s.header.start:]
	indent := string(header[:len(header)-len(bytes.TrimLeft(header, " \t"))])
	last := s.end
	for _, e := range d.entries {
		if e.section == i {
			indent = d.indent(e.key.start)
			break
		}
	}
	if len(path) == len(s.path)+1 {
		return d.insertLine(s.header.end, indent+dotted(path[len(s.path):])+" = "+literal), nil
	}
	for _, other := range d.sections[i:] {
		if len(other.path) >= len(s.path) && slices.Equal(other.path[:len(s.path)], s.path) {
			last = max(last, other.end)
		}
	}
	return d.insertNewSection(last, literal, path), nil
}

// insertTop adds a setting that shares no table with the document.
func (d *document) insertTop(literal string, path []string) ([]byte, error) {
	if len(path) > 1 {
		return d.insertNewSection(len(d.text), literal, path), nil
	}
	line := dotted(path) + " = " + literal
	switch top := d.sections[0]; {
	case top.end > 0:
		return d.insertLine(top.end, line), nil
	case len(d.sections) > 1:
		return d.insertLine(d.sections[1].header.start, line), nil
	}
	return d.insertLine(len(d.text), line), nil
}

func (d *document) insertNewSection(at int, literal string, path []string) []byte {
	nl, last := d.newline(), len(path)-1
	text := "[" + dotted(path[:last]) + "]" + nl + dotted(path[last:]) + " = " + literal + nl
	if at > 0 {
		text = nl + text
	}
	if at > 0 && d.text[at-1] != '\n' {
		text = nl + text
	}
	return d.replace(span{at, at}, text)
}

// insertInline adds a setting at the end of an inline table.
func (d *document) insertInline(table entry, setting string) []byte {
	end := table.value.end - 1 // the closing brace
	body := d.text[table.value.start+1 : end]
	trimmed := len(bytes.TrimRight(body, " \t"))
	place := table.value.start + 1 + trimmed
	if len(bytes.TrimSpace(body)) == 0 {
		return d.replace(span{table.value.start + 1, end}, " "+setting+" ")
	}
	return d.replace(span{place, place}, ", "+setting)
}

// cutElement removes an element of an array, its comma, and the line when
// nothing else is on it. The array begins at from.
func cutElement(text []byte, e span, from int) []byte {
	blanks := func(at int) int {
		for at < len(text) && (text[at] == ' ' || text[at] == '\t') {
			at++
		}
		return at
	}
	if comma := blanks(e.end); comma < len(text) && text[comma] == ',' {
		e.end = blanks(comma + 1)
	} else if comma := commaAfter(text, e.end); comma >= 0 {
		// A comment or a line end stands between the element and its comma.
		text = slices.Concat(text[:comma], text[comma+1:])
	} else if before := bytes.TrimRight(text[from:e.start], " \t"); bytes.HasSuffix(before, []byte(",")) {
		e.start = from + len(before) - 1
	}
	start := bytes.LastIndexByte(text[:e.start], '\n') + 1
	if end := bytes.IndexByte(text[e.end:], '\n'); end >= 0 && start > from &&
		len(bytes.TrimSpace(text[start:e.start])) == 0 && len(bytes.TrimSpace(text[e.end:e.end+end])) == 0 {
		e = span{start, e.end + end + 1}
	}
	return slices.Concat(text[:e.start], text[e.end:])
}

// commaAfter is where the comma stands that follows an element after comments
// and line ends, -1 without one.
func commaAfter(text []byte, at int) int {
	for at < len(text) {
		switch text[at] {
		case ',':
			return at
		case ' ', '\t', '\r', '\n':
			at++
		case '#':
			n := bytes.IndexByte(text[at:], '\n')
			if n < 0 {
				return -1
			}
			at += n
		default:
			return -1
		}
	}
	return -1
}

// format writes a value as TOML.
func format(value any) (string, error) {
	switch v := value.(type) {
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case []string:
		var all []string
		for _, s := range v {
			text, err := format(s)
			if err != nil {
				return "", err
			}
			all = append(all, text)
		}
		return "[" + strings.Join(all, ", ") + "]", nil
	case string:
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' }) {
			return "", fmt.Errorf("%q has characters that this program does not write", v)
		}
		return `"` + v + `"`, nil
	}
	return "", fmt.Errorf("a %T is not written", value)
}

var bareKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// dotted writes a key, each part quoted where TOML asks for it.
func dotted(path []string) string {
	all := make([]string, len(path))
	for i, part := range path {
		all[i] = part
		if !bareKey.MatchString(part) {
			all[i] = strconv.Quote(part)
		}
	}
	return strings.Join(all, ".")
}
