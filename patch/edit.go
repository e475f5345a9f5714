package patch

import (
	"bytes"
	"sort"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// edit replaces the bytes [from,to) of a document.
type edit struct {
	from, to int
	text     string
	// order breaks ties between insertions at one place.
	order int
}

type edits []edit

func (e *edits) add(from, to int, text string) {
	*e = append(*e, edit{from, to, text, len(*e)})
}

// apply makes all edits at once; they do not overlap.
func (e edits) apply(text []byte) []byte {
	if len(e) == 0 {
		return text
	}
	sort.Slice(e, func(i, j int) bool {
		if e[i].from != e[j].from {
			return e[i].from < e[j].from
		}
		return e[i].order < e[j].order
	})
	var out bytes.Buffer
	at := 0
	for _, x := range e {
		out.Write(text[at:x.from])
		out.WriteString(x.text)
		at = x.to
	}
	out.Write(text[at:])
	return out.Bytes()
}

// replace gives a scalar a new value, keeping its quotes.
func (d *document) replace(e *edits, n *yaml.Node, to string) error {
	from, end, err := d.span(n)
	if err != nil {
		return err
	}
	if q := d.text[from]; q == '"' || q == '\'' {
		to = string(q) + to + string(q)
	}
	e.add(from, end, to)
	return nil
}

// insertKey adds a key to a mapping, before the first key that sorts after it,
// since kubeadm writes keys in alphabetical order. block and flow are the
// value's two spellings; block may have several lines, each to be indented.
func (d *document) insertKey(e *edits, m *yaml.Node, key string, block []string, flow string) error {
	if m.Kind != yaml.MappingNode || len(m.Content) == 0 {
		return refuse(m.Line, "", "cannot add %s to an empty mapping", key)
	}
	at, last := -1, len(m.Content)-2
	for i := 0; i < len(m.Content); i += 2 {
		if m.Content[i].Value > key {
			at = i
			break
		}
	}
	if m.Style&yaml.FlowStyle != 0 {
		if at < 0 {
			at = last
		}
		from, err := d.offset(m.Content[at])
		if err != nil {
			return err
		}
		e.add(from, from, `"`+key+`": `+flow+", ")
		return nil
	}
	before := m.Content[max(at, 0)]
	if at < 0 {
		before = m.Content[last]
	}
	from, err := d.offset(before)
	if err != nil {
		return err
	}
	line := d.lines[before.Line-1]
	indent := string(d.text[line:from])
	lead := indent
	if strings.TrimLeft(indent, " ") != "" {
		// The key stands behind the dash of a list item.
		indent = strings.Repeat(" ", before.Column-1)
		lead = ""
		line = from
	} else {
		line = d.aboveComments(before.Line - 1)
	}
	var text strings.Builder
	for i, l := range append([]string{key + ":" + spaced(block)}, rest(block)...) {
		if i == 0 {
			text.WriteString(lead)
		} else {
			text.WriteString(indent)
		}
		text.WriteString(l + d.eol())
	}
	if lead == "" {
		text.WriteString(indent)
	}
	e.add(line, line, text.String())
	return nil
}

// spaced is what follows the colon of a key: a one-line value, or nothing.
func spaced(block []string) string {
	if len(block) == 1 {
		return " " + block[0]
	}
	return ""
}

func rest(block []string) []string {
	if len(block) == 1 {
		return nil
	}
	return block
}

// aboveComments is the offset of the first of the comment lines that stand
// right above a line: they belong to it and must not be parted from it.
func (d *document) aboveComments(line int) int {
	for line > 0 {
		above := bytes.TrimSpace(d.text[d.lines[line-1] : d.lines[line]-1])
		if len(above) == 0 || above[0] != '#' {
			break
		}
		line--
	}
	return d.lines[line]
}

// insertItem adds an item to a list before item number at; block are its lines
// without the dash, flow its spelling in brackets.
func (d *document) insertItem(e *edits, list *yaml.Node, at int, block []string, flow string) error {
	item := list.Content[at]
	from, err := d.offset(item)
	if err != nil {
		return err
	}
	if list.Style&yaml.FlowStyle != 0 {
		e.add(from, from, flow+", ")
		return nil
	}
	line := d.lines[item.Line-1]
	indent := string(d.text[line:from])
	dash := strings.TrimLeft(indent, " ")
	if !strings.HasPrefix(dash, "-") || strings.TrimLeft(dash[1:], " ") != "" {
		return refuse(item.Line, "write every list item on a line of its own", "a list item is written in a way that cannot be edited in place")
	}
	line = d.aboveComments(item.Line - 1)
	var text strings.Builder
	for i, l := range block {
		if i == 0 {
			text.WriteString(indent + l + d.eol())
		} else {
			text.WriteString(strings.Repeat(" ", item.Column-1) + l + d.eol())
		}
	}
	e.add(line, line, text.String())
	return nil
}
