package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

func named(t *testing.T, name string) board {
	t.Helper()
	for _, b := range boards() {
		if b.name == name {
			return b
		}
	}
	require.Fail(t, "no board "+name)
	return board{}
}

func TestBoardsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range boards() {
		assert.False(t, seen[b.name], b.name)
		seen[b.name] = true
	}
	slow := named(t, "cpu-025-slow-disk")
	assert.Equal(t, []string{"--cpu", "25%", "--cpus", "2", "--pace", "--disk-flush", "20ms"}, slow.up())
	assert.Equal(t, "25 % of one core, on 2, a disk that needs 20ms to write its cache", slow.label())
	counted := named(t, "counted-bananapi-d4")
	assert.Equal(t, []string{"--board", "amd64", "--speed", "bananapi/4"}, counted.up())
	assert.Equal(t, "one core with counted time, as fast as bananapi/4", counted.label())
}

func TestBoardsSideBySide(t *testing.T) {
	counted, slow := named(t, "counted-bananapi"), named(t, "cpu-010-slow-disk")
	assert.True(t, fits(nil, named(t, "cpu-200-2core")))
	assert.True(t, fits([]board{slow}, slow))
	assert.False(t, fits([]board{slow, slow}, slow))
	assert.False(t, fits([]board{slow}, named(t, "cpu-100-1core")), "a quick board is alone")
	assert.False(t, fits([]board{named(t, "cpu-100-1core")}, slow))
	assert.True(t, fits([]board{counted}, counted), "a core each")
	assert.False(t, fits([]board{counted, counted}, counted))
	assert.False(t, fits([]board{counted}, slow), "it would take the throttled board's core")
	assert.False(t, fits([]board{slow}, counted))
}

func TestMiddle(t *testing.T) {
	text := func(median, quota float64, warnings string) tried {
		got, err := tryOf([]byte(fmt.Sprintf(`{"bench":{"cores":{"quota":%g},"samples":[{"clock":"cpu","unit":"s/op","median":%g},{"clock":"wall","unit":"s/op","median":9}],"warnings":[%s]}}`, quota, median, warnings)))
		require.NoError(t, err)
		return got
	}
	late := `{"kind":"unfinished"}`
	one, two, four := text(0.1, 0.1, ""), text(0.1, 0.05, ""), text(0.1, 0.025, "")
	assert.Equal(t, string(two.text), string(middle([]tried{four, text(1, 1, late), one, two})))
	assert.Equal(t, string(two.text), string(middle([]tried{text(1, 1, late), two})))
	_, err := tryOf([]byte("{"))
	assert.Error(t, err)
}

func TestMiddleReport(t *testing.T) {
	c := calibration{reports: map[string][]boardReport{}}
	of := func(seconds float64) float64 {
		r := c.middleReport(board{name: "a"}, boardReport{Steps: []step{{Waited: "kube-apiserver", Seconds: seconds}}})
		return r.waited("kube-apiserver")
	}
	assert.Equal(t, []float64{30, 10, 20, 10, 15}, []float64{of(30), of(10), of(20), of(5), of(15)})
}

func TestStretch(t *testing.T) {
	text := []byte(`{"schema":"x","bench":{"samples":[{"clock":"cpu","unit":"s/op","median":2,"p99":3},{"clock":"wall","unit":"s/op","median":2}]}}`)
	got, err := stretch(text, 10)
	require.NoError(t, err)
	assert.JSONEq(t, `{"schema":"x","bench":{"samples":[{"clock":"cpu","unit":"s/op","median":20,"p99":30},{"clock":"wall","unit":"s/op","median":2}]}}`, string(got))
	_, err = stretch([]byte(`{}`), 10)
	assert.Error(t, err)
}

func TestWhatInitPrints(t *testing.T) {
	path, err := reportPath([]byte(`{"kind":"plan"}
{"kind":"event"}
{"kind":"result","report":"/r/1.md"}
`))
	require.NoError(t, err)
	assert.Equal(t, "/r/1.md", path)
	_, err = reportPath([]byte("{\"kind\":\"plan\"}\n"))
	assert.Error(t, err)
	on, err := staged([]byte(`{"kind":"plan","plan":{"steps":[{"kind":"runPhases"},{"kind":"stageManifests"}]}}`))
	require.NoError(t, err)
	assert.True(t, on)
	on, err = staged([]byte(`{"kind":"plan","plan":{"steps":[{"kind":"runPhases"}]}}`))
	require.NoError(t, err)
	assert.False(t, on)
}

func TestComplete(t *testing.T) {
	text := `{"schema":"kubeadm-arm.report/v1","created":"2026-01-01T00:00:00Z","bench":{"stretched":true},"steps":[{"name":"wait for kube-apiserver","start":1,"seconds":7,"waited":"kube-apiserver"}],"outcome":{"ok":true,"seconds":9}}`
	r, err := complete([]byte(text), "a board", json.RawMessage(`{"own":true,"samples":[{"values":[1,2],"median":1.5}]}`), 3)
	require.NoError(t, err)
	assert.Equal(t, 7.0, r.waited("kube-apiserver"))
	assert.JSONEq(t, `{"own":true,"samples":[{"values":[],"median":1.5}]}`, string(r.Bench))
	assert.Equal(t, 3.0, r.Outcome.CPU)
	_, err = complete([]byte(`{"outcome":{"ok":true}}`), "", nil, 0)
	assert.ErrorContains(t, err, "no step waited")
	_, err = complete([]byte(`{"outcome":{"ok":false}}`), "", nil, 0)
	assert.ErrorContains(t, err, "did not succeed")
}

// A lab that cannot be started fails every board, and each is named.
func TestEveryBoardThatFailsIsNamed(t *testing.T) {
	c := calibration{log: drive.NewLog(io.Discard), lab: drive.Lab(t.TempDir() + "/no-lab"), out: t.TempDir()}
	three := boards()[4:7]
	err := c.run(context.Background(), three)
	for _, b := range three {
		assert.ErrorContains(t, err, b.name+": ")
	}
}
