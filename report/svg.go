package report

import (
	"fmt"
	"math"
	"strconv"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"
)

// Places along the width are percentages, so that plots fit any screen and
// their letters keep their size. Places along the height are pixels.

func plot(name string, height int, content ...g.Node) g.Node {
	return h.SVG(h.Role("img"), h.Aria("label", name), h.Height(strconv.Itoa(height)), lines(content...))
}

func legend(entries ...g.Node) g.Node { return h.Ul(h.Class("legend"), lines(entries...)) }

// entry names a mark of the plot, in a picture of 26 × 12 pixels.
func entry(name string, mark g.Node) g.Node {
	return h.Li(h.SVG(h.Aria("hidden", "true"), mark), g.Text(name))
}

// swatch is the mark of a bar.
func swatch(class string) g.Node { return bar(class, "0", 0, "26", barHigh) }

func bar(class, x string, y int, width string, height int) g.Node {
	return g.El("rect", h.Class(class), g.Attr("x", x), g.Attr("y", strconv.Itoa(y)), h.Width(width),
		h.Height(strconv.Itoa(height)), g.Attr("rx", "2"))
}

func upright(class, x string, from, to int) g.Node {
	return stroke(class, x, strconv.Itoa(from), x, strconv.Itoa(to))
}

func stroke(class, x1, y1, x2, y2 string) g.Node {
	return g.El("line", h.Class(class), g.Attr("x1", x1), g.Attr("y1", y1), g.Attr("x2", x2), g.Attr("y2", y2))
}

func label(x, y, text string, more ...g.Node) g.Node {
	return g.El("text", append(more, g.Attr("x", x), g.Attr("y", y), g.Text(text))...)
}

// rowLabels are the name of a row and, at its end, its value.
func rowLabels(y int, name, value string) g.Node {
	at := strconv.Itoa(y)
	return g.Group{label("0", at, name), label("100%", at, value, h.Class("value axis"), anchor("end"))}
}

func anchor(at string) g.Node { return g.Attr("text-anchor", at) }

// tick is a mark on an axis.
type tick struct {
	At     string // percent
	Text   string
	Anchor string
}

// upright is the line of a tick of the horizontal axis, with its text below.
func (t tick) upright(from, to, text int) g.Node {
	x := t.At + "%"
	return g.Group{upright("grid", x, from, to), label(x, strconv.Itoa(text), t.Text, h.Class("axis"), anchor(t.Anchor))}
}

// percent writes a place between 0 and 1.
func percent(at float64) string {
	if math.IsNaN(at) || math.IsInf(at, 0) {
		at = 0
	}
	return fmt.Sprintf("%.2f", 100*min(1, max(0, at)))
}

// anchorAt keeps an axis' letters within the picture.
func anchorAt(at float64) string {
	switch {
	case at < 0.03:
		return "start"
	case at > 0.97:
		return "end"
	}
	return "middle"
}
