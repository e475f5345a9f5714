package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/report"
)

// reportFiles writes the board report as JSON and Markdown and returns the path
// of the Markdown. It holds no output of kubeadm, which may contain a token.
func (v invocation) reportFiles(own initFlags, b boardRun, o bootstrap.Outcome, took time.Duration, failure error) (string, error) {
	now := time.Now()
	r := report.New(now)
	if err := r.SetBoard(b.board); err != nil {
		return "", err
	}
	if b.bench.Schema != "" {
		r.Bench = &b.bench
	}
	for _, d := range b.plan.Decisions {
		r.Plan = append(r.Plan, report.Decision(d))
	}
	r.Versions = map[string]string{"kubeadm-arm": version(), "kubeadm": b.behaviour.Version.String(), "kernel": b.board.Kernel.Release}
	start := 0.0
	for _, s := range o.Steps {
		step := report.Step{Name: s.Title, Start: start, Seconds: s.Took.Seconds(), Predicted: s.Expect.Seconds()}
		if s.Component != "" {
			step.Waited = s.Component
			if n := o.Restarts[s.Component]; n > 0 {
				step.Restarts = map[string]int{s.Component: n}
			}
		}
		start += step.Seconds
		r.Steps = append(r.Steps, step)
	}
	r.Outcome = &report.Outcome{OK: failure == nil, Seconds: took.Seconds(), Text: "the control plane is up"}
	if failure != nil {
		r.Outcome.Text = firstLine(failure)
		if n := len(r.Steps); n > 0 {
			r.Steps[n-1].Error = firstLine(failure)
		}
	}
	base := filepath.Join(own.report, now.UTC().Format("20060102-150405"))
	if err := os.MkdirAll(own.report, 0o755); err != nil {
		return "", fmt.Errorf("write the board report: %w", err)
	}
	for ending, write := range map[string]func(io.Writer, report.Report) error{".json": report.JSON, ".md": report.Markdown} {
		var text bytes.Buffer
		if err := write(&text, r); err != nil {
			return "", err
		}
		if err := renameio.WriteFile(base+ending, text.Bytes(), 0o644, renameio.WithTempDir(own.report)); err != nil {
			return "", fmt.Errorf("write the board report: %w", err)
		}
	}
	return base + ".md", nil
}

func firstLine(err error) string {
	line, _, _ := bytes.Cut([]byte(err.Error()), []byte("\n"))
	return string(line)
}

func (v invocation) saveReport(own initFlags, b boardRun, o bootstrap.Outcome, took time.Duration, failure error) error {
	_, err := v.reportFiles(own, b, o, took, failure)
	return err
}

// report is `kubeadm-arm report`: show a saved report again.
func (v invocation) report(args []string) error {
	if len(args) != 2 || args[0] != "show" {
		return &problem{exitUsage, "kubeadm-arm report show FILE.json", errors.New("report: want: show FILE")}
	}
	r, err := report.ReadFile(args[1])
	if err != nil {
		return &problem{exitBadInput, "name a JSON report that kubeadm-arm wrote", err}
	}
	return report.Markdown(v.stdout, r)
}
