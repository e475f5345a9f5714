// Package printable neutralizes what comes from outside where it is printed: a
// board's model, a log's line, a file's name can hold escape sequences that clear a
// terminal or set its title, line breaks that forge a line of kubeadm-arm's, or characters
// that reverse the direction of the text (Unicode Technical Report 36).
//
// Everything that the program prints for people goes through this package: a value
// through [Fprintf], and all output once more through [Writer]. It does not know
// Markdown or HTML; see package report.
package printable

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes s fit to be printed in the middle of a line: line breaks and all
// characters that are not printable become escapes such as \n and \u001b, a tab
// becomes a blank, and bytes that are not UTF-8 become U+FFFD.
func Line(s string) string { return neutral(s, "") }

// Text is [Line] for a text of several lines: line breaks and tabs stay.
func Text(s string) string { return neutral(s, "\n\t") }

func neutral(s, keep string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !harmless(r, keep) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case harmless(r, keep) || r == utf8.RuneError:
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteByte(' ')
		case r > 0xffff:
			// As JSON has it, for in its strings this must mean the same.
			r1, r2 := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			fmt.Fprintf(&b, `\u%04x\u%04x`, r1, r2)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func harmless(r rune, keep string) bool {
	return r != utf8.RuneError && (unicode.IsPrint(r) || r == '\u00a0' || strings.ContainsRune(keep, r))
}

// Fprintf is fmt.Fprintf with every value passed through [Line]. What the format
// itself holds stays as it is, escape sequences included.
func Fprintf(w io.Writer, format string, values ...any) (int, error) {
	if false {
		_ = fmt.Sprintf(format, values...) // go vet checks the callers by this
	}
	return fmt.Fprintf(w, format, lines(values)...)
}

// Sprintf is [Fprintf] to a string.
func Sprintf(format string, values ...any) string {
	if false {
		_ = fmt.Sprintf(format, values...)
	}
	return fmt.Sprintf(format, lines(values)...)
}

// Fprintln is fmt.Fprintln with every value passed through [Line].
func Fprintln(w io.Writer, values ...any) (int, error) { return fmt.Fprintln(w, lines(values)...) }

// Row writes a row of a table for package text/tabwriter. An error is that writer's to
// return, when it is flushed.
func Row(w io.Writer, cells ...string) {
	for i, c := range cells {
		if i > 0 {
			_, _ = io.WriteString(w, "\t")
		}
		_, _ = io.WriteString(w, Line(c))
	}
	_, _ = io.WriteString(w, "\n")
}

// lines wraps all values but numbers, which a format can also want as a width.
func lines(values []any) []any {
	all := make([]any, len(values))
	for i, v := range values {
		switch reflect.ValueOf(v).Kind() {
		case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8,
			reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64, reflect.Invalid:
			all[i] = v
		default:
			all[i] = line{v}
		}
	}
	return all
}

// line is a value that prints as one line, whatever the verb.
type line struct{ value any }

func (l line) Format(f fmt.State, verb rune) {
	_, _ = io.WriteString(f, Line(fmt.Sprintf(fmt.FormatString(f, verb), l.value))) // Format returns no error
}

// Writer passes a text on through [Text]. Close does not close what it writes to.
func Writer(to io.Writer) io.WriteCloser { return &writer{to: to} }

type writer struct {
	to   io.Writer
	rest []byte // the beginning of a character
}

func (w *writer) Write(p []byte) (int, error) {
	text := append(w.rest, p...)
	end := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if utf8.RuneStart(text[len(text)-i]) {
			if !utf8.FullRune(text[len(text)-i:]) {
				end -= i
			}
			break
		}
	}
	w.rest = append([]byte(nil), text[end:]...)
	if _, err := io.WriteString(w.to, Text(string(text[:end]))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *writer) Close() error {
	rest := w.rest
	w.rest = nil
	if len(rest) == 0 {
		return nil
	}
	_, err := io.WriteString(w.to, Text(string(rest)))
	return err
}

// Brief makes a foreign text fit to be shown in a line beside others: a Line of at most
// 160 bytes.
func Brief(s string) string {
	s = Line(s)
	if len(s) > 160 {
		s = strings.ToValidUTF8(s[:160], "") + "…"
	}
	return s
}
