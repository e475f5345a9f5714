package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

//go:embed page
var pages embed.FS

// pageFuncs are what the templates call.
func pageFuncs(style string) template.FuncMap {
	return template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) },
		"less":  func(i int) int { return i - 1 },
	}
}

func renderPage(w io.Writer, name string, data any) error {
	style, err := pages.ReadFile("page/style.css")
	if err != nil {
		return fmt.Errorf("read the report's style: %w", err)
	}
	t, err := template.New(name).Funcs(pageFuncs(string(style))).ParseFS(pages, "page/"+name)
	if err != nil {
		return fmt.Errorf("parse the report's page: %w", err)
	}
	if err := t.Execute(w, data); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// HTML writes a report as one file that needs nothing else: no script, no font,
// no picture from elsewhere. It follows the reader's choice of dark or light
// and is made for phones and paper too.
func HTML(w io.Writer, r Report) error {
	return renderPage(w, "report.html", newPage(r))
}

// page is a report as the template wants it: everything formatted, every place
// in a plot computed. Places along the width are percentages, so that plots
// fit any screen and their letters keep their size.
type page struct {
	Title, Created, Summary, Schema string
	Outcome                         *pageOutcome
	Tiles, Facts, Versions          []pair
	Notes, Warnings                 []string
	Timeline                        *timeline
	Handshakes                      *barPlot
	Disks                           *curvePlot
	Tables                          []bench.Table
	Plan                            []Decision
}

type pair struct{ Name, Value string }

type pageOutcome struct {
	OK   bool
	Text string
}

func newPage(r Report) page {
	p := page{
		Title: r.Title(), Created: r.Created.UTC().Format("2 January 2006, 15:04"), Schema: Schema,
		Plan: r.Plan, Timeline: newTimeline(r), Tiles: tiles(r),
	}
	if r.Outcome != nil {
		p.Outcome = &pageOutcome{r.Outcome.OK, capital(r.Outcome.sentence())}
	}
	for _, f := range r.facts() {
		p.Facts = append(p.Facts, pair{capital(f.name), f.value})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		p.Versions = append(p.Versions, pair{name, r.Versions[name]})
	}
	if r.Bench != nil {
		p.Summary = capital(bench.Summary(*r.Bench))
		p.Tables = bench.Tables(*r.Bench)
		p.Handshakes = newHandshakePlot(*r.Bench)
		p.Disks = newDiskPlot(*r.Bench)
		for _, note := range bench.Notes(*r.Bench) {
			p.Notes = append(p.Notes, capital(note))
		}
		for _, warning := range bench.SampleWarnings(*r.Bench) {
			p.Warnings = append(p.Warnings, capital(warning))
		}
	}
	return p
}

func capital(text string) string {
	_, n := utf8.DecodeRuneInString(text)
	return strings.ToUpper(text[:n]) + text[n:]
}

// tiles are the few figures that one wants to see first.
func tiles(r Report) []pair {
	var all []pair
	if r.Outcome != nil {
		all = append(all, pair{"bootstrap, from the first step to the last", bench.Format(r.Outcome.Seconds, "s")})
	}
	if r.Bench == nil {
		return all
	}
	add := func(name string, s bench.Sample, ok bool) {
		if ok {
			all = append(all, pair{name, bench.Format(s.Median, s.Unit)})
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
			all = append(all, pair{"fsync latency of " + f.Path + ", 99th percentile", bench.Format(s.P99, s.Unit)})
		}
	}
	if r.Bench.Cores.All > 0 {
		all = append(all, pair{"CPU cores available to a program", fmt.Sprintf("%.2f", r.Bench.Cores.All)})
	}
	return all
}

// tick is a mark on an axis.
type tick struct {
	At     string // percent
	Text   string
	Anchor string
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
