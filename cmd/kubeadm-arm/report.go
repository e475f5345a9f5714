package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
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
	r.Outcome = &report.Outcome{OK: failure == nil, Seconds: took.Seconds(), CPU: b.used, Text: "the control plane is up"}
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

// report is `kubeadm-arm report`: show a saved report again, or set several
// side by side.
func (v invocation) report(o options) error {
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
func reportWriters() map[string]func(io.Writer, report.Report) error {
	return map[string]func(io.Writer, report.Report) error{"json": report.JSON, "yaml": writeYAML, "markdown": report.Markdown, "html": report.HTML}
}

// writeYAML writes the same fields as JSON does.
func writeYAML(w io.Writer, r report.Report) error { return encodeYAML(w, r) }

// encodeYAML writes a value by way of JSON, where every character can be escaped: YAML
// refuses a text with control characters.
func encodeYAML(w io.Writer, x any) error {
	text, err := json.Marshal(x)
	if err == nil {
		text, err = yaml.JSONToYAML([]byte(printable.Text(string(text))))
	}
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = w.Write(text)
	return err
}

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
			return &problem{exitBadInput, "compare reports that hold a benchmark or a bootstrap", fmt.Errorf("%s: nothing to compare in it", g.Name)}
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
