package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlots(t *testing.T) {
	path := t.TempDir() + "/d.md"
	of := func(tool, board string, ready, cpu float64) run {
		return run{setup: setup{Tool: tool, Board: board},
			outcome: outcome{OK: ready > 0, NodeReady: ready > 0, ReadySeconds: ready}, cost: cost{CPUAtReady: cpu}}
	}
	runs := []run{of(stock, "10%", 100, 8), of(arm, "10%", 40, 4), of(stock, "5%", 0, 0), of(arm, "5%", 80, 5),
		of(arm, "5%", 90, 6), of("kubeadm-arm:frugal", "5%", 70, 4)}
	shown, err := writePlots(path, runs)
	require.NoError(t, err)
	assert.Equal(t, "\n![Time to a Ready node, by tool and board](d-ready.svg)\n\n![CPU time to a Ready node, by "+
		"tool and board](d-cpu.svg)\n\nLines go through the medians of the runs that worked; a cross says that all "+
		"runs of a tool failed on that board.\n", shown)
	text, err := os.ReadFile(strings.TrimSuffix(path, ".md") + "-ready.svg")
	require.NoError(t, err)
	d := xml.NewDecoder(strings.NewReader(string(text)))
	for err == nil {
		_, err = d.Token()
	}
	require.True(t, errors.Is(err, io.EOF), err)
	for _, want := range []string{">kubeadm init<", ">kubeadm-arm init<", ">kubeadm-arm:frugal<", ">10%<", ">5%<",
		">20<", ">50<", ">100<", ">failed<", ">time (seconds)<", ">board (share of one CPU core)<"} {
		assert.Contains(t, string(text), want)
	}
	assert.NotContains(t, string(text), ">200<")

	shown, err = writePlots(path, runs[:2])
	require.NoError(t, err)
	assert.Empty(t, shown, "one board is a table's row")
	_, err = writePlots(path, []run{of(stock, "10%", 0, 0), of(stock, "5%", 0, 0)})
	assert.NoError(t, err, "a document is written, too, when nothing worked")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct{ x, floor, ceiling float64 }{{1, 1, 1}, {3.5, 2, 5}, {70, 50, 100}, {200, 200, 200},
		{0.3, 0.2, 0.5}, {999, 500, 1000}} {
		assert.InDelta(t, c.floor, floor(c.x), 1e-9, "floor of %v", c.x)
		assert.InDelta(t, c.ceiling, ceiling(c.x), 1e-9, "ceiling of %v", c.x)
	}
}

func TestDocumentOfResults(t *testing.T) {
	dir := t.TempDir()
	one, err := json.Marshal([]run{{setup: setup{Tool: arm, Board: "10%"},
		outcome: outcome{OK: true, NodeReady: true, ReadySeconds: 40,
			Restarts: map[string]int{"etcd": 1}}, cost: cost{CPUAtReady: 4}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/a.json", one, 0o600))
	require.NoError(t, os.WriteFile(dir+"/b.json", []byte(strings.Replace(string(one), "10%", "5%", 1)), 0o600))
	_, err = documentOf([]string{dir + "/a.json", dir + "/b.json"}, dir+"/d.md")
	require.NoError(t, err)
	text, err := os.ReadFile(dir + "/d.md")
	require.NoError(t, err)
	for _, want := range []string{"|  | 10% | kubeadm-arm init | 1 of 1 | 0.0 | 40.0 | 4.00 |",
		"|  | 5% | kubeadm-arm init |", "(d-ready.svg)"} {
		assert.Contains(t, string(text), want)
	}
	require.NoError(t, os.WriteFile(dir+"/b.json", []byte("["), 0o600))
	_, err = documentOf([]string{dir + "/b.json"}, dir+"/d.md")
	assert.ErrorContains(t, err, "b.json")
	_, err = documentOf([]string{dir + "/c.json"}, dir+"/d.md")
	assert.Error(t, err)
}
