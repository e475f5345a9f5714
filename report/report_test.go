package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// example is the made-up report that the golden files show.
func example(t *testing.T) Report {
	t.Helper()
	r, err := ReadFile("testdata/example.json")
	require.NoError(t, err)
	return r
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "run go test ./report -update and look at the difference")
}

func TestMarkdownGolden(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Markdown(&b, example(t)))
	golden(t, "example.md", b.Bytes())
}

func TestJSONRoundTrip(t *testing.T) {
	r := example(t)
	var b bytes.Buffer
	require.NoError(t, JSON(&b, r))
	back, err := Parse(b.Bytes())
	require.NoError(t, err)
	assert.JSONEq(t, string(r.Board), string(back.Board))
	back.Board = r.Board
	assert.Equal(t, r, back)
}

// Whatever may be missing is missing here.
func TestSmallestReport(t *testing.T) {
	r := New(time.Unix(0, 0))
	var b bytes.Buffer
	require.NoError(t, JSON(&b, r))
	assert.JSONEq(t, `{"schema":"kubeadm-arm.report/v1","created":"1970-01-01T00:00:00Z"}`, b.String())
	b.Reset()
	require.NoError(t, Markdown(&b, r))
	assert.Equal(t, "# Board report: an unknown board\n\n1970-01-01 00:00 UTC\n", b.String())
}

func TestFailedOutcome(t *testing.T) {
	assert.Equal(t, "the bootstrap failed after 1m48s", Outcome{Seconds: 108}.sentence())
	assert.Equal(t, "the control plane is ready after 5.5 s, 4.6 s of CPU time", Outcome{OK: true, Seconds: 5.5,
		CPU: 4.6}.sentence())
}

func TestMarkdownEscapes(t *testing.T) {
	r := New(time.Unix(0, 0))
	r.Plan = []Decision{{"a|b", "<script>\n*x*", "`y` [z](w)"}}
	var b bytes.Buffer
	require.NoError(t, Markdown(&b, r))
	assert.Contains(t, b.String(), "| a\\|b | &lt;script> \\*x\\* | \\`y\\` \\[z](w) |\n")
}

func TestBoardFacts(t *testing.T) {
	type cpu struct {
		Features []string
		MaxHz    uint64
	}
	var r Report
	require.NoError(t, r.SetBoard(struct {
		Model       string
		CPU         cpu
		MemoryBytes uint64
		UnderVolted bool
		Empty       []string
		Disks       []struct{ Name string }
		SoCName     string
		Temperature float64
	}{
		Model: "Raspberry Pi Model B", CPU: cpu{[]string{"half", "thumb"}, 7e8}, MemoryBytes: 454541312, UnderVolted: true,
		Disks: []struct{ Name string }{{"sda"}, {"sdb"}}, Temperature: 41.25,
	}))
	assert.Equal(t, []fact{
		{"model", "Raspberry Pi Model B"}, {"CPU features", "half, thumb"}, {"CPU max hz", "700 MHz"}, {"memory bytes", "455 MB"},
		{"under volted", "yes"}, {"disks 1 name", "sda"}, {"disks 2 name", "sdb"}, {"temperature", "41.25"},
	}, r.facts())
	assert.Equal(t, "Raspberry Pi Model B", r.Title())
	assert.Error(t, r.SetBoard(make(chan int)))
	for _, text := range []string{`7`, `null`, `[]`, `[[1,[2]],3]`, `"x"`, ``, `{`} {
		r.Board = json.RawMessage(text)
		r.facts()
	}
}

func TestParseReadsABareBenchmark(t *testing.T) {
	want := *example(t).Bench
	text, err := json.Marshal(want)
	require.NoError(t, err)
	r, err := Parse(text)
	require.NoError(t, err)
	assert.Equal(t, &want, r.Bench)
	assert.Equal(t, Schema, r.Schema)
}

func TestParseRefuses(t *testing.T) {
	whole, err := os.ReadFile("testdata/example.json")
	require.NoError(t, err)
	for cut := 0; cut < len(bytes.TrimSpace(whole)); cut += 97 {
		_, err := Parse(whole[:cut])
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut after %d bytes", cut)
	}
	_, err = Parse([]byte(`{"schema":"kubeadm-arm.report/v99"}`))
	assert.EqualError(t, err, `read board report: its schema is "kubeadm-arm.report/v99", want "kubeadm-arm.report/v1"`)
	var schema *bench.SchemaError
	assert.ErrorAs(t, err, &schema)
	_, err = Parse([]byte(`{"apiVersion":"v1","kind":"Pod"}`))
	assert.EqualError(t, err, `read board report: it does not say which schema it has, want "kubeadm-arm.report/v1"`)
	_, err = Parse([]byte(`{"schema":"kubeadm-arm.report/v1","steps":"none"}`))
	assert.ErrorContains(t, err, "read board report: its steps is a string, which it cannot be")

	path := filepath.Join(t.TempDir(), "half.json")
	require.NoError(t, os.WriteFile(path, whole[:100], 0o600))
	_, err = ReadFile(path)
	assert.EqualError(t, err, path+": read board report: the JSON breaks off after 100 bytes: unexpected EOF")
	_, err = ReadFile(path + "x")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// Every report that lies in the repository must stay readable and renderable.
func TestReportsInTheRepository(t *testing.T) {
	paths, err := filepath.Glob("../testdata/reports/*.json")
	require.NoError(t, err)
	for _, path := range paths {
		r, err := ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, Markdown(io.Discard, r), path)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"schema":"kubeadm-arm.report/v1","board":{"a":[1,{"b":null}]},"steps":[{"name":"x","seconds":-1}]}`)
	f.Add(`{"schema":"kubeadm-arm.bench/v1","samples":[{"name":"tls/a","clock":"wall","median":0}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse([]byte(text))
		if err != nil {
			return
		}
		var b strings.Builder
		if err := Markdown(&b, r); err != nil {
			t.Fatal(err)
		}
	})
}
