package screen

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got, "go test ./cmd/kubeadm-arm/screen -update writes %s", path)
	for _, line := range strings.Split(got, "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
	}
}

// run is an init with one of the plans that package plan makes for its boards.
func run(t *testing.T, name string) Run {
	t.Helper()
	text, err := os.ReadFile("../../../testdata/plans/" + name + ".json")
	require.NoError(t, err)
	r := Run{Kubeadm: kubeadm.Version{Major: 1, Minor: 37, Patch: 2}, Path: "/usr/bin/kubeadm", Model: "LeMaker Banana Pi"}
	require.NoError(t, json.Unmarshal(text, &r.Plan))
	return r
}

// TestPlan: a dry run fits 80 columns, on slow boards and fast ones, and --verbose shows
// every decision that was made.
func TestPlan(t *testing.T) {
	for _, name := range []string{"slow-v1.37", "fast-v1.37", "responsive-v1.37", "slow-v1.13"} {
		r := run(t, name)
		var short, verbose bytes.Buffer
		require.NoError(t, WritePlan(&short, r, false))
		golden(t, name+".txt", short.String())
		require.NoError(t, WritePlan(&verbose, r, true))
		for _, d := range r.Plan.Decisions {
			assert.Contains(t, plan.Groups(), d.Group, d.Name)
			assert.Contains(t, verbose.String(), "    "+d.Name+": ")
		}
	}
	r := run(t, "fast-v1.37")
	r.Cached = "measured earlier: benchmark of 2026-11-23 14:17:03 UTC (/run/kubeadm-arm/bench.json), no reboot since"
	r.Plan.Warnings = []string{"kubeadm v1.44.0 is newer than this program knows; it is treated as v1.37\x1b[31m"}
	var b bytes.Buffer
	require.NoError(t, WritePlan(&b, r, true))
	golden(t, "verbose.txt", b.String())
}

// events are those of a short run: a step that is done, one that waits, one with a note,
// one that fails.
func events() []bootstrap.Event {
	start := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	head := bootstrap.Event{Number: 1, Total: 3, Step: "run kubeadm's phases up to the manifests"}
	wait := bootstrap.Event{Number: 2, Total: 3, Step: "wait for kube-controller-manager", Expect: 280 * time.Second}
	tail := bootstrap.Event{Number: 3, Total: 3, Step: "run kubeadm's remaining phases"}
	event := func(e bootstrap.Event, kind bootstrap.EventKind, seconds, elapsed float64, detail string) bootstrap.Event {
		e.Time, e.Kind, e.Elapsed, e.Detail = at(seconds), kind, time.Duration(elapsed*float64(time.Second)), detail
		return e
	}
	return []bootstrap.Event{
		event(head, bootstrap.StepBegun, 0, 0, ""),
		event(head, bootstrap.StepWaiting, 1, 1, "[certs] Generating \"apiserver-kubelet-client\" certificate and key"),
		event(head, bootstrap.StepDone, 9.14, 9.14, ""),
		event(wait, bootstrap.StepBegun, 10, 0, ""),
		event(wait, bootstrap.StepWaiting, 20, 10, "pid 1234, 12.3 s of CPU, readyz: 41 of 44 checks"),
		event(wait, bootstrap.StepWaiting, 40, 30, "pid 1234, 30.3 s of CPU, readyz: 43 of 44 checks"),
		event(wait, bootstrap.StepDone, 148, 138, ""),
		event(tail, bootstrap.StepBegun, 149, 0, ""),
		event(tail, bootstrap.Note, 150, 1, "attempt 1 of 5 failed: the server was unable to return a response in the time allotted, but may still be processing it"),
		event(tail, bootstrap.StepFailed, 160, 11, ""),
	}
}

// TestTerminal: no line that is written over is wider than the terminal.
func TestTerminal(t *testing.T) {
	for _, width := range []int{80, 40} {
		var b bytes.Buffer
		d := newTerminal(&b, width)
		d.Begin(run(t, "slow-v1.37"))
		for _, e := range events() {
			d.now = func() time.Time { return e.Time }
			d.Event(e)
			d.redraw()
		}
		d.Stop()
		WriteEnd(&b, End{Done: "control plane up", Took: 280 * time.Second, Restarts: 1,
			CPU: 380 * time.Millisecond, Peak: 25e6,
			Report: "/var/lib/kubeadm-arm/reports/20261130-120000.md"})
		if width == 80 {
			// Each version of a line that is written over is a line here.
			golden(t, "terminal.txt", strings.ReplaceAll(b.String(), "\r\x1b[K", "\n<"))
		}
		for _, line := range strings.Split(b.String(), "\r\x1b[K")[1:] {
			line, _, _ = strings.Cut(line, "\n")
			if !strings.HasPrefix(line, "note: ") { // which stays
				assert.Less(t, utf8.RuneCountInString(line), width, line)
			}
		}
	}
}

// TestLog: without a terminal each line is a whole message.
func TestLog(t *testing.T) {
	var b bytes.Buffer
	d := New(&b, "xterm")
	r := run(t, "fast-v1.37")
	r.Resumed, r.Done = true, 4
	d.Begin(r)
	for _, e := range events() {
		d.Event(e)
	}
	d.Stop()
	want := []string{
		"kubeadm v1.37.2 at /usr/bin/kubeadm on LeMaker Banana Pi",
		"resuming the run that was interrupted after step 4 of ",
		"[1/3] run kubeadm's phases up to the manifests",
		"[1/3] run kubeadm's phases up to the manifests: done in 9.1s",
		"[2/3] wait for kube-controller-manager, expected 4m40s",
		"[2/3] wait for kube-controller-manager: 30s, pid 1234, 30.3 s of CPU, readyz: 43 of 44 checks",
		"[2/3] wait for kube-controller-manager: done in 2m18s",
		"[3/3] run kubeadm's remaining phases",
		"note: run kubeadm's remaining phases: attempt 1 of 5 failed: the server was unable to return a response in the time allotted, but may still be processing it",
		"[3/3] run kubeadm's remaining phases: failed after 11s",
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	require.Len(t, lines, len(want), b.String())
	for i, line := range lines {
		assert.True(t, strings.HasPrefix(line, want[i]), line)
	}
}
