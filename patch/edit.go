package patch

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	yaml "go.yaml.in/yaml/v3"
)

// edit replaces the bytes [from,to) of a document.
type edit struct {
	from, to int
	text     string
}

type edits []edit

// apply makes all edits at once. Insertions at one place keep their order, and
// come before what is replaced there. Edits that overlap are refused.
func (e edits) apply(text []byte) ([]byte, error) {
	slices.SortStableFunc(e, func(a, b edit) int {
		return cmp.Or(a.from-b.from, a.to-b.to)
	})
	var out bytes.Buffer
	at := 0
	for _, x := range e {
		if x.from < at {
			return nil, refuse(1+bytes.Count(text[:at], []byte("\n")), "write each flag and its value as one, --flag=value",
				"two changes meet in one place")
		}
		out.Write(text[at:x.from])
		out.WriteString(x.text)
		at = x.to
	}
	out.Write(text[at:])
	return out.Bytes(), nil
}

// replaceNumber gives a number a new value.
func (d *document) replaceNumber(e *edits, n *yaml.Node, to string) error {
	return d.replace(e, n, func(byte) string { return to })
}

// replaceText gives a string a new value, in the quotes that it has.
func (d *document) replaceText(e *edits, n *yaml.Node, to string) error {
	return d.replace(e, n, func(first byte) string {
		switch first {
		case '"':
			return quoted(to)
		case '\'':
			if strings.ContainsFunc(to, func(r rune) bool { return !unicode.IsPrint(r) }) {
				return quoted(to) // only these quotes can spell a line break
			}
			return "'" + strings.ReplaceAll(to, "'", "''") + "'"
		}
		return plain(to)
	})
}

// replace replaces a scalar by what spell makes of its first byte.
func (d *document) replace(e *edits, n *yaml.Node, spell func(first byte) string) error {
	if err := d.alone(n, n.Value); err != nil {
		return err
	}
	from, end, err := d.span(n)
	if err != nil {
		return err
	}
	*e = append(*e, edit{from, end, spell(d.text[from])})
	return nil
}

// word is text that YAML reads as it stands, in a list or after a colon.
var word = regexp.MustCompile(`^(--)?[A-Za-z/_][A-Za-z0-9/._=,+@%-]*$`)

// plain writes a string without quotes where every YAML takes that for the same
// string (yaml.org/type).
func plain(s string) string {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return quoted(s)
	}
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "y", "n", "null":
		return quoted(s)
	}
	if _, err := time.ParseDuration(s); err == nil || word.MatchString(s) {
		return s
	}
	return quoted(s)
}

// quoted writes a string as YAML and JSON both read it.
func quoted(s string) string {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// A piece is something to insert, in both of YAML's styles.
type piece struct {
	// lines are the block style, each to be indented.
	lines []string
	// flow is the spelling in brackets.
	flow string
}

// insertKey adds keys to a mapping, before the first key that sorts after them:
// kubeadm writes keys in alphabetical order.
func (d *document) insertKey(e *edits, m *yaml.Node, key string, value piece) error {
	if err := d.alone(m, "the part that would get "+key); err != nil {
		return err
	}
	if len(m.Content) == 0 {
		return refuse(m.Line, "have kubeadm write the file again", "%s has no place in an empty mapping", key)
	}
	next := -1
	for i := 0; i < len(m.Content) && next < 0; i += 2 {
		if m.Content[i].Value > key {
			next = i
		}
	}
	if m.Style&yaml.FlowStyle != 0 {
		return d.insertFlow(e, m.Content[max(next, 0)], func(quote bool) string {
			if quote {
				key = quoted(key)
			}
			return key + ": " + value.flow
		})
	}
	lines := append([]string{key + ":"}, value.lines...)
	if len(value.lines) == 1 {
		lines = []string{key + ": " + value.lines[0]}
	}
	last := len(m.Content) - 2
	if next < 0 && d.oneLine(m.Content[last], m.Content[last+1]) {
		return d.insertBelow(e, m.Content[last], lines)
	}
	if next < 0 {
		next = last
	}
	return d.insertAbove(e, m.Content[next], lines)
}

// insertItem adds an item to a list, before its item number next.
func (d *document) insertItem(e *edits, list *yaml.Node, next int, item piece) error {
	if err := d.alone(list, "the list that would get "+item.flow); err != nil {
		return err
	}
	before := list.Content[next]
	if list.Style&yaml.FlowStyle != 0 {
		return d.insertFlow(e, before, func(bool) string { return item.flow })
	}
	from, err := d.offset(before)
	if err != nil {
		return err
	}
	lead := string(d.text[d.lines[before.Line-1]:from])
	dash := strings.TrimLeft(lead, " ")
	if !strings.HasPrefix(dash, "-") || strings.Trim(dash[1:], " ") != "" {
		return refuse(before.Line, "write every list item on a line of its own",
			"a list item is written in a way that cannot be edited in place")
	}
	end := d.eol(before.Line)
	text := lead + strings.Join(item.lines, end+strings.Repeat(" ", len(lead))) + end
	at := d.aboveComments(before.Line, len(lead)-len(dash))
	*e = append(*e, edit{at, at, text})
	return nil
}

// insertFlow adds something before a node in brackets, on a line of its own if
// the node is first on its line.
func (d *document) insertFlow(e *edits, before *yaml.Node, spell func(quote bool) string) error {
	at, err := d.offset(before)
	if err != nil {
		return err
	}
	text := spell(at < len(d.text) && d.text[at] == '"') + ","
	lead := d.text[d.lines[before.Line-1]:at]
	if len(lead) > 0 && len(bytes.TrimLeft(lead, " \t")) == 0 {
		text += d.eol(before.Line) + string(lead)
	} else {
		text += " "
	}
	*e = append(*e, edit{at, at, text})
	return nil
}

// insertAbove adds lines above a key of a block mapping.
func (d *document) insertAbove(e *edits, key *yaml.Node, lines []string) error {
	from, err := d.offset(key)
	if err != nil {
		return err
	}
	start := d.lines[key.Line-1]
	indent := strings.Repeat(" ", key.Column-1)
	end := d.eol(key.Line)
	if string(d.text[start:from]) == indent {
		at := d.aboveComments(key.Line, len(indent))
		*e = append(*e, edit{at, at, indent + strings.Join(lines, end+indent) + end})
		return nil
	}
	// The key stands behind the dash of a list item: the new lines take its
	// place, and it moves down.
	*e = append(*e, edit{from, from, strings.Join(lines, end+indent) + end + indent})
	return nil
}

// insertBelow adds lines below a key with a value on the same line.
func (d *document) insertBelow(e *edits, key *yaml.Node, lines []string) error {
	whole, bare := d.line(key.Line)
	end := d.eol(key.Line)
	indent := strings.Repeat(" ", key.Column-1)
	text := indent + strings.Join(lines, end+indent)
	at := d.lines[key.Line-1] + len(whole)
	if len(whole) == len(bare) {
		text = end + text // the file ends without a line break
	} else {
		text += end
	}
	*e = append(*e, edit{at, at, text})
	return nil
}

// oneLine reports whether a key and its scalar stand on one line, with nothing
// but a comment behind.
func (d *document) oneLine(key, v *yaml.Node) bool {
	if v.Kind != yaml.ScalarNode || v.Line != key.Line {
		return false
	}
	_, to, err := d.span(v)
	if err != nil || to > d.lines[key.Line-1]+d.lineLength(key.Line) {
		return false
	}
	_, bare := d.line(key.Line)
	behind := bytes.TrimSpace(bare[to-d.lines[key.Line-1]:])
	return len(behind) == 0 || behind[0] == '#'
}

func (d *document) lineLength(number int) int {
	_, bare := d.line(number)
	return len(bare)
}

// aboveComments is the offset of the first of the comment lines that stand
// right above a line in the same column: they belong to it and stay with it. In
// another column it may be no comment at all but text of several lines.
func (d *document) aboveComments(number, indent int) int {
	for number > 1 {
		_, above := d.line(number - 1)
		text := bytes.TrimLeft(above, " ")
		if len(text) == 0 || text[0] != '#' || len(above)-len(text) != indent {
			break
		}
		number--
	}
	return d.lines[number-1]
}
