package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/kubeadm-arm/kubeadm-arm/report"
)

// boardReport is the report of a run. It holds no output of kubeadm, which may contain a
// token.
func (b *boardRun) boardReport(now time.Time) (report.Report, error) {
	r := report.New(now)
	if err := r.SetBoard(b.board); err != nil {
		return r, err
	}
	if b.benchmark.Schema != "" {
		r.Bench = &b.benchmark
	}
	for _, d := range b.planned.Decisions {
		r.Plan = append(r.Plan, report.Decision{Name: d.Name, Value: d.Value, Reason: d.Reason})
	}
	r.Versions = map[string]string{
		"kubeadm-arm": version(), "kubeadm": b.behaviour.Version.String(), "kernel": b.board.Kernel.Release,
	}
	start := 0.0
	for _, s := range b.outcome.Steps {
		step := report.Step{Name: s.Step.Title(), Start: start, Seconds: s.Took.Seconds()}
		if s.Waited != "" {
			step.Waited, step.Predicted = s.Waited, s.Step.Expect().Seconds()
			if n := b.outcome.Restarts[s.Waited]; n > 0 {
				step.Restarts = map[string]int{s.Waited: n}
			}
		}
		start += step.Seconds
		r.Steps = append(r.Steps, step)
	}
	r.Outcome = &report.Outcome{
		OK: b.failure == nil, Seconds: b.took.Seconds(), CPU: b.used, Text: b.job().outcome,
	}
	if b.failure != nil {
		r.Outcome.Text, _, _ = strings.Cut(b.failure.Error(), "\n")
		if n := len(r.Steps); n > 0 {
			r.Steps[n-1].Error = r.Outcome.Text
		}
	}
	return r, nil
}

// writeBoardReport writes it as JSON and Markdown and returns the path of the Markdown.
func (b *boardRun) writeBoardReport() (string, error) {
	now := time.Now()
	r, err := b.boardReport(now)
	if err != nil {
		return "", err
	}
	dir := b.own.reportDir
	base := filepath.Join(dir, now.UTC().Format("20060102-150405"))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("write the board report: %w", err)
	}
	for ending, write := range map[string]reportWriter{".json": report.JSON, ".md": report.Markdown} {
		var text bytes.Buffer
		if err := write(&text, r); err != nil {
			return "", err
		}
		if err := renameio.WriteFile(base+ending, text.Bytes(), 0o644, renameio.WithTempDir(dir)); err != nil {
			return "", fmt.Errorf("write the board report: %w", err)
		}
	}
	return base + ".md", nil
}

// runReport is `kubeadm-arm report`: show a saved report again, or set several
// side by side.
func (v invocation) runReport(o options) error {
	output := o.text("output")
	switch words := o.all.Words; {
	case len(words) == 2 && words[0] == "show":
		if output == "" {
			output = "markdown"
		}
		write, ok := reportWriters()[output]
		if !ok {
			return o.bad("output", notAmong(output, []string{"markdown", "html", "json", "yaml"}))
		}
		r, err := readReport(words[1])
		if err != nil {
			return err
		}
		return write(v.stdout, r)
	case len(words) >= 3 && words[0] == "compare":
		if forms := []string{"text", "markdown", "html", "json"}; output != "" && !slices.Contains(forms, output) {
			return o.bad("output", notAmong(output, forms))
		}
		return v.compare(words[1:], output)
	}
	return o.usage(errors.New("report: want show with one file, or compare with two and more"))
}

func readReport(path string) (report.Report, error) {
	r, err := report.ReadFile(path)
	if err != nil {
		return r, unreadable(err, "name a JSON report that kubeadm-arm wrote")
	}
	return r, nil
}

// reportWriters are the forms of a report that was saved or just made.
func reportWriters() map[string]reportWriter {
	asYAML := func(w io.Writer, r report.Report) error { return encodeYAML(w, r) }
	return map[string]reportWriter{"json": report.JSON, "yaml": asYAML, "markdown": report.Markdown, "html": report.HTML}
}

type reportWriter func(io.Writer, report.Report) error

// compare sets reports side by side. Files are separate groups; several runs of
// one board are joined by commas: compare sd1.json,sd2.json raid1.json,raid2.json.
func (v invocation) compare(words []string, output string) error {
	var groups []report.Group
	for _, word := range words {
		g := report.Group{Name: filepath.Base(word)}
		for _, path := range strings.Split(word, ",") {
			r, err := readReport(path)
			if err != nil {
				return err
			}
			g.Reports = append(g.Reports, r)
		}
		groups = append(groups, g)
	}
	for _, g := range groups {
		if !slices.ContainsFunc(g.Reports, func(r report.Report) bool { return r.Bench != nil || len(r.Steps) > 0 }) {
			return &problem{exitBadInput, "compare reports that hold a benchmark or a bootstrap",
				fmt.Errorf("%s: nothing to compare in it", g.Name)}
		}
	}
	c, err := report.Compare(groups...)
	if err != nil {
		return &problem{exitBadInput, "compare reports that hold a benchmark", err}
	}
	switch output {
	case "json":
		return writeJSON(v.stdout, c)
	case "markdown":
		return c.Markdown(v.stdout)
	case "html":
		return c.HTML(v.stdout)
	}
	return c.Text(v.stdout)
}
