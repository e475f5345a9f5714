package report

import (
	"math"
	"time"

	g "maragu.dev/gomponents"
	h "maragu.dev/gomponents/html"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// timeline is the plot of the steps: one row each, its name above its bar.
type timeline struct {
	Ticks             []tick
	Bars              []timeBar
	Failed, Predicted bool // whether any step is
}

type timeBar struct {
	Name, Value, Class    string
	X, Width, PredictedAt string // percent; PredictedAt is "" if nothing was
}

const (
	barRow  = 40 // pixels for a name and its bar
	barDrop = 20 // from the row's top to its bar
	barHigh = 12
)

func newTimeline(r Report) *timeline {
	if len(r.Steps) == 0 {
		return nil
	}
	spans := r.spans()
	end := 0.0
	for i, s := range r.Steps {
		end = max(end, spans[i].end, spans[i].start+s.Predicted)
	}
	if end <= 0 {
		return nil
	}
	t := &timeline{}
	for i, s := range r.Steps {
		b := timeBar{
			Name: s.Name, Value: bench.Format(s.Seconds, "s"), Class: "one",
			// What took no time to speak of must still be seen.
			X: percent(spans[i].start / end), Width: percent(max(s.Seconds/end, 0.004)),
		}
		if s.Waited != "" {
			b.Class = "two"
		}
		if s.Error != "" {
			b.Class, t.Failed = "failed", true
		}
		if s.Predicted > 0 {
			b.PredictedAt, t.Predicted = percent((spans[i].start+s.Predicted)/end), true
		}
		t.Bars = append(t.Bars, b)
	}
	step := roundStep(end / 5)
	for at := 0.0; at <= end; at += step {
		t.Ticks = append(t.Ticks, tick{percent(at / end), clockText(at), anchorAt(at / end)})
	}
	return t
}

func timelineSection(r Report) g.Node {
	t := newTimeline(r)
	if t == nil {
		return nil
	}
	marks := []g.Node{entry("work", swatch("one")), entry("waiting for a component", swatch("two"))}
	if t.Failed {
		marks = append(marks, entry("failed", swatch("failed")))
	}
	if t.Predicted {
		marks = append(marks, entry("predicted end", upright("predicted", "13", 0, 12)))
	}
	return section("Bootstrap", h.Figure(legend(marks...), t.plot()), h.H3(g.Text("Steps")), stepTable(r))
}

func (t *timeline) plot() g.Node {
	floor := len(t.Bars) * barRow
	var content []g.Node
	for _, tick := range t.Ticks {
		content = append(content, tick.upright(0, floor, floor+16))
	}
	for i, b := range t.Bars {
		top := i*barRow + barDrop
		content = append(content, rowLabels(top-6, b.Name, b.Value), bar(b.Class, b.X+"%", top, b.Width+"%", barHigh))
		if b.PredictedAt != "" {
			content = append(content, upright("predicted", b.PredictedAt+"%", top, top+barHigh+3))
		}
	}
	return plot("Time line of the steps", floor+22, content...)
}

func stepTable(r Report) g.Node {
	spans := r.spans()
	var rows [][]string
	for i, s := range r.Steps {
		name := s.Name
		if s.Error != "" {
			name += ": failed: " + s.Error
		}
		rows = append(rows, []string{name, bench.Format(spans[i].start, "s"), bench.Format(s.Seconds, "s"), predicted(s),
			s.Waited, s.restarts()})
	}
	header := []string{"step", "start", "duration", "predicted", "waited for", "restarts"}
	return cards("cards", header, rows, func(_, column int) string {
		if column <= 3 {
			return "time"
		}
		return ""
	})
}

// roundStep is the first of the usual divisions of time that is not shorter.
func roundStep(seconds float64) float64 {
	for _, s := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600} {
		if s >= seconds {
			return s
		}
	}
	return 3600 * math.Ceil(seconds/3600)
}

// clockText is short enough for an axis: "2m30s", "45s".
func clockText(seconds float64) string {
	if seconds == 0 {
		return "0"
	}
	text := time.Duration(min(seconds, 1e9) * float64(time.Second)).Round(100 * time.Millisecond).String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - len(zero); n > 0 && text[n:] == zero {
			text = text[:n+1]
		}
	}
	return text
}
