package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// cost is what a handshake costs the server and the client, in seconds.
type cost struct {
	name           string
	server, client float64
}

func handshakeCosts(r bench.Result) (costs []cost, most float64) {
	for _, s := range r.Samples {
		which, ok := bench.HandshakeOf(s.Name)
		parts := strings.Split(which, "/")
		if !ok || s.Clock != bench.Wall || len(parts) != 3 {
			continue
		}
		server, ok := r.Sample(s.Name+"/server", bench.CPU)
		client, ok2 := r.Sample(s.Name+"/client", bench.CPU)
		if !ok || !ok2 {
			continue
		}
		c := cost{handshakeName(parts[0], parts[1], parts[2]), server.Median, client.Median}
		most = max(most, c.server+c.client)
		costs = append(costs, c)
	}
	return costs, most
}

func handshakeFigure(r bench.Result) g.Node {
	const row, high = barRow + 4, barHigh + 2
	costs, most := handshakeCosts(r)
	if most <= 0 {
		return nil
	}
	var content []g.Node
	for i, c := range costs {
		top := i*row + barDrop
		server, client := percent(c.server/most)+"%", percent(c.client/most)+"%"
		content = append(content,
			rowLabels(top-6, c.name, bench.Format(c.server, "s")+" + "+bench.Format(c.client, "s")),
			bar("track", "0", top, "100%", high),
			bar("one", "0", top, server, high),
			bar("two", server, top, client, high))
	}
	return h.Figure(lines(
		h.FigCaption(g.Text("Cost of a TLS handshake, by key type")),
		soft("CPU time of one full TLS 1.3 handshake. In a probe the client has no certificate and checks none; "+
			"in a mutual handshake both sides have one and check it."),
		legend(entry("server, as the API server", swatch("one")), entry("client", swatch("two"))),
		plot("CPU time of TLS handshakes by key type", len(costs)*row, content...),
	))
}

func handshakeName(kind, key, exchange string) string {
	name := capital(kind) + ", "
	switch key {
	case "rsa-2048":
		name += "RSA-2048"
	case "ecdsa-p256":
		name += "ECDSA P-256"
	default:
		name += key
	}
	// Today's default need not be named.
	if exchange != "x25519mlkem768" {
		name += ", " + strings.ToUpper(exchange)
	}
	return name
}

// curvePlot shows the distributions of write latencies, times on a logarithmic axis.
type curvePlot struct {
	X      []tick
	Y      []tick // At is in pixels
	Limit  tick
	Curves []curve
}

type curve struct {
	Name, Class string
	Points      string // of a polyline in a square of 100
}

// etcdAdvice is the time within which 99 of 100 writes should be done,
// https://etcd.io/docs/v3.6/faq/#what-does-the-etcd-warning-failed-to-send-out-heartbeat-on-time-mean
const etcdAdvice = 0.010

func newDiskPlot(r bench.Result) *curvePlot {
	classes := []string{"one", "two", "three", "four"}
	type line struct {
		name   string
		values []float64
	}
	var lines []line
	low, high := math.Inf(1), etcdAdvice
	for _, f := range r.Folders {
		s, ok := r.Sample(bench.DiskSample(f.Path, "fsync"), bench.Wall)
		if !ok || len(s.Values) < 2 {
			continue
		}
		values := slices.Sorted(slices.Values(s.Values))
		if values[0] <= 0 {
			continue
		}
		low, high = min(low, values[0]), max(high, values[len(values)-1])
		lines = append(lines, line{fmt.Sprintf("%s (%s), p99 %s", f.Path, f.FileSystem, bench.Format(s.P99, s.Unit)), values})
	}
	if len(lines) == 0 {
		return nil
	}
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high*1.001))
	at := func(seconds float64) float64 { return (math.Log10(seconds) - from) / (to - from) }
	p := &curvePlot{Limit: tick{At: percent(at(etcdAdvice)), Text: "10 ms: etcd wants 99 % of writes to be faster"}}
	for e := from; e <= to; e++ {
		x := (e - from) / (to - from)
		p.X = append(p.X, tick{percent(x), powerText(int(e)), anchorAt(x)})
	}
	for _, part := range []float64{0, 0.25, 0.5, 0.75, 1} {
		p.Y = append(p.Y, tick{At: fmt.Sprintf("%.0f", 6+220*(1-part)), Text: fmt.Sprintf("%.0f%%", 100*part)})
	}
	for i, l := range lines {
		var points strings.Builder
		for k, v := range l.values {
			fmt.Fprintf(&points, "%.2f,%.2f ", 100*at(v), 100-100*float64(k)/float64(len(l.values)-1))
		}
		p.Curves = append(p.Curves, curve{l.name, classes[i%len(classes)], strings.TrimSpace(points.String())})
	}
	return p
}

func diskFigure(p *curvePlot) g.Node {
	if p == nil {
		return nil
	}
	var marks, content []g.Node
	for _, c := range p.Curves {
		marks = append(marks, entry(c.Name, stroke("curve "+c.Class, "0", "6", "26", "6")))
	}
	marks = append(marks, entry(p.Limit.Text, upright("limit", "13", -2, 14)))
	for _, t := range p.X {
		content = append(content, t.upright(6, 226, 244))
	}
	for _, t := range p.Y {
		content = append(content, stroke("grid", "0", t.At, "100%", t.At),
			label("-6", t.At, t.Text, h.Class("axis"), g.Attr("dy", "4"), anchor("end")))
	}
	curves := g.Map(p.Curves, func(c curve) g.Node {
		return g.El("polyline", h.Class("curve "+c.Class), g.Attr("points", c.Points))
	})
	content = append(content, upright("limit", p.Limit.At+"%", 6, 226),
		h.SVG(g.Attr("y", "6"), h.Width("100%"), h.Height("220"), g.Attr("viewBox", "0 0 100 100"),
			g.Attr("preserveAspectRatio", "none"), lines(curves...)))
	return h.Figure(lines(
		h.FigCaption(g.Text("Disk: fsync latency")),
		soft("2300 bytes appended and synced, as etcd does for each change: "+
			"the share of writes (%) that took at most this time."),
		legend(marks...),
		plot("Distribution of fsync latency", 250, append(content, h.Class("plot"))...),
	))
}

// powerText names a power of ten of a second.
func powerText(exponent int) string {
	unit, rest := "s", exponent
	switch {
	case exponent < -6:
		unit, rest = "ns", exponent+9
	case exponent < -3:
		unit, rest = "µs", exponent+6
	case exponent < 0:
		unit, rest = "ms", exponent+3
	}
	return fmt.Sprintf("%.0f %s", math.Pow10(rest), unit)
}
