package report

import (
	"math"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// timeline is the plot of the steps: one row each, its name above its bar.
type timeline struct {
	Height, Floor, Label int // pixels: all of it, where the bars end, where the axis is written
	Ticks                []tick
	Bars                 []timeBar
	Rows                 []timeRow
	Failed, Predicted    bool // whether any step is
}

type timeBar struct {
	Name, Value, Class    string
	X, Width, PredictedAt string // percent
	Text, Y, Bottom       int    // pixels
	Predicted             bool
}

type timeRow struct{ Name, Start, Took, Predicted, Waited, Restarts string }

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
		top := i * barRow
		b := timeBar{
			Name: s.Name, Value: bench.Format(s.Seconds, "s"), Class: "one",
			// What took no time to speak of must still be seen.
			X: percent(spans[i].start / end), Width: percent(max(s.Seconds/end, 0.004)),
			Text: top + barDrop - 6, Y: top + barDrop, Bottom: top + barDrop + barHigh + 3,
		}
		if s.Waited != "" {
			b.Class = "two"
		}
		if s.Error != "" {
			b.Class, t.Failed = "failed", true
		}
		if s.Predicted > 0 {
			b.Predicted, b.PredictedAt = true, percent((spans[i].start+s.Predicted)/end)
			t.Predicted = true
		}
		t.Bars = append(t.Bars, b)
		row := timeRow{s.Name, bench.Format(spans[i].start, "s"), b.Value, predicted(s), s.Waited, s.restarts()}
		if s.Error != "" {
			row.Name += ": failed: " + s.Error
		}
		t.Rows = append(t.Rows, row)
	}
	t.Floor = len(r.Steps) * barRow
	t.Label = t.Floor + 16
	t.Height = t.Floor + 22
	step := roundStep(end / 5)
	for at := 0.0; at <= end; at += step {
		t.Ticks = append(t.Ticks, tick{percent(at / end), clockText(at), anchorAt(at / end)})
	}
	return t
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
