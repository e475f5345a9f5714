package report

import (
	"io"
	"strings"
)

// HTML writes a comparison as one file, in the manner of a report's.
func (c Comparison) HTML(w io.Writer) error {
	type cell struct{ Text, Class string }
	p := struct {
		Title, First     string
		Header, Warnings []string
		Rows             [][]cell
	}{Title: strings.Join(c.Names, ", "), First: c.Names[0], Header: c.header(), Warnings: c.Warnings}
	for _, row := range c.Rows {
		var cells []cell
		for i, text := range row.text() {
			one := cell{Text: text, Class: "nowrap"}
			// After the name and the first group's figure come pairs of figure and judgement.
			if i >= 2 && i%2 == 1 {
				one.Class = string(row.Cells[i/2].Verdict)
			}
			cells = append(cells, one)
		}
		p.Rows = append(p.Rows, cells)
	}
	return renderPage(w, "comparison.html", p)
}
