package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// boardReport is a report as kubeadm-arm writes it, of which only the part that
// matters here is looked into (report/schema.md).
type boardReport struct {
	Schema   string            `json:"schema"`
	Created  string            `json:"created"`
	Label    string            `json:"label,omitempty"`
	Board    json.RawMessage   `json:"board,omitempty"`
	Bench    json.RawMessage   `json:"bench,omitempty"`
	Plan     json.RawMessage   `json:"plan,omitempty"`
	Steps    []step            `json:"steps,omitempty"`
	Versions map[string]string `json:"versions,omitempty"`
	Outcome  *outcome          `json:"outcome,omitempty"`
}

type step struct {
	Name      string         `json:"name"`
	Start     float64        `json:"start"`
	Seconds   float64        `json:"seconds"`
	Predicted float64        `json:"predicted,omitempty"`
	Waited    string         `json:"waited,omitempty"`
	Restarts  map[string]int `json:"restarts,omitempty"`
	Error     string         `json:"error,omitempty"`
}

type outcome struct {
	OK      bool    `json:"ok"`
	Text    string  `json:"text,omitempty"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu,omitempty"`
}

// complete puts the board's own benchmark in the place of the one that init was
// given, and adds what only lab knows: a label and the CPU seconds of the board.
func complete(text []byte, label string, bench json.RawMessage, cpu float64) (boardReport, error) {
	var r boardReport
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read the board report: %w", err)
	}
	if r.Outcome == nil || !r.Outcome.OK {
		return r, errors.New("read the board report: the bootstrap did not succeed")
	}
	if r.waited("kube-apiserver") == 0 {
		return r, errors.New("read the board report: no step waited for the API server")
	}
	bench, err := withoutValues(bench)
	r.Label, r.Bench, r.Outcome.CPU = label, bench, cpu
	return r, err
}

// withoutValues leaves a benchmark's single observations out: they are most of
// the file, and the medians are what a fit needs.
func withoutValues(bench json.RawMessage) (json.RawMessage, error) {
	var b map[string]any
	if err := json.Unmarshal(bench, &b); err != nil {
		return nil, fmt.Errorf("read the benchmark: %w", err)
	}
	samples, _ := b["samples"].([]any)
	for _, s := range samples {
		if sample, ok := s.(map[string]any); ok {
			sample["values"] = []float64{}
		}
	}
	return json.Marshal(b)
}

// waited is how long the bootstrap waited for a component, in seconds.
func (r boardReport) waited(component string) float64 {
	for _, s := range r.Steps {
		if s.Waited == component {
			return s.Seconds
		}
	}
	return 0
}

func (r boardReport) write(path string) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		return err
	}
	return os.WriteFile(path, text.Bytes(), 0o644)
}

// result is a line that kubeadm-arm init --output json prints.
type result struct {
	Kind   string `json:"kind"`
	Report string `json:"report"`
	Plan   struct {
		Steps []struct {
			Kind string `json:"kind"`
		} `json:"steps"`
	} `json:"plan"`
}

// reportPath finds the report's path in what init printed.
func reportPath(lines []byte) (string, error) {
	for line := range bytes.Lines(lines) {
		var r result
		if err := json.Unmarshal(line, &r); err == nil && r.Kind == "result" && r.Report != "" {
			return r.Report, nil
		}
	}
	return "", fmt.Errorf("find the board report's path in: %s", lines)
}

// staged reports whether a dry run's plan stages the control plane.
func staged(dryRun []byte) (bool, error) {
	var r result
	if err := json.Unmarshal(dryRun, &r); err != nil {
		return false, fmt.Errorf("read the plan: %w", err)
	}
	for _, s := range r.Plan.Steps {
		if s.Kind == "stageManifests" {
			return true, nil
		}
	}
	return false, nil
}

// stretch makes the board of a report slower: all its CPU times are multiplied.
func stretch(text []byte, factor float64) ([]byte, error) {
	var r map[string]any
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read the benchmark: %w", err)
	}
	bench, _ := r["bench"].(map[string]any)
	samples, _ := bench["samples"].([]any)
	if len(samples) == 0 {
		return nil, errors.New("read the benchmark: it has no samples")
	}
	for _, s := range samples {
		sample, _ := s.(map[string]any)
		if sample["clock"] != "cpu" || sample["unit"] != "s/op" {
			continue
		}
		for _, field := range []string{"median", "p10", "p90", "p99", "max"} {
			if v, ok := sample[field].(float64); ok {
				sample[field] = v * factor
			}
		}
	}
	return json.Marshal(r)
}
