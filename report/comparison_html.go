package report

import (
	"io"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// HTML writes a comparison as one file, in the manner of a report's.
func (c Comparison) HTML(w io.Writer) error {
	title := strings.Join(c.Names, ", ")
	table := h.P(g.Text("These reports have no measurement in common."))
	if len(c.Rows) > 0 {
		table = c.table()
	}
	return writePage(w, "Comparison: "+title,
		h.Header(lines(h.H1(g.Text(title)), soft("Everything is compared with "+c.Names[0]+". Figures are medians with "+
			`their 95 % confidence interval; "noise" is a difference no larger than chance and other load on the board explain.`))),
		warningList(c.Warnings), section("Side by side", table), h.Footer(g.Text("Made by kubeadm-arm.")))
}

func (c Comparison) table() g.Node {
	var rows [][]string
	for _, row := range c.Rows {
		rows = append(rows, row.text())
	}
	return cards("cards", c.header(), rows, func(row, column int) string {
		// After the name and the first group's figure come pairs of figure and judgement.
		if column >= 2 && column%2 == 1 {
			return string(c.Rows[row].Cells[column/2].Verdict)
		}
		return "nowrap"
	})
}
