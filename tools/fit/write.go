package main

import (
	"bytes"
	"fmt"
	"go/format"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// names of the components in package plan.
func names() map[string]string {
	return map[string]string{plan.Etcd: "Etcd", plan.APIServer: "APIServer",
		plan.ControllerManager: "ControllerManager", plan.Scheduler: "Scheduler", plan.Bootstrap: "Bootstrap"}
}

// coefficients is the Go file.
func coefficients(m plan.Model, data string, points []point) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `package plan

// Calibrated is the model with the coefficients that were fitted to the
// %d bootstraps in %s (kubeadm %s).
// Written by go run ./tools/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: %v,
		Parallel: %v,
		Starts: map[string]Start{
`, len(points), data, all(points, func(p point) string { return p.versions["kubeadm"] }), m.Handshakes, m.Parallel)
	for _, what := range whats() {
		s := m.Starts[what]
		fmt.Fprintf(&b, "%s: {Fixed: %v, Seconds: %v, Power: %v, Writes: %v},\n", names()[what], s.Fixed, s.Seconds,
			s.Power, s.Writes)
	}
	fmt.Fprint(&b, "},\n}\n}\n")
	return format.Source(b.Bytes())
}

// all lists the different values, sorted.
func all(points []point, of func(point) string) string {
	seen := map[string]bool{}
	for _, p := range points {
		seen[of(p)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), ", ")
}

// good is the factor within which a prediction is called good.
const good = 1.5

// table is the document.
func table(m plan.Model, points []point, models []plan.Model) []byte {
	var b bytes.Buffer
	newest := time.Time{}
	for _, p := range points {
		if p.created.After(newest) {
			newest = p.created
		}
	}
	fmt.Fprintf(&b, "# Predicted and measured starts\n\n%s. Kubernetes %s, kernel %s. Command: `make calibrate`, and "+
		"for this table alone `go run ./tools/fit`.\n\n",
		newest.Format("2006-01-02"), all(points, func(p point) string { return p.versions["kubeadm"] }), all(points,
			func(p point) string { return p.versions["kernel"] }))
	fmt.Fprint(&b, `Each line is a board on which the short benchmark ran and then a whole `+"`kubeadm-arm "+
		"init`"+`; the reports are in testdata/calibration. Throttled
boards with less than a core are paced (`+"`lab up --pace`"+`), and of seven short benchmarks on each the middle one counts: a virtual machine's core is half as slow again for
a moment, or twice, whenever its host serves others. Boards with a tenth of a core and less
were bootstrapped three times, and the middle one counts. The
prediction is that of a model that was fitted to all the *other* boards: it has not seen the board that it is asked about. Times
are seconds; the API server's counts from the release of its manifest (on a board with several cores, where it starts beside etcd: from when etcd is healthy) to its first good answer on /readyz.

`)
	for _, what := range []string{plan.APIServer, plan.Bootstrap} {
		n, of := within(good, what, points, models)
		title := "The API server's start"
		if what == plan.Bootstrap {
			title = "The whole bootstrap"
		}
		fmt.Fprintf(&b, "## %s\n\n%d of %d within a factor of %g.\n\n", title, n, of, good)
		fmt.Fprint(&b, "| board | slowdown | cores | fsync, ms | measured | predicted | factor "+
			"|\n|---|---|---|---|---|---|---|\n")
		for i, p := range points {
			t := p.seconds[what]
			if t <= 0 {
				continue
			}
			f, mark := models[i].Predict(what, p.speed)/t, ""
			if f > good || f < 1/good {
				mark = " (too far)"
			}
			fmt.Fprintf(&b, "| %s | %.1f | %.3g | %.2f | %.1f | %.1f | %.2f%s |\n", p.label, slowdown(p), p.speed.Cores,
				1000*p.speed.Fsync, t, f*t, f, mark)
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintf(&b, "## The model fitted to all\n\nSlowdown of the mix = (%.2f × that of the Go work + %.2f × that "+
		"of handshakes with RSA keys) × (%.2f + %.2f / cores);\n"+
		"seconds = f + a × slowdown^b + c × fsync.\n\n| what | f, s | a, s | b | c, writes "+
		"|\n|---|---|---|---|---|\n", 1-m.Handshakes, m.Handshakes, 1-m.Parallel, m.Parallel)
	for _, what := range whats() {
		s := m.Starts[what]
		fmt.Fprintf(&b, "| %s | %g | %g | %g | %g |\n", what, s.Fixed, s.Seconds, s.Power, s.Writes)
	}
	return b.Bytes()
}
