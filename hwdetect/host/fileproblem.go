package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// A FileProblem is why a program cannot use a file of its configuration.
type FileProblem struct {
	Path string `json:"path"`
	// Line is counted from 1, 0 when it is about the file as a whole.
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
	// Fix says what to do about it, empty when Text does.
	Fix string `json:"fix,omitempty"`
}

// Where is the file and the line, as editors and compilers have it.
func (p FileProblem) Where() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d", p.Path, p.Line)
	}
	return p.Path
}

func (p FileProblem) Error() string { return p.Where() + ": " + p.Text }

// byteOrderMark is what some editors put before UTF-8.
const byteOrderMark = "\uFEFF"

// tomlProblem says what is wrong with a text that is no TOML: the line as it stands
// there, and what to do about it.
func tomlProblem(path string, text []byte, err error) *FileProblem {
	said := strings.TrimPrefix(err.Error(), "toml: ")
	p := &FileProblem{Path: path, Text: "not valid TOML", Fix: said}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		p.Line, _ = bad.Position()
		all := bytes.Split(text, []byte("\n"))
		line := []rune(strings.TrimSpace(string(all[min(max(p.Line, 1), len(all))-1])))
		if len(line) > 60 {
			line = append(line[:60], '…')
		}
		p.Text = strings.TrimRight("not valid TOML: "+string(line), ": ")
	}
	for _, x := range []struct{ said, fix string }{
		{"already", "it is there twice: remove one of the two"},
		{"should be a table", "the name has a value above: a table needs another name"},
		{"after key", "write a setting as: name = value"},
		{"must be quoted", `put a text in quotes: name = "value"`},
		{"start of value", `put a text in quotes: name = "value"; true and false are in lower case, without`},
		{"expected value", "write a value after the =, a text in quotes"},
		{"keyword", `put a text in quotes: name = "value"; true and false are in lower case, without`},
		{"new lines", "close the quotes in the same line"},
		{"terminated", "close the quotes"},
		{"array is", "close the list with ]"},
		{"array value", "separate the list's elements by commas, and close it with ]"},
		{"table name", "close the table's name with as many ] as it has [, and its quotes"},
		{"inline table", "separate the table's settings by commas, and close it with }"},
		{"expected newline", "begin a new line for the next setting"},
		{"start of key", "put a name in quotes that has other characters than letters, digits, - and _"},
		{"escape", `write \\ for each \ between double quotes, or use single ones`},
	} {
		if strings.Contains(said, x.said) {
			p.Fix = x.fix
			break
		}
	}
	return p
}

// jsonProblem says in the words of the file, not of Go, why it is no JSON or has the
// wrong kind of value.
func jsonProblem(path string, text []byte, err error) *FileProblem {
	line := func(offset int64) int { return 1 + bytes.Count(text[:min(offset, int64(len(text)))], []byte("\n")) }
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	p := &FileProblem{Path: path, Text: err.Error()}
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		p.Text = "it is empty"
	case bytes.HasPrefix(text, []byte(byteOrderMark)):
		p.Text = "it begins with a byte order mark (U+FEFF), which JSON does not have"
	case errors.As(err, &syntax):
		p.Line, p.Text = line(syntax.Offset), syntax.Error()
		if strings.HasPrefix(p.Text, "invalid character '/'") || strings.HasPrefix(p.Text, "invalid character '#'") {
			p.Text = "a comment, and JSON has none"
		}
	case errors.As(err, &kind):
		name, wanted := kind.Field, "an object"
		switch kind.Type.Kind() {
		case reflect.Slice:
			wanted = "a list"
		case reflect.String:
			wanted = "a string"
		}
		if name == "" {
			name = "it"
		}
		p.Line, p.Text = line(kind.Offset), fmt.Sprintf("%s has to be %s, not %s", name, wanted, kind.Value)
	}
	return p
}
