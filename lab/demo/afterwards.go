package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// afterwards looks at a board whose node is Ready. What goes wrong there is one
// more thing that was missed: the bootstrap itself is worth its line in the table.
func (d *demo) afterwards(t tool, r *run) {
	miss := func(err error) {
		if err != nil {
			d.log.Printf("%s: %v", t.Name, err)
			r.Missed = append(r.Missed, err.Error())
		}
	}
	var err error
	if d.detail {
		if r.Connections, err = d.connections(); err == nil {
			r.Requests, err = d.requests()
		}
		miss(err)
	}
	if d.idleFor > 0 {
		r.Idle, err = d.measureIdle(d.settle, d.idleFor)
		if miss(err); err == nil {
			d.log.Printf("%s: %.0f mCPU and %.0f MB when idle", t.Name, r.Idle.MilliCPU, r.Idle.megabytes())
		}
	}
	if r.Pods, err = d.onBoard(5*time.Minute, "kubectl", "get", "nodes,pods", "--all-namespaces"); err != nil {
		miss(fmt.Errorf("list the pods: %w: %s", err, r.Pods))
	} else {
		fmt.Fprintln(os.Stderr, r.Pods)
	}
	miss(d.inspect(r))
	miss(d.countRestarts(r))
	if isArm(t.Name) {
		miss(d.waitPhase())
		if d.kind != "" || d.reports != "" {
			miss(d.readReport(r))
		}
	}
	if t.pod {
		miss(d.ordinaryPod(r))
	}
	if d.conformance {
		miss(d.conform(r))
	}
	if d.reboot && isArm(t.Name) {
		r.Reboot, err = d.returnFromPowerCut()
		miss(err)
		if d.deb != "" && err == nil {
			miss(d.unitAfterwards(r))
		}
	}
}

// decided is what a board report says of the plan and of its steps.
type decided struct {
	Plan  []decision   `json:"plan"`
	Steps []stepReport `json:"steps"`
}

type decision struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// stepReport is a step with the seconds that it took and was expected to take, 0
// where nothing was expected.
type stepReport struct {
	Name      string  `json:"name"`
	Seconds   float64 `json:"seconds"`
	Predicted float64 `json:"predicted"`
}

// readReport brings the newest board report, and keeps it where that was asked
// for.
func (d *demo) readReport(r *run) error {
	text, err := d.onBoard(time.Minute, "sh", "-c", "cat $(ls -t /var/lib/kubeadm-arm/reports/*.json | head -n 1)")
	if err == nil {
		err = json.Unmarshal([]byte(text), &r.Decided)
	}
	if err != nil {
		return fmt.Errorf("bring the board report: %w", err)
	}
	if d.reports == "" {
		return nil
	}
	if err := os.MkdirAll(d.reports, 0o755); err != nil {
		return err
	}
	name := d.kind
	if name == "" {
		name = d.board.Name
	}
	return os.WriteFile(filepath.Join(d.reports, name+".json"), []byte(text), 0o644)
}
