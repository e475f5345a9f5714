package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Text writes a result as a table for people. Its form may change; programs
// read the JSON.
func Text(w io.Writer, r Result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	form := "full form"
	if r.Short {
		form = "short form"
	}
	fmt.Fprintf(t, "%s, %s, %s on %s: %.1f of %.1f s, %.1f s of CPU time, %d MB\n",
		r.Started.Format(time.DateTime), form, r.Runtime.Version, r.Runtime.platform(), r.Elapsed, r.Budget, r.CPU, r.PeakMemory>>20)
	fmt.Fprintf(t, "one thread gets %.2f cores, all together get %.2f of %d\n", r.Cores.One, r.Cores.All, r.Runtime.CPUs)

	handshakes(t, r)
	section(t, r, "COMPUTING", "CPU TIME\tELAPSED\tPER SECOND", SecondsPerOp, "go/", "sign/", "verify/", "keygen/")
	section(t, r, "BULK", "PER CPU SECOND\tPER SECOND", BytesPerSecond, "seal/", "hash/")
	disksTable(t, r)
	state(t, r.Before, r.After)
	warnings(t, r)
	return t.Flush()
}

func (g Go) platform() string {
	name := g.Arch
	if g.ARM != "" {
		name += "v" + g.ARM
	}
	return name
}

func handshakes(t io.Writer, r Result) {
	first := true
	for _, s := range r.Samples {
		if !strings.HasPrefix(s.Name, "tls/") || s.Clock != Wall {
			continue
		}
		if first {
			fmt.Fprint(t, "\nTLS 1.3 HANDSHAKES\tSERVER, CPU TIME\tCLIENT, CPU TIME\tBOTH, ELAPSED\tPER SECOND\n")
			first = false
		}
		server, _ := r.Sample(s.Name+"/"+serverSide, CPU)
		client, _ := r.Sample(s.Name+"/"+clientSide, CPU)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", handshakeTitle(s.Name), figure(server), figure(client), figure(s), perSecond(s))
	}
}

// handshakeTitle turns tls/KIND/KEY/EXCHANGE into words.
func handshakeTitle(name string) string {
	return strings.Join(strings.Split(name, "/")[1:], ", ")
}

func section(t io.Writer, r Result, title, columns, unit string, prefixes ...string) {
	first := true
	for _, s := range r.Samples {
		if s.Clock != CPU || !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s.Name, p) }) {
			continue
		}
		if first {
			fmt.Fprintf(t, "\n%s\t%s\n", title, columns)
			first = false
		}
		wall, _ := r.Sample(s.Name, Wall)
		fmt.Fprintf(t, "%s\t%s\t%s", s.Name, figure(s), figure(wall))
		if unit == SecondsPerOp {
			fmt.Fprintf(t, "\t%s", perSecond(wall))
		}
		fmt.Fprintln(t)
	}
}

func disksTable(t io.Writer, r Result) {
	if len(r.Folders) == 0 {
		return
	}
	fmt.Fprint(t, "\nDISK\tMEDIAN\tP90\tP99\tWORST\tWRITES\n")
	for _, f := range r.Folders {
		fmt.Fprintf(t, "%s (%s, %s free)\n", f.Path, f.FileSystem, Format(float64(f.Free), "B"))
		for _, pattern := range [...]string{patternFsync, patternRandom} {
			if s, ok := r.Sample(DiskSample(f.Path, pattern), Wall); ok {
				fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%d\n", patternTitle(pattern), figure(s),
					Format(s.P90, s.Unit), Format(s.P99, s.Unit), Format(s.Max, s.Unit), s.N)
			}
		}
		if s, ok := r.Sample(DiskSample(f.Path, patternWrite), Wall); ok {
			fmt.Fprintf(t, "  %s\t%s\t\t\t\t%d\n", patternTitle(patternWrite), figure(s), s.N)
		}
	}
}

func patternTitle(pattern string) string {
	switch pattern {
	case patternFsync:
		return "2300 B appended and synced"
	case patternRandom:
		return "4 KiB anywhere and synced"
	case patternWrite:
		return "1 MiB after the other, synced"
	}
	return pattern
}

func state(t io.Writer, before, after State) {
	var lines []string
	if m := after.Memory; m != nil {
		lines = append(lines, fmt.Sprintf("memory available\t%s of %s", Format(float64(m.Available), "B"), Format(float64(m.Total), "B")))
	}
	for i, a := range after.Temperatures {
		if i < len(before.Temperatures) {
			lines = append(lines, fmt.Sprintf("temperature %s\t%.0f °C, then %.0f °C", a.Zone, before.Temperatures[i].Celsius, a.Celsius))
		}
	}
	for _, c := range after.Clocks {
		lines = append(lines, fmt.Sprintf("clock %s\t%.0f of %.0f MHz", c.Policy, c.Current/1e6, c.Maximum/1e6))
	}
	if f := after.Firmware; f != nil {
		lines = append(lines, fmt.Sprintf("firmware's throttling word\t%#x", f.Word))
	}
	if len(lines) > 0 {
		fmt.Fprintf(t, "\nBOARD\n%s\n", strings.Join(lines, "\n"))
	}
}

func warnings(t io.Writer, r Result) {
	var lines []string
	for _, w := range r.Warnings {
		lines = append(lines, "warning: "+w.Text)
	}
	// A disturbance of the whole run need not be repeated for each figure in it.
	for _, kind := range [...]struct{ name, text string }{
		{WarnFew, "too few observations"},
		{WarnNoisy, "noisy"},
		{WarnDrift, "changed while it was measured"},
	} {
		var names []string
		for _, s := range r.Samples {
			for _, w := range s.Warnings {
				if w.Kind == kind.name {
					names = append(names, s.Name+" ("+s.Clock+")")
				}
			}
		}
		if len(names) > 0 {
			lines = append(lines, fmt.Sprintf("warning: %s: %s", kind.text, strings.Join(names, ", ")))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(t, "\n%s\n", strings.Join(lines, "\n"))
	}
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
