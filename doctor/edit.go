package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect/host"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tomledit"
)

// An Edit is one change of one file that takes a finding away. It changes one
// setting where it stands and leaves every other byte of the file alone.
type Edit struct {
	// Path is the file's, below the root that was looked at. It need not be
	// there.
	Path   string
	Change Change
}

// A Change makes the new text of a file of the old one. Every implementation is
// a plain value, so that equal findings are equal.
type Change interface {
	// Apply returns the new text; nil stands for a file that is not there. An
	// error means that this file cannot be changed in place: nothing is to be
	// written then.
	Apply(text []byte) ([]byte, error)
	// String says what is set, in one line, such as "SystemdCgroup = true".
	String() string
}

// MarshalJSON writes an edit in words.
func (e Edit) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"path": e.Path, "change": e.Change.String()})
}

// fixLine is the command that carries a finding's edits out.
func (f Facts) fixLine(found Finding) string {
	var all []string
	last := ""
	for _, e := range found.Edits {
		what := e.Change.String()
		if e.Path != last {
			what = e.Path + ": " + what
		}
		all, last = append(all, what), e.Path
	}
	return "sudo kubeadm-arm doctor" + f.Flags + " --fix " + found.ID + "    # " + strings.Join(all, "; ")
}

// byteOrderMark is what some editors put before UTF-8. It is no part of the text, and
// stays where its program reads over it.
const byteOrderMark = "\uFEFF"

// marked puts the mark before a text that was changed without it.
func marked(text []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return append([]byte(byteOrderMark), text...), nil
}

// dropMark takes the mark away.
type dropMark struct{}

func (dropMark) String() string { return "without its byte order mark" }

// Apply leaves a file alone that has none.
func (dropMark) Apply(text []byte) ([]byte, error) {
	return bytes.TrimPrefix(text, []byte(byteOrderMark)), nil
}

// setTOML sets one setting of a TOML file. Missing is the beginning of the file
// when there is none, or a blank one.
type setTOML struct {
	Key     string // the parts of the key, as keyOf joins them
	Value   any
	Missing string
}

// keyOf joins the parts of a key, so that a change is a plain value.
func keyOf(path ...string) string { return strings.Join(path, "\n") }

func (c setTOML) path() []string { return strings.Split(c.Key, "\n") }

func (c setTOML) Apply(text []byte) ([]byte, error) {
	if rest, ok := bytes.CutPrefix(text, []byte(byteOrderMark)); ok {
		return marked(c.Apply(rest))
	}
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte(c.Missing)
	}
	return tomledit.Set(text, c.Value, c.path()...)
}

func (c setTOML) String() string {
	path := c.path()
	value := fmt.Sprint(c.Value)
	if s, ok := c.Value.(string); ok {
		value = strconv.Quote(s)
	}
	return path[len(path)-1] + " = " + value
}

// removeTOML takes strings out of a list of a TOML file; they are joined by
// newlines, as the parts of the key are.
type removeTOML struct{ Key, Elements string }

func (c removeTOML) Apply(text []byte) ([]byte, error) {
	if rest, ok := bytes.CutPrefix(text, []byte(byteOrderMark)); ok {
		return marked(c.Apply(rest))
	}
	drop := strings.Split(c.Elements, "\n")
	drops := func(s string) bool { return slices.Contains(drop, s) }
	return tomledit.RemoveStrings(text, drops, strings.Split(c.Key, "\n")...)
}

func (c removeTOML) String() string {
	first, _, _ := strings.Cut(c.Elements, "\n")
	return strings.ReplaceAll(c.Key, "\n", ".") + " without " + first
}

// setLine sets `key=value` in a file of such lines, such as sysctl.d(5):
// where the key stands, else at the end.
type setLine struct{ Key, Value string }

func (c setLine) String() string { return c.Key + "=" + c.Value }

func (c setLine) Apply(text []byte) ([]byte, error) {
	done := false
	after := eachLine(text, func(line string) string {
		key, value, ok := strings.Cut(line, "=")
		if !ok || sysctlName(key) != sysctlName(c.Key) {
			return line
		}
		done = true
		old := strings.TrimSpace(value)
		at := len(line) - len(strings.TrimLeft(value, " \t"))
		return line[:at] + c.Value + line[at+len(old):]
	})
	if done {
		return after, nil
	}
	return appendLine(text, c.String()), nil
}

// sysctlName is a setting's name as sysctl(8) has it: files may write it with slashes
// and with a hyphen before it (sysctl.d(5)).
func sysctlName(key string) string {
	return strings.ReplaceAll(strings.TrimLeft(strings.TrimSpace(key), "-"), "/", ".")
}

// addLine puts a line at the end of a file.
type addLine struct{ Line string }

func (c addLine) String() string { return c.Line }

// Apply leaves a file alone that has the line already.
func (c addLine) Apply(text []byte) ([]byte, error) {
	for line := range strings.Lines(string(text)) {
		if strings.TrimSpace(line) == c.Line {
			return text, nil
		}
	}
	return appendLine(text, c.Line), nil
}

// appendLine adds a line to a text, also when its last line has no end, with
// the line end that the text has.
func appendLine(text []byte, line string) []byte {
	nl := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		nl = "\r\n"
	}
	out := slices.Clone(text)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, nl...)
	}
	return append(out, line+nl...)
}

// eachLine gives every line of a text, without its end, to change.
func eachLine(text []byte, change func(string) string) []byte {
	var out []byte
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		bare := bytes.TrimRight(line, "\r\n")
		out = append(append(out, change(string(bare))...), line[len(bare):]...)
	}
	return out
}

// setShell sets a variable of a file that a shell reads.
type setShell struct{ Name, Value string }

func (c setShell) String() string { return c.Name + "=" + c.Value }

func (c setShell) Apply(text []byte) ([]byte, error) {
	after := appendLine(text, c.String())
	if s, ok := host.ShellSetting(string(text), c.Name); ok {
		after = slices.Concat(text[:s.From], []byte(c.Value), text[s.To:])
	}
	if s, _ := host.ShellSetting(string(after), c.Name); strings.Join(s.Words, " ") != c.Value {
		return nil, errors.New("it is not written as a shell reads it")
	}
	return after, nil
}

// commentOut makes a comment of a line. Script is set for a shell script.
type commentOut struct {
	Line   string
	Script bool
}

func (c commentOut) String() string { return "comment out: " + strings.TrimSpace(c.Line) }

func (c commentOut) Apply(text []byte) ([]byte, error) {
	done := false
	before := ""
	after := eachLine(text, func(line string) string {
		goesOn := strings.HasSuffix(before, `\`)
		before = line
		if done || goesOn || line != c.Line {
			return line
		}
		done = true
		return "#" + line
	})
	switch {
	case !done:
		return nil, fmt.Errorf("there is no line %q of its own", c.Line)
	case strings.HasSuffix(c.Line, `\`), c.Script && inBlock(c.Line):
		// A block without a command is an error.
		return nil, fmt.Errorf("the line %q is part of a longer command", c.Line)
	}
	return after, nil
}

// inBlock reports whether a line of a shell script belongs to a block, by its
// indentation or its words.
func inBlock(line string) bool {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ';' })
	block := strings.Fields("if then elif else fi for while until do done case esac")
	return strings.TrimLeft(line, " \t") != line || strings.ContainsAny(line, "{}") ||
		slices.ContainsFunc(words, func(w string) bool { return slices.Contains(block, w) })
}
