package main

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/report"
)

// point is one measured bootstrap.
type point struct {
	name, label string
	speed       plan.Speed
	created     time.Time
	versions    map[string]string
	// seconds by component, and of the whole bootstrap. A component's are those of
	// the step that waits for it: on a board with several cores the API server has
	// been starting beside etcd by then.
	seconds map[string]float64
	cpu     float64
}

// readPoints reads all reports of a folder, the quickest board first.
func readPoints(folder string) ([]point, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var points []point
	for _, file := range files {
		r, err := report.ReadFile(file)
		if err != nil {
			return nil, err
		}
		p, err := pointOf(strings.TrimSuffix(filepath.Base(file), ".json"), r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		points = append(points, p)
	}
	sort.SliceStable(points, func(i, k int) bool { return slowdown(points[i]) < slowdown(points[k]) })
	return points, nil
}

func slowdown(p point) float64 {
	n, _ := p.speed.Slowdown()
	return n
}

func pointOf(name string, r report.Report) (point, error) {
	p := point{name: name, label: r.Label, created: r.Created, versions: r.Versions, seconds: map[string]float64{}}
	if r.Bench == nil || r.Outcome == nil || !r.Outcome.OK {
		return p, fmt.Errorf("no report of a bootstrap that succeeded, with its benchmark")
	}
	folder := ""
	if len(r.Bench.Folders) > 0 {
		folder = r.Bench.Folders[0].Path
	}
	p.speed = plan.SpeedOf(*r.Bench, folder)
	if p.speed.Work <= 0 {
		return p, fmt.Errorf("its benchmark did not get as far as the Go work")
	}
	for _, s := range r.Steps {
		if s.Waited != "" {
			p.seconds[s.Waited] += s.Seconds
		}
	}
	if p.seconds[plan.APIServer] == 0 {
		return p, fmt.Errorf("no step waited for the API server")
	}
	p.seconds[plan.Bootstrap], p.cpu = r.Outcome.Seconds, r.Outcome.CPU
	return p, nil
}
