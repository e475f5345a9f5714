package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// plain words mean the same with and without quotes.
var plain = regexp.MustCompile(`^[A-Za-z0-9_./:=,+-]+$`)

// Word quotes s, where it needs that, as one word of a setting that takes a list of words, such as
// Environment=. It fails on what no unit file can hold: systemd ignores a line that
// is not UTF-8, and a word ends at a NUL byte.
func Word(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("%q is not valid UTF-8: systemd would ignore the line", s)
	}
	if strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("%q holds a NUL byte", s)
	}
	if plain.MatchString(s) {
		return s, nil
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '%': // would begin a specifier
			b.WriteString("%%")
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// CommandLine is the value of ExecStart= and its like for a program and its
// arguments. The program's path is checked as systemd does: it takes none with
// quotes, backslashes or control characters.
func CommandLine(program string, args ...string) (string, error) {
	if !filepath.IsAbs(program) || strings.ContainsAny(program, `"'\$`) || strings.ContainsFunc(program, control) {
		return "", fmt.Errorf("%q cannot stand in a unit: want an absolute path without quotes, backslashes, $ and control "+
			"characters", program)
	}
	var words []string
	for _, a := range append([]string{program}, args...) {
		word, err := Word(a)
		if err != nil {
			return "", err
		}
		// In command lines $ begins a variable.
		words = append(words, strings.ReplaceAll(word, "$", "$$"))
	}
	return strings.Join(words, " "), nil
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// PathUnit is the name of the unit of a path, such as its mount or swap unit, as
// systemd-escape --path --suffix=SUFFIX has it. The path need not be clean.
func PathUnit(path, suffix string) string {
	path = strings.Trim(filepath.Clean("/"+path), "/")
	if path == "" {
		return "-." + suffix
	}
	var b strings.Builder
	for i, c := range []byte(path) {
		switch {
		case c == '/':
			b.WriteByte('-')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == ':', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String() + "." + suffix
}

// Booted reports whether systemd runs the board (sd_booted(3)). root is "/" but for
// tests.
func Booted(root string) bool {
	info, err := os.Lstat(filepath.Join(root, "/run/systemd/system"))
	return err == nil && info.IsDir()
}
