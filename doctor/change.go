package doctor

import (
	"fmt"
	"path"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// An edit is a change of one text file, as the commands that make it. Each command
// changes the bytes that it is about and no other, in the file as it was read: so
// lines are named by their number, and a line is added below what is there, with or
// without an end of its own.
type edit struct {
	// path is where this machine's shell finds the file.
	path string
	// text is the file as the commands so far leave it.
	text     string
	commands []string
}

// path is where the owner's shell finds a path of the board: on a card it lies
// below the card's folder.
func (f Facts) path(of string) string { return path.Join("/", f.Under, of) }

// edit begins a change of a file of the board.
func (f Facts) edit(file hwdetect.TextFile) *edit {
	return &edit{path: f.path(file.Path), text: file.Text}
}

// replace puts text in the place of the bytes between two offsets.
func (e *edit) replace(from, to int, with string) {
	if e.text[from:to] == with {
		return
	}
	switch {
	case from == len(e.text) && strings.HasSuffix(with, "\n"):
		e.commands = append(e.commands, e.appended(with))
	case strings.HasPrefix(with, "\n"):
		e.commands = append(e.commands, e.sed(fmt.Sprintf(`%d a\%s`, e.line(from), strings.ReplaceAll(with[1:], `\`, `\\`))))
	default:
		e.commands = append(e.commands, e.substitution(from, to, with))
	}
	e.text = e.text[:from] + with + e.text[to:]
}

// add adds a line at the end.
func (e *edit) add(line string) {
	if e.text != "" && !strings.HasSuffix(e.text, "\n") {
		line = "\n" + line
	}
	e.replace(len(e.text), len(e.text), line+"\n")
}

// comment puts a # before a line.
func (e *edit) comment(number int) {
	at := 0
	for range number - 1 {
		at += strings.IndexByte(e.text[at:], '\n') + 1
	}
	e.commands = append(e.commands, e.sed(fmt.Sprintf("%d s/^/#/", number)))
	e.text = e.text[:at] + "#" + e.text[at:]
}

// line is the number of the line that a byte is in.
func (e *edit) line(at int) int { return strings.Count(e.text[:at], "\n") + 1 }

func (e *edit) sed(script string) string {
	command := "sudo sed -i "
	if strings.ContainsFunc(script, func(r rune) bool { return r >= 0x80 }) {
		command = "sudo env LC_ALL=C sed -i " // bytes, in whatever encoding they are
	}
	return command + shell.InQuotes(script) + " " + shell.Quote(e.path)
}

func (e *edit) appended(text string) string {
	line := strings.TrimSuffix(text, "\n")
	if rest, cut := strings.CutPrefix(line, "\n"); cut {
		return `printf '\n%s\n' ` + shell.InQuotes(rest) + " | sudo tee -a " + shell.Quote(e.path)
	}
	return "echo " + shell.InQuotes(line) + " | sudo tee -a " + shell.Quote(e.path)
}

// substitution is sed's s command for one place of a line. What it looks for is
// extended to the left until the place is the first that matches.
func (e *edit) substitution(from, to int, with string) string {
	begin := strings.LastIndexByte(e.text[:from], '\n') + 1
	line, _, _ := strings.Cut(e.text[begin:], "\n")
	from, to = from-begin, to-begin
	number := e.line(begin)
	if from == to && to == len(line) {
		return e.sed(fmt.Sprintf("%d s/$/%s/", number, sedReplacement(with)))
	}
	if from == to && line[to:] == "\r" {
		return e.sed(fmt.Sprintf(`%d s/\r$/%s&/`, number, sedReplacement(with)))
	}
	if from == to {
		to++ // a character after it says where more clearly
		with += line[from:to]
	}
	at := from
	for at > 0 && (strings.Index(line, line[at:to]) != at || at == from && from+1 >= to || at < from && !strings.ContainsRune(" \t", rune(line[at-1]))) {
		at--
	}
	anchor := ""
	if at == 0 {
		anchor = "^"
	}
	return e.sed(fmt.Sprintf("%d s/%s%s/%s/", number, anchor, sedPattern(line[at:to]), sedReplacement(line[at:from]+with)))
}

// sedPattern is a text as a basic regular expression between slashes.
func sedPattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, `.`, `\.`, `*`, `\*`, `[`, `\[`, `^`, `\^`, `$`, `\$`, `/`, `\/`, "\t", `\t`, "\r", `\r`).Replace(text)
}

func sedReplacement(text string) string {
	return strings.NewReplacer(`\`, `\\`, `&`, `\&`, `/`, `\/`, "\t", `\t`, "\r", `\r`).Replace(text)
}
