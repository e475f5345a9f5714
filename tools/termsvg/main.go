// Command termsvg draws what script(1) has recorded of a terminal of 80 columns as an SVG that
// plays once, in a few seconds whatever the command took, and then stands still. Programs
// that do not animate show the end.
//
//	script -q -c COMMAND --log-out out --log-timing timing
//	termsvg -prompt COMMAND out timing > FILE
//
// It knows what this program's display needs of a terminal: \r, \n, and "erase to the end of
// the line" (ECMA-48, 8.3.41). Other control sequences are left out.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"html"
	"os"
	"regexp"
	"slices"
	"strings"
)

const (
	columns = 80
	playFor = 12.0 // seconds
)

func main() {
	prompt := flag.String("prompt", "", "what is shown as the command")
	flag.Parse()
	parts, err := read(flag.Arg(0), flag.Arg(1))
	if err != nil {
		fmt.Fprintln(os.Stderr, "termsvg:", err)
		os.Exit(1)
	}
	fmt.Print(draw("$ "+*prompt, parts))
}

// part is what was written at a time after the start, in seconds.
type part struct {
	at   float64
	text string
}

// read reads the two files of script(1): a line of its own before the output, and for each
// part of that a line with the seconds since the part before and the number of bytes.
func read(outName, timingName string) ([]part, error) {
	out, err := os.ReadFile(outName)
	if err != nil {
		return nil, err
	}
	timing, err := os.ReadFile(timingName)
	if err != nil {
		return nil, err
	}
	_, out, _ = bytes.Cut(out, []byte("\n"))
	var parts []part
	clock := 0.0
	for _, line := range strings.Split(strings.TrimSpace(string(timing)), "\n") {
		var wait float64
		var n int
		if _, err := fmt.Sscan(line, &wait, &n); err != nil || n < 0 || n > len(out) {
			return nil, fmt.Errorf("%s: %q is no time and length of %s", timingName, line, outName)
		}
		clock += wait
		parts = append(parts, part{clock, string(out[:n])})
		out = out[n:]
	}
	return parts, nil
}

var controls = regexp.MustCompile("\x1b\\[[0-9;?]*[A-JL-Za-z]|\x07")

// screens are the lines of the terminal after each part.
func screens(first string, parts []part) [][]string {
	lines := [][]rune{[]rune(first), nil}
	row, column := 1, 0
	var all [][]string
	for _, p := range parts {
		for _, r := range strings.ReplaceAll(controls.ReplaceAllString(p.text, ""), "\x1b[K", "\x1b") {
			switch {
			case r == '\n':
				row++
			case r == '\r':
				column = 0
			case r == '\x1b':
				lines[row] = lines[row][:min(column, len(lines[row]))]
			default:
				if column == columns {
					row, column = row+1, 0
				}
				for row >= len(lines) {
					lines = append(lines, nil)
				}
				l := lines[row]
				lines[row] = slices.Concat(l[:min(column, len(l))], []rune{r}, l[min(column+1, len(l)):])
				column++
			}
			for row >= len(lines) {
				lines = append(lines, nil)
			}
		}
		var now []string
		for _, l := range lines {
			now = append(now, string(l))
		}
		all = append(all, now)
	}
	return all
}

// draw shows each text of each line for as long as it stood there.
func draw(first string, parts []part) string {
	all := screens(first, parts)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d"
 font-family="ui-monospace,Menlo,Consolas,monospace" font-size="14">
<rect width="100%%" height="100%%" rx="8" fill="#1b1f24"/>
<g fill="#e6edf3">
`, columns*9, len(all[len(all)-1])*19+24)
	second := func(i int) float64 { return playFor * parts[i].at / parts[len(parts)-1].at }
	for row := range all[len(all)-1] {
		for i := 0; i < len(all); {
			text, from := at(all[i], row), i
			for i < len(all) && at(all[i], row) == text {
				i++
			}
			set := `<set attributeName="visibility" to="%s" begin="%.2fs" end="%.2fs"/>`
			hidden, shown := "", ""
			switch {
			case text == "" || i < len(all) && second(i)-second(from) < 0.05:
				continue
			case i < len(all):
				hidden, shown = ` visibility="hidden"`, fmt.Sprintf(set, "visible", second(from), second(i))
			case from > 0: // it stays
				shown = fmt.Sprintf(set, "hidden", 0.0, second(from))
			}
			text = strings.ReplaceAll(html.EscapeString(text), " ", "\u00a0") // no renderer makes one blank of several
			fmt.Fprintf(&b, "<text x=\"16\" y=\"%d\"%s>%s%s</text>\n", row*19+26, hidden, text, shown)
		}
	}
	return b.String() + "</g>\n</svg>\n"
}

func at(lines []string, row int) string {
	if row < len(lines) {
		return lines[row]
	}
	return ""
}
