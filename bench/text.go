package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// Table is a part of a result made readable. The first column names the row,
// the others are figures.
type Table struct {
	Title  string // of the whole and of the first column
	Header []string
	Rows   [][]string
}

// Text writes a result as tables for people. Its form may change; programs
// read the JSON.
func Text(w io.Writer, r Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	printable.Fprintln(t, Summary(r))
	for _, table := range Tables(r) {
		printable.Fprintln(t)
		printable.Row(t, append([]string{table.Title + ":"}, table.Header...)...)
		for _, row := range table.Rows {
			printable.Row(t, row...)
		}
	}
	for i, note := range append(Notes(r), SampleWarnings(r)...) {
		if i == 0 {
			printable.Fprintln(t)
		}
		printable.Fprintln(t, "warning:", note)
	}
	return t.Flush()
}

// Summary reports in a sentence what ran, how long, and how much of the board it got.
func Summary(r Result) string {
	form := "full form"
	if r.Short {
		form = "short form"
	}
	together := ""
	if r.Cores.All > 0 {
		together = fmt.Sprintf(", all together %.2f", r.Cores.All)
	}
	return fmt.Sprintf("%s UTC, %s, %s on %s: %s of %s, %s of CPU time, %s; one thread gets %.2f cores%s of %d",
		r.Started.Format(time.DateTime), form, r.Runtime.Version, r.Runtime.platform(),
		Format(r.Elapsed, "s"), Format(r.Budget, "s"), Format(r.CPU, "s"), Format(float64(r.PeakMemory), "B"),
		r.Cores.One, together, r.Runtime.CPUs)
}

func (g Go) platform() string {
	name := g.Arch
	if g.ARM != "" {
		name += "v" + g.ARM
	}
	return name
}

// Tables makes a result readable. Tables without rows are left out.
func Tables(r Result) []Table {
	all := []Table{
		handshakes(r),
		computing(r, "Computing", SecondsPerOp, "CPU time", "elapsed", "per second"),
		computing(r, "Bulk", BytesPerSecond, "per CPU second", "per second"),
	}
	for _, f := range r.Folders {
		all = append(all, diskTable(r, f))
	}
	all = append(all, boardTable(r.Before, r.After))
	return slices.DeleteFunc(all, func(t Table) bool { return len(t.Rows) == 0 })
}

func handshakes(r Result) Table {
	t := Table{Title: "TLS 1.3 handshakes", Header: []string{"server, CPU time", "client, CPU time", "both, elapsed",
		"per second"}}
	for _, s := range r.Samples {
		which, ok := HandshakeOf(s.Name)
		if !ok || s.Clock != Wall {
			continue
		}
		server, _ := r.Sample(s.Name+"/"+serverSide, CPU)
		client, _ := r.Sample(s.Name+"/"+clientSide, CPU)
		title := strings.ReplaceAll(which, "/", ", ")
		t.Rows = append(t.Rows, []string{title, figure(server), figure(client), figure(s), perSecond(s)})
	}
	return t
}

// computing lists everything but handshakes that has both clocks and that unit.
func computing(r Result, title, unit string, header ...string) Table {
	t := Table{Title: title, Header: header}
	for _, s := range r.Samples {
		wall, ok := r.Sample(s.Name, Wall)
		if s.Clock != CPU || s.Unit != unit || !ok {
			continue
		}
		row := []string{s.Name, figure(s), figure(wall)}
		if unit == SecondsPerOp {
			row = append(row, perSecond(wall))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func diskTable(r Result, f Folder) Table {
	t := Table{
		Title:  fmt.Sprintf("%s (%s, %s free)", f.Path, f.FileSystem, Format(float64(f.Free), "B")),
		Header: []string{"median", "p90", "p99", "worst", "writes"},
	}
	for _, p := range [...]struct{ pattern, title string }{
		{patternFsync, "2300 B appended and synced"},
		{patternRandom, "4 KiB anywhere and synced"},
		{patternWrite, "1 MiB in a row and synced"},
	} {
		s, ok := r.Sample(DiskSample(f.Path, p.pattern), Wall)
		if !ok {
			continue
		}
		row := []string{p.title, figure(s), Format(s.P90, s.Unit), Format(s.P99, s.Unit), Format(s.Max, s.Unit),
			fmt.Sprint(s.N)}
		if s.Unit == BytesPerSecond {
			row[2], row[3], row[4] = "", "", "" // the high percentiles of a speed are its best
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func boardTable(before, after State) Table {
	t := Table{Title: "Board", Header: []string{"before", "after"}}
	add := func(name, before, after string) { t.Rows = append(t.Rows, []string{name, before, after}) }
	if a, b := after.Memory, before.Memory; a != nil && b != nil {
		add("memory available of "+Format(float64(a.Total), "B"), Format(float64(b.Available), "B"),
			Format(float64(a.Available), "B"))
	}
	for i, a := range after.Temperatures {
		if i < len(before.Temperatures) {
			add("temperature of "+a.Zone, fmt.Sprintf("%.0f °C", before.Temperatures[i].Celsius), fmt.Sprintf("%.0f °C",
				a.Celsius))
		}
	}
	for i, a := range after.Clocks {
		if i < len(before.Clocks) {
			add(fmt.Sprintf("clock of %s, at most %.0f MHz", a.Policy, a.Maximum/1e6),
				fmt.Sprintf("%.0f MHz", before.Clocks[i].Current/1e6), fmt.Sprintf("%.0f MHz", a.Current/1e6))
		}
	}
	if a, b := after.Firmware, before.Firmware; a != nil && b != nil {
		add("firmware's throttling word", fmt.Sprintf("%#x", b.Word), fmt.Sprintf("%#x", a.Word))
	}
	return t
}

// Notes are the warnings about the whole run, in sentences.
func Notes(r Result) []string {
	var notes []string
	for _, w := range r.Warnings {
		notes = append(notes, w.Text)
	}
	return notes
}

// SampleWarnings are about single figures, one line for each kind. A
// disturbance of the whole run is not repeated for each figure in it.
func SampleWarnings(r Result) []string {
	var lines []string
	for _, kind := range [...]struct{ name, text string }{
		{WarnFew, "too few observations"},
		{WarnNoisy, "noisy"},
		{WarnDrift, "changed while it was measured"},
	} {
		var names []string
		for _, s := range r.Samples {
			if slices.ContainsFunc(s.Warnings, func(w Warning) bool { return w.Kind == kind.name }) {
				names = append(names, s.Name+" ("+s.Clock+")")
			}
		}
		if len(names) > 0 {
			lines = append(lines, kind.text+": "+strings.Join(names, ", "))
		}
	}
	return lines
}

// figure is a sample's median with its spread.
func figure(s Sample) string {
	if s.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%s ±%.0f%%", Format(s.Median, s.Unit), 100*s.Spread)
}

func perSecond(s Sample) string {
	if s.Median <= 0 {
		return "–"
	}
	return digits(1 / s.Median)
}

// Format writes a value in base units the way people read it: 0.0231 s/op as
// "23.1 ms". Other units than s, s/op, B and B/s stay as they are.
func Format(value float64, unit string) string {
	unit = strings.TrimSuffix(unit, "/op")
	type step struct {
		factor float64
		prefix string
	}
	var steps []step
	switch unit {
	case "s":
		if value >= 60 {
			return time.Duration(value * float64(time.Second)).Round(time.Second).String()
		}
		steps = []step{{1, ""}, {1e-3, "m"}, {1e-6, "µ"}, {1e-9, "n"}}
	case "B", "B/s":
		steps = []step{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}, {1, ""}}
	default:
		return strings.TrimSpace(digits(value) + " " + unit)
	}
	for _, s := range steps {
		if value >= s.factor {
			return digits(value/s.factor) + " " + s.prefix + unit
		}
	}
	return digits(value) + " " + unit
}

// digits keeps three that mean something.
func digits(v float64) string {
	switch {
	case v >= 99.95 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
