// Package fstab reads and writes the text of /etc/fstab (fstab(5)), with the marked
// lines of kubeadm-arm in it. What its owner wrote stays as it is, byte for byte.
package fstab

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
)

// A Line is one entry of fstab(5), its fields unescaped.
type Line struct {
	// Number counts from 1.
	Number                    int
	Spec, File, Type, Options string
	// Text is the line as it stands there, without its end.
	Text string
}

// Parse reads the entries of an fstab; comments, blank lines and lines with
// fewer than two fields, which mount(8) skips too, are left out.
func Parse(text []byte) []Line {
	var all []Line
	for i, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 || strings.HasPrefix(f[0], "#") {
			continue
		}
		l := Line{Number: i + 1, Spec: linux.Unescape(f[0]), File: linux.Unescape(f[1]), Text: line}
		if len(f) > 2 {
			l.Type = linux.Unescape(f[2])
		}
		if len(f) > 3 {
			l.Options = linux.Unescape(f[3])
		}
		all = append(all, l)
	}
	return all
}

// Entry writes a line as fstab(5) wants it; pass is the order of fsck at boot.
func Entry(spec, file, kind, options string, pass int) string {
	return fmt.Sprintf("%s %s %s %s 0 %d", escape(spec), escape(file), kind, escape(options), pass)
}

// escape writes blanks, tabs, backslashes and number signs as octal numbers
// (fstab(5), getmntent(3)).
func escape(s string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, `\`, `\134`, "#", `\043`).Replace(s)
}

// Our lines stand between these two. The second form of the first says that the
// owner's last line had no end of its own, so that undo can leave it so.
const (
	Begin    = "# BEGIN kubeadm-arm storage (take it away with: kubeadm-arm storage undo)"
	beginCut = "# BEGIN kubeadm-arm storage, after a line without an end (take it away with: kubeadm-arm storage undo)"
	End      = "# END kubeadm-arm storage"
)

// errBlock says that somebody has been at our lines.
var errBlock = errors.New("the lines of kubeadm-arm storage are not whole")

// Split takes our block out. owner is the text as it would be without us,
// byte for byte; block is nil when there is none.
func Split(text []byte) (owner []byte, block []string, err error) {
	var begin, end = -1, -1
	var cut bool
	var offset int
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		bare := strings.TrimRight(string(line), "\r\n")
		switch {
		case bare == Begin || bare == beginCut:
			if begin >= 0 {
				return nil, nil, fmt.Errorf("%w: they begin twice", errBlock)
			}
			begin, cut = offset, bare == beginCut
		case bare == End:
			if begin < 0 || end >= 0 {
				return nil, nil, fmt.Errorf("%w: an end without a begin", errBlock)
			}
			end = offset + len(line)
		case begin >= 0 && end < 0 && bare != "":
			block = append(block, bare)
		}
		offset += len(line)
	}
	if begin < 0 {
		return text, nil, nil
	}
	if end < 0 {
		return nil, nil, fmt.Errorf("%w: the line %q is missing", errBlock, End)
	}
	before := text[:begin]
	// Without its line end the owner's last line would swallow what has been
	// written below our block since.
	if cut && end == len(text) {
		before = bytes.TrimSuffix(before, []byte("\n"))
	}
	if block == nil {
		block = []string{}
	}
	return append(append([]byte{}, before...), text[end:]...), block, nil
}

// Join puts our block below the owner's text, which must have none.
func Join(owner []byte, block []string) []byte {
	text := append([]byte{}, owner...)
	begin := Begin
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text, begin = append(text, '\n'), beginCut
	}
	for _, line := range append(append([]string{begin}, block...), End) {
		text = append(append(text, line...), '\n')
	}
	return text
}

// LineFor finds the entry that mounts at a place.
func LineFor(lines []Line, place string) (Line, bool) {
	for _, l := range lines {
		if strings.HasPrefix(l.File, "/") && path.Clean(l.File) == place {
			return l, true
		}
	}
	return Line{}, false
}

// HasOption reports whether a comma-separated list holds an option.
func (l Line) HasOption(name string) bool {
	for _, o := range strings.Split(l.Options, ",") {
		if o == name {
			return true
		}
	}
	return false
}
