package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A figure is one plot of the runs, over the boards that they ran on.
type figure struct {
	name, title, axis string
	of                func(run) float64
}

var figures = []figure{
	{"ready", "Time to a Ready node", "time (seconds)", func(r run) float64 { return r.ReadySeconds }},
	{"cpu", "CPU time to a Ready node", "CPU time (seconds)", func(r run) float64 { return r.CPUAtReady }},
}

// toolColors can be told apart by those who see few colours (Okabe and Ito), and
// each tool's marks have their own form.
var toolColors = map[string]color.RGBA{
	stock:  {R: 213, G: 94, A: 255},
	recipe: {R: 230, G: 159, A: 255},
	expert: {R: 86, G: 180, B: 233, A: 255},
	arm:    {G: 114, B: 178, A: 255},
}

var toolForms = map[string]draw.GlyphDrawer{stock: draw.SquareGlyph{}, recipe: draw.TriangleGlyph{},
	expert: draw.RingGlyph{}, arm: draw.CircleGlyph{}}

// writePlots draws the runs of several boards as SVG beside the document at path
// and returns the Markdown that shows them; boards are in the order of the runs.
// With fewer than two boards, or when
// nothing worked, there is nothing to draw.
func writePlots(path string, runs []run) (string, error) {
	var shown strings.Builder
	plot.DefaultFont.Variant, plotter.DefaultFont.Variant = "Sans", "Sans"
	boards := boardsOf(runs)
	worked := slices.ContainsFunc(runs, func(r run) bool { return r.OK && r.NodeReady })
	if len(boards) < 2 || !worked {
		return "", nil
	}
	for _, f := range figures {
		text, err := f.draw(boards, runs)
		if err != nil {
			return "", fmt.Errorf("plot %s: %w", f.name, err)
		}
		file := strings.TrimSuffix(path, ".md") + "-" + f.name + ".svg"
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return "", err
		}
		fmt.Fprintf(&shown, "\n![%s, by tool and board](%s)\n", f.title, filepath.Base(file))
	}
	shown.WriteString("\nLines go through the medians of the runs that worked; a cross says that all runs of a tool " +
		"failed on that board.\n")
	return shown.String(), nil
}

func boardsOf(runs []run) []string {
	var all []string
	for _, r := range runs {
		if !slices.Contains(all, r.Board) {
			all = append(all, r.Board)
		}
	}
	return all
}

// A curve is one tool in a figure: its medians and single runs by board, and the
// boards on which all its runs failed.
type curve struct {
	tool                  string
	medians, runs, failed plotter.XYs
}

// curves leaves out tools that never worked. Failures have a row of their own for
// each tool above the highest value, top.
func (f figure) curves(boards []string, runs []run) (all []curve, top float64) {
	for _, g := range group(runs) {
		i := slices.IndexFunc(all, func(c curve) bool { return c.tool == g.tool })
		if i < 0 {
			all = append(all, curve{tool: g.tool})
			i = len(all) - 1
		}
		x, good := float64(slices.Index(boards, g.cpu)), g.good()
		if len(good) == 0 {
			all[i].failed = append(all[i].failed, plotter.XY{X: x})
			continue
		}
		all[i].medians = append(all[i].medians, plotter.XY{X: x, Y: medianOf(good, f.of)})
		for _, r := range good {
			all[i].runs = append(all[i].runs, plotter.XY{X: x, Y: f.of(r)})
			top = max(top, f.of(r))
		}
	}
	all = slices.DeleteFunc(all, func(c curve) bool { return len(c.runs) == 0 })
	top = ceiling(top)
	row := top * rowStep
	for i := len(all) - 1; i >= 0; i-- {
		for k := range all[i].failed {
			all[i].failed[k].Y = row
		}
		if len(all[i].failed) > 0 {
			row *= rowStep
		}
	}
	return all, top
}

// rowStep is the factor between two rows of failures, or two names, on a
// logarithmic axis: a line of text.
const rowStep = 1.3

// draw has a line through the medians of each tool, a mark for each run that worked,
// and a cross in the rows above where all runs failed. The tools' names stand at the
// right ends of their lines.
func (f figure) draw(boards []string, runs []run) ([]byte, error) {
	all, top := f.curves(boards, runs)
	p := plot.New()
	p.Title.Text = f.title
	p.Title.Padding = vg.Points(4)
	p.Y.Label.Text = f.axis // short: gonum/plot leaves room for it as if the axis were linear
	p.Y.Label.TextStyle.Font.Size, p.X.Label.TextStyle.Font.Size = vg.Points(10), vg.Points(10)
	p.Y.Scale = plot.LogScale{}
	p.X.Label.Text = "board"
	if !slices.ContainsFunc(boards, func(b string) bool { return !strings.HasSuffix(b, "%") }) {
		p.X.Label.Text = "board (share of one CPU core)"
	}
	p.NominalX(boards...)
	p.BackgroundColor = color.White
	p.Add(plotter.NewGrid())
	least, most := top, top
	for _, c := range all {
		for _, xy := range append(slices.Clone(c.runs), c.failed...) {
			least, most = min(least, xy.Y), max(most, xy.Y)
		}
	}
	p.X.Min, p.X.Max = -0.25, float64(len(boards))+0.5 // room for the names
	p.Y.Min, p.Y.Max = floor(least), most
	p.Y.Tick.Marker = oneTwoFive{top, most}
	if most > top {
		p.Y.Max = most * rowStep
	}
	for _, c := range all {
		if err := c.add(p); err != nil {
			return nil, err
		}
	}
	if err := addNames(p, all); err != nil {
		return nil, err
	}
	c := vgsvg.New(8*vg.Inch, 4*vg.Inch)
	p.Draw(draw.New(c))
	var out bytes.Buffer
	_, err := c.WriteTo(&out)
	return out.Bytes(), err
}

// tint is the curve's color.
func (c curve) tint() color.RGBA {
	if tint, ok := toolColors[c.tool]; ok {
		return tint
	}
	return color.RGBA{R: 90, G: 90, B: 90, A: 255}
}

// add draws the curve; dashes lead from its last median to its failures.
func (c curve) add(p *plot.Plot) error {
	line, err := plotter.NewLine(c.medians)
	if err != nil {
		return err
	}
	line.Color, line.Width = c.tint(), vg.Points(1.5)
	points, err := plotter.NewScatter(c.runs)
	if err != nil {
		return err
	}
	points.Color, points.Radius = c.tint(), vg.Points(3)
	if form, ok := toolForms[c.tool]; ok {
		points.Shape = form
	}
	p.Add(line, points)
	if len(c.failed) == 0 {
		return nil
	}
	dashes, err := plotter.NewLine(append(plotter.XYs{c.medians[len(c.medians)-1]}, c.failed...))
	if err != nil {
		return err
	}
	dashes.Color, dashes.Width, dashes.Dashes = c.tint(), vg.Points(0.75), []vg.Length{vg.Points(3), vg.Points(3)}
	crosses, err := plotter.NewScatter(c.failed)
	if err != nil {
		return err
	}
	crosses.Color, crosses.Radius, crosses.Shape = c.tint(), vg.Points(4), draw.CrossGlyph{}
	p.Add(dashes, crosses)
	return nil
}

// addNames writes each tool's name beside the right end of its curve, one below the
// other where curves end close together.
func addNames(p *plot.Plot, all []curve) error {
	var names plotter.XYLabels
	var tints []color.RGBA
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b curve) int { return cmp.Compare(b.end().Y, a.end().Y) })
	above := math.Inf(1)
	for _, c := range sorted {
		at := c.end()
		at.Y = min(at.Y, above/rowStep)
		above = at.Y
		names.XYs, names.Labels = append(names.XYs, at), append(names.Labels, c.tool)
		tints = append(tints, c.tint())
	}
	labels, err := plotter.NewLabels(names)
	if err != nil {
		return err
	}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Color = tints[i]
		labels.TextStyle[i].YAlign = draw.YCenter
	}
	labels.Offset = vg.Point{X: vg.Points(8)}
	p.Add(labels)
	return nil
}

// end is the right end of the curve, a failure or a median.
func (c curve) end() plotter.XY {
	last := c.medians[len(c.medians)-1]
	if n := len(c.failed); n > 0 && c.failed[n-1].X > last.X {
		return c.failed[n-1]
	}
	return last
}

// oneTwoFive are ticks at 1, 2 and 5 times the powers of ten up to top, and one that
// says failed in the middle of the rows above it, of which most is the last.
type oneTwoFive struct{ top, most float64 }

func (t oneTwoFive) Ticks(least, _ float64) []plot.Tick {
	var all []plot.Tick
	for n := floor(least); n <= t.top*1.001; n = next(n) {
		all = append(all, plot.Tick{Value: n, Label: fmt.Sprintf("%g", n)})
	}
	if t.most > t.top {
		all = append(all, plot.Tick{Value: math.Sqrt(t.top * rowStep * t.most), Label: "failed"})
	}
	return all
}

// floor is the greatest 1, 2 or 5 times a power of ten that is at most x, ceiling
// the least that is at least x.
func floor(x float64) float64 {
	n := math.Pow(10, math.Floor(math.Log10(x)))
	for next(n) <= x {
		n = next(n)
	}
	return n
}

func ceiling(x float64) float64 {
	n := floor(x)
	if n < x {
		n = next(n)
	}
	return n
}

// next follows n among 1, 2, 5, 10, 20, 50 and so on.
func next(n float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(n)+1e-9))
	switch math.Round(n / power) {
	case 1:
		return 2 * power
	case 2:
		return 5 * power
	}
	return 10 * power
}
