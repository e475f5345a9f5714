package main

import (
	"bytes"
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
	name, title string
	of          func(run) float64
}

var figures = []figure{
	{"ready", "Seconds to a Ready node", func(r run) float64 { return r.ReadySeconds }},
	{"cpu", "CPU seconds to a Ready node", func(r run) float64 { return r.CPUAtReady }},
}

// toolColors can be told apart by those who see few colours (Okabe and Ito), and
// each tool's marks have their own form.
var toolColors = map[string]color.RGBA{
	stock:  {R: 213, G: 94, A: 255},
	recipe: {R: 230, G: 159, A: 255},
	expert: {R: 86, G: 180, B: 233, A: 255},
	arm:    {G: 114, B: 178, A: 255},
}

var toolForms = map[string]draw.GlyphDrawer{stock: draw.SquareGlyph{}, recipe: draw.TriangleGlyph{}, expert: draw.RingGlyph{}, arm: draw.CircleGlyph{}}

// writePlots draws the runs of several boards as SVG beside the document at path
// and returns the Markdown that shows them; boards are in the order of the runs.
// With fewer than two boards, or when
// nothing worked, there is nothing to draw.
func writePlots(path string, runs []run) (string, error) {
	var shown strings.Builder
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
	shown.WriteString("\nLines go through the medians; where a tool has no mark, it failed.\n")
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

// draw has a line through the medians of each tool and a mark for each run that
// worked. A tool whose runs all failed on a board has no point there.
func (f figure) draw(boards []string, runs []run) ([]byte, error) {
	p := plot.New()
	p.Title.Text = f.title
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, oneTwoFive{}
	p.NominalX(boards...)
	p.X.Label.Text = "board"
	p.Legend.Top, p.Legend.Left = true, true
	p.BackgroundColor = color.White
	p.Add(plotter.NewGrid())
	var tools []string
	least, most := math.Inf(1), 0.0
	lines, marks := map[string]plotter.XYs{}, map[string]plotter.XYs{}
	for _, g := range group(runs) {
		good := g.good()
		if len(good) == 0 {
			continue
		}
		if !slices.Contains(tools, g.tool) {
			tools = append(tools, g.tool)
		}
		x := float64(slices.Index(boards, g.cpu))
		lines[g.tool] = append(lines[g.tool], plotter.XY{X: x, Y: medianOf(good, f.of)})
		for _, r := range good {
			y := f.of(r)
			marks[g.tool] = append(marks[g.tool], plotter.XY{X: x, Y: y})
			least, most = min(least, y), max(most, y)
		}
	}
	p.X.Min, p.X.Max = -0.25, float64(len(boards))-0.75
	p.Y.Min, p.Y.Max = floor(least), ceiling(most)
	for _, name := range tools {
		line, err := plotter.NewLine(lines[name])
		if err != nil {
			return nil, err
		}
		tint, ok := toolColors[name]
		if !ok {
			tint = color.RGBA{R: 90, G: 90, B: 90, A: 255}
		}
		line.Color, line.Width = tint, vg.Points(1.5)
		points, err := plotter.NewScatter(marks[name])
		if err != nil {
			return nil, err
		}
		points.Color, points.Radius = tint, vg.Points(3)
		if form, ok := toolForms[name]; ok {
			points.Shape = form
		}
		p.Add(line, points)
		p.Legend.Add(name, line, points)
	}
	c := vgsvg.New(6*vg.Inch, 4*vg.Inch)
	p.Draw(draw.New(c))
	var out bytes.Buffer
	_, err := c.WriteTo(&out)
	return out.Bytes(), err
}

// oneTwoFive are ticks at 1, 2 and 5 times the powers of ten.
type oneTwoFive struct{}

func (oneTwoFive) Ticks(least, most float64) []plot.Tick {
	var all []plot.Tick
	for n := floor(least); n <= most*1.001; n = next(n) {
		all = append(all, plot.Tick{Value: n, Label: fmt.Sprintf("%g", n)})
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
