package report

import (
	_ "embed"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

//go:embed style.css
var style string

// HTML writes a report as one file that needs nothing else: no script, no font,
// no picture from elsewhere. It follows the reader's choice of dark or light
// and is made for phones and paper too.
func HTML(w io.Writer, r Report) error {
	board := r.facts()
	for i := range board {
		board[i].name = capital(board[i].name)
	}
	var versions []fact
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		versions = append(versions, fact{name, r.Versions[name]})
	}
	var notes []string
	if r.Bench != nil {
		for _, note := range bench.Notes(*r.Bench) {
			notes = append(notes, capital(note))
		}
	}
	return writePage(w, "Board report: "+r.Title(), reportHeader(r), tiles(r), warningList(notes),
		timelineSection(r), speedSection(r.Bench), planSection(r.Plan), factSection("Board", board),
		factSection("Versions", versions),
		h.Footer(g.Textf("Made by kubeadm-arm. Schema of the JSON form: %s.", Schema)))
}

func writePage(w io.Writer, title string, content ...g.Node) error {
	page := h.Doctype(h.HTML(h.Lang("en"),
		h.Head(lines(
			h.Meta(h.Charset("utf-8")),
			h.Meta(h.Name("viewport"), h.Content("width=device-width, initial-scale=1")),
			h.TitleEl(g.Text(title)),
			h.StyleEl(g.Raw("\n"+style)),
		)),
		h.Body(h.Main(lines(content...))),
	))
	if err := (g.Group{page, g.Raw("\n")}).Render(w); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// lines gives each node a line of its own, so that a difference between two pages can be read.
func lines(nodes ...g.Node) g.Node {
	var all g.Group
	for _, node := range nodes {
		if node != nil {
			all = append(all, g.Raw("\n"), node)
		}
	}
	return append(all, g.Raw("\n"))
}

func reportHeader(r Report) g.Node {
	header := []g.Node{
		h.H1(g.Text(r.Title())),
		soft("Board report, " + r.Created.UTC().Format("2 January 2006, 15:04") + " UTC"),
	}
	if r.Outcome != nil {
		class := "outcome bad"
		if r.Outcome.OK {
			class = "outcome good"
		}
		header = append(header, h.P(h.Span(h.Class(class), g.Text(capital(r.Outcome.sentence())))))
	}
	return h.Header(lines(header...))
}

func soft(text string) g.Node { return h.P(h.Class("soft"), g.Text(text)) }

func section(title string, content ...g.Node) g.Node {
	return h.Section(lines(append([]g.Node{h.H2(g.Text(title))}, content...)...))
}

func warningList(warnings []string) g.Node {
	if len(warnings) == 0 {
		return nil
	}
	return h.Section(h.Class("warnings"), h.H2(g.Text("Warnings")), h.Ul(lines(g.Map(warnings, func(text string) g.Node {
		return h.Li(g.Text(text))
	})...)))
}

func speedSection(r *bench.Result) g.Node {
	if r == nil || len(bench.Tables(*r)) == 0 {
		return nil
	}
	content := []g.Node{
		handshakeFigure(*r), diskFigure(newDiskPlot(*r)),
		h.P(h.Class("soft summary"), g.Text(capital(bench.Summary(*r))+".")),
	}
	for _, t := range bench.Tables(*r) {
		header := append([]string{""}, t.Header...)
		content = append(content, h.H3(g.Text(t.Title)), cards("cards figures", header, t.Rows, nil))
	}
	for _, warning := range bench.SampleWarnings(*r) {
		content = append(content, h.P(h.Class("soft warning"), g.Text(capital(warning)+".")))
	}
	return section("Speed", content...)
}

func planSection(plan []Decision) g.Node {
	if len(plan) == 0 {
		return nil
	}
	var rows [][]string
	for _, d := range plan {
		rows = append(rows, []string{d.Name, d.Value, d.Reason})
	}
	return section("Plan", cards("cards", []string{"decision", "value", "reason"}, rows, nil))
}

func factSection(title string, facts []fact) g.Node {
	if len(facts) == 0 {
		return nil
	}
	return section(title, h.Dl(h.Class("facts"), lines(g.Map(facts, func(f fact) g.Node {
		return g.Group{h.Dt(g.Text(f.name)), h.Dd(g.Text(f.value))}
	})...)))
}

// cards is a table that is a stack of cards on a phone, where each cell names
// its column. The classes of cells may be nil, and the class of one may be "".
func cards(class string, header []string, rows [][]string, classOf func(row, column int) string) g.Node {
	var body []g.Node
	for i, row := range rows {
		cells := g.Group{h.Th(h.Scope("row"), g.Text(row[0]))}
		for j := 1; j < len(row); j++ {
			cell := g.Group{h.Data("label", header[j]), g.Text(row[j])}
			if classOf != nil && classOf(i, j) != "" {
				cell = append(cell, h.Class(classOf(i, j)))
			}
			cells = append(cells, h.Td(cell))
		}
		body = append(body, h.Tr(cells))
	}
	return h.Table(h.Class(class),
		h.THead(h.Tr(g.Map(header, func(name string) g.Node { return h.Th(h.Scope("col"), g.Text(name)) }))),
		h.TBody(lines(body...)))
}

func capital(text string) string {
	_, n := utf8.DecodeRuneInString(text)
	return strings.ToUpper(text[:n]) + text[n:]
}

// tiles are the few figures that one wants to see first.
func tiles(r Report) g.Node {
	facts := firstFacts(r)
	if len(facts) == 0 {
		return nil
	}
	return h.Div(h.Class("tiles"), lines(g.Map(facts, func(f fact) g.Node {
		return h.Div(h.B(g.Text(f.value)), h.Span(g.Text(f.name)))
	})...))
}

func firstFacts(r Report) []fact {
	var all []fact
	if r.Outcome != nil {
		all = append(all, fact{"bootstrap, from the first step to the last", bench.Format(r.Outcome.Seconds, "s")})
	}
	if r.Bench == nil {
		return all
	}
	add := func(name string, s bench.Sample, ok bool) {
		if ok {
			all = append(all, fact{name, bench.Format(s.Median, s.Unit)})
		}
	}
	handshake := func(name, which string) {
		s, ok := r.Bench.Handshake(which, bench.CPU)
		add(name, s, ok)
	}
	handshake("server CPU time of a probe's handshake, RSA-2048", "probe/rsa-2048/x25519mlkem768/server")
	handshake("server CPU time of a probe's handshake, ECDSA P-256", "probe/ecdsa-p256/x25519mlkem768/server")
	s, ok := r.Bench.Sample("go/apiserver-v1/one-core", bench.Wall)
	add("for one unit of API server work on one core", s, ok)
	for _, f := range r.Bench.Folders {
		if s, ok := r.Bench.Sample(bench.DiskSample(f.Path, "fsync"), bench.Wall); ok {
			all = append(all, fact{"fsync latency of " + f.Path + ", 99th percentile", bench.Format(s.P99, s.Unit)})
		}
	}
	if r.Bench.Cores.All > 0 {
		all = append(all, fact{"CPU cores available to a program", fmt.Sprintf("%.2f", r.Bench.Cores.All)})
	}
	return all
}
