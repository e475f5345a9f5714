package report

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

func renderHTML(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, HTML(&b, r))
	return b.String()
}

func TestHTMLGolden(t *testing.T) {
	golden(t, "example.html", []byte(renderHTML(t, example(t))))
}

func TestComparisonHTMLGolden(t *testing.T) {
	amd, err := ReadFile("testdata/amd64.json")
	require.NoError(t, err)
	c, err := Compare(Group{"Pi 1", []Report{example(t)}}, Group{"amd64", []Report{amd}})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, c.HTML(&b))
	golden(t, "compare.html", b.Bytes())
	requireSound(t, b.String())
}

var outside = regexp.MustCompile(`(?i)(https?:)?//[a-z]|<script|<link|@import|url\(|src=`)

// requireSound checks what any page must be: well-formed, needing nothing from
// elsewhere, every number in it a number.
func requireSound(t *testing.T, page string) {
	t.Helper()
	assert.Empty(t, outside.FindAllString(page, -1), "the page is not self-contained")
	assert.NotContains(t, page, "NaN")
	assert.NotContains(t, page, "Inf")

	// Our HTML closes everything but the void elements.
	text := strings.TrimPrefix(page, "<!doctype html>")
	for _, void := range []string{`<meta charset="utf-8">`, `<meta name="viewport" content="width=device-width, initial-scale=1">`} {
		text = strings.Replace(text, void, "", 1)
	}
	style := regexp.MustCompile(`(?s)<style>.*</style>`)
	decoder := xml.NewDecoder(strings.NewReader(style.ReplaceAllString(text, "")))
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
		if element, ok := token.(xml.StartElement); ok {
			for _, a := range element.Attr {
				if a.Name.Local == "width" || a.Name.Local == "height" {
					assert.NotContains(t, a.Value, "-", "%s has a negative size", element.Name.Local)
				}
			}
		}
	}
}

func TestHTMLIsSound(t *testing.T) {
	r := example(t)
	requireSound(t, renderHTML(t, r))

	for name, change := range map[string]func(*Report){
		"empty":         func(r *Report) { *r = New(time.Unix(0, 0)) },
		"no benchmark":  func(r *Report) { r.Bench = nil },
		"no steps":      func(r *Report) { r.Steps = nil },
		"steps of 0 s":  func(r *Report) { r.Steps = []Step{{Name: "a"}, {Name: "b"}} },
		"failed":        func(r *Report) { r.Steps[3].Error = "it <b>stuck</b>"; r.Outcome.OK = false },
		"odd numbers":   func(r *Report) { r.Steps[0].Seconds = -5; r.Steps[1].Start = 1e18; r.Steps[2].Predicted = -1 },
		"odd figures":   func(r *Report) { r.Bench.Samples[0].Median = -1; r.Bench.Samples[1].Median = 0 },
		"instant disk":  func(r *Report) { setDisk(r, 0, 0) },
		"slow disk":     func(r *Report) { setDisk(r, 0.5, 40) },
		"constant disk": func(r *Report) { setDisk(r, 0.01, 0.01) },
	} {
		t.Run(name, func(t *testing.T) {
			r := example(t)
			change(&r)
			requireSound(t, renderHTML(t, r))
		})
	}
}

func setDisk(r *Report, values ...float64) {
	for i := range r.Bench.Samples {
		if strings.HasPrefix(r.Bench.Samples[i].Name, "disk/fsync") {
			r.Bench.Samples[i].Values = values
		}
	}
}

func TestHTMLEscapes(t *testing.T) {
	r := New(time.Unix(0, 0))
	r.Label = `<script>alert(1)</script>`
	r.Plan = []Decision{{`"><img src=x onerror=alert(1)>`, "</style>", "'"}}
	r.Steps = []Step{{Name: "<svg onload=x>", Seconds: 1, Waited: "</svg>"}}
	page := renderHTML(t, r)
	for _, bad := range []string{"<script", "<img", "<svg onload"} {
		assert.NotContains(t, page, bad)
	}
	assert.Equal(t, 1, strings.Count(page, "</style>"))
}

func TestTimelineFits(t *testing.T) {
	r := example(t)
	line := newTimeline(r)
	require.NotNil(t, line)
	assert.Len(t, line.Bars, len(r.Steps))
	assert.Equal(t, "0.00", line.Bars[0].X)
	assert.True(t, line.Predicted)
	assert.GreaterOrEqual(t, len(line.Ticks), 3)
	for _, s := range []float64{0.05, 1, 7, 42, 100, 443, 5000, 1e5} {
		n := s / roundStep(s/5)
		assert.True(t, n > 0.4 && n <= 5.01, "%g seconds make %g ticks", s, n)
	}
	assert.Equal(t, []string{"0", "30s", "1m", "2m30s", "1h", "1h30m", "200ms"},
		[]string{clockText(0), clockText(30), clockText(60), clockText(150), clockText(3600), clockText(5400),
			clockText(0.2)})
}

func TestDiskPlotScales(t *testing.T) {
	r := example(t)
	setDisk(&r, 0.0001, 0.02, 3)
	plot := newDiskPlot(*r.Bench)
	require.NotNil(t, plot)
	assert.Equal(t, []string{"100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s"}, texts(plot.X))
	assert.Equal(t, "40.00", plot.Limit.At)
	assert.Equal(t, "0.00,100.00 46.02,50.00 89.54,0.00", plot.Curves[0].Points)
	assert.Nil(t, newDiskPlot(bench.Result{}))
	assert.Equal(t, "0.00", percent(math.NaN()))
}

func texts(ticks []tick) []string {
	var all []string
	for _, t := range ticks {
		all = append(all, t.Text)
	}
	return all
}

func TestReportsInTheRepositoryAsHTML(t *testing.T) {
	paths, err := filepath.Glob("../testdata/reports/*.json")
	require.NoError(t, err)
	for _, path := range paths {
		r, err := ReadFile(path)
		require.NoError(t, err)
		requireSound(t, renderHTML(t, r))
	}
}
