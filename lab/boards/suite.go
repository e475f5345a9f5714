package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// suite boots boards and counts what holds there.
type suite struct {
	lab           drive.Lab
	dist, version string
	quick         bool

	passed, failed int
	rows           []row
	// refusal is what kubeadm-arm says on a kubeadm that would die.
	refusal string
}

// row is a board in the table.
type row struct {
	expectation
	found   detected
	seconds float64
	// cpu is of detect, in seconds of the emulated board, again that of its
	// second call in the same boot, and doctor that of doctor; counted by
	// instructions.
	cpu, again, doctor, counted float64
	// fails and warnings are what doctor found.
	fails, warnings []string
}

// exitIllegal is kubeadm-arm's exit code for a program that this CPU cannot run.
const exitIllegal = 17

func (s *suite) run(ctx context.Context) error {
	all := expectations()
	if s.quick {
		all = all[:quickBoards]
	}
	for _, e := range all {
		if err := s.board(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.board, err)
		}
	}
	return nil
}

// check counts one assertion and says it.
func (s *suite) check(holds bool, format string, args ...any) {
	word := "ok  "
	if holds {
		s.passed++
	} else {
		s.failed++
		word = "FAIL"
	}
	fmt.Fprintf(os.Stderr, "  %s %s\n", word, fmt.Sprintf(format, args...))
}

// board boots one board and checks what kubeadm-arm says there.
func (s *suite) board(ctx context.Context, e expectation) error {
	fmt.Fprintf(os.Stderr, "%s\n", e.board)
	programs := []string{"kubeadm-arm=" + filepath.Join(s.dist, "kubeadm-arm-linux-"+e.program)}
	commands := [][]string{{"kubeadm-arm", "detect"}, {"kubeadm-arm", "detect", "-o", "json"},
		{"kubeadm-arm", "doctor", "-o", "json"}}
	var kubeadms []string
	switch {
	case e.arch == "ARMv6":
		kubeadms = []string{"6", "7"}
	case e.board == "bananapi" && !s.quick:
		kubeadms = []string{"7"}
	}
	for _, goarm := range kubeadms {
		path, err := s.lab.BuildProgram(ctx, s.version, goarm, "kubeadm")
		if err != nil {
			return err
		}
		name := "kubeadm-v" + goarm
		programs = append(programs, name+"="+path)
		commands = append(commands,
			[]string{name, "version", "-o", "short"},
			[]string{"kubeadm-arm", "--arm-kubeadm", "/usr/local/bin/" + name, "version", "-o", "short"})
	}
	if slices.Contains(kubeadms, "7") && e.arch == "ARMv6" {
		for _, verb := range []string{"init", "join"} {
			commands = append(commands, []string{"kubeadm-arm", "--arm-kubeadm", "/usr/local/bin/kubeadm-v7", verb})
		}
	}
	began := time.Now()
	results, err := s.lab.Boot(ctx, e.board, programs, commands)
	if err != nil {
		return err
	}
	r := row{expectation: e, seconds: time.Since(began).Seconds(), cpu: results[0].CPUSeconds,
		again: results[1].CPUSeconds, doctor: results[2].CPUSeconds}
	s.checkDetect(e, results[0], results[1], &r)
	s.checkDoctor(e, results[2], &r)
	rest := results[3:]
	for _, goarm := range kubeadms {
		s.checkKubeadm(e, goarm, rest[0], rest[1])
		rest = rest[2:]
	}
	for _, refused := range rest {
		s.check(s.refused(refused), "kubeadm-arm init and join refuse it too: exit code %d", refused.ExitCode)
	}
	if e.board == "bananapi" {
		counted, err := s.lab.Boot(ctx, e.board, programs[:1], commands[:1], "--count")
		if err != nil {
			return err
		}
		r.counted = counted[0].CPUSeconds
		s.check(r.counted > 0 && r.counted < 0.1, "detect takes %.0f ms of CPU at 2 ns an instruction, want under 100",
			r.counted*1e3)
	}
	s.rows = append(s.rows, r)
	return nil
}

func (s *suite) checkDetect(e expectation, text, asJSON drive.Booted, r *row) {
	s.check(text.ExitCode == 0, "detect ends with exit code %d", text.ExitCode)
	for _, word := range []string{e.model, e.core, e.arch} {
		s.check(strings.Contains(text.Stdout, word), "detect says %q", word)
	}
	err := json.Unmarshal([]byte(asJSON.Stdout), &r.found)
	s.check(err == nil && asJSON.ExitCode == 0, "detect -o json writes JSON")
	d := r.found
	s.check(d.Model == e.model, "model %q", d.Model)
	s.check(d.CPU.Arch == e.arch, "architecture %q", d.CPU.Arch)
	s.check(len(d.CPU.Cores) == 1 && d.CPU.Cores[0].Name == e.core, "cores %v", d.CPU.Cores)
	s.check(d.CPU.Count == e.count, "%d cores", d.CPU.Count)
	if s.failed > 0 {
		fmt.Fprintf(os.Stderr, "%s%s%s%s", text.Stdout, text.Stderr, asJSON.Stdout, asJSON.Stderr)
	}
}

// examined is the part of kubeadm-arm doctor -o json that is checked.
type examined struct {
	Schema   string `json:"schema"`
	Verdict  string `json:"verdict"`
	Findings []struct {
		ID       string   `json:"id"`
		Severity string   `json:"severity"`
		Means    string   `json:"means"`
		Fix      []string `json:"fix"`
	} `json:"findings"`
}

// checkDoctor checks what doctor finds on a board.
func (s *suite) checkDoctor(e expectation, asJSON drive.Booted, r *row) {
	var d examined
	err := json.Unmarshal([]byte(asJSON.Stdout), &d)
	s.check(err == nil && d.Schema == "kubeadm-arm.doctor/v1" && d.Verdict == "fail" && asJSON.ExitCode == 2,
		"doctor ends with exit code %d, verdict %q", asJSON.ExitCode, d.Verdict)
	seen := map[string]string{}
	helpful := true
	for _, f := range d.Findings {
		seen[f.ID] = f.Severity
		switch f.Severity {
		case "fail":
			r.fails = append(r.fails, f.ID)
			helpful = helpful && f.Means != "" && len(f.Fix) > 0
		case "warning":
			r.warnings = append(r.warnings, f.ID)
		}
	}
	s.check(helpful, "every failure says what it means and what fixes it")
	for id, want := range e.findings {
		s.check(seen[id] == want, "doctor: %s is %q, want %q", id, seen[id], want)
	}
	for _, id := range e.absent {
		s.check(seen[id] == "" || seen[id] == "ok", "doctor: %s is %q, want nothing against it", id, seen[id])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s%s", asJSON.Stdout, asJSON.Stderr)
	}
}

// checkKubeadm checks a real kubeadm, started directly and by kubeadm-arm.
func (s *suite) checkKubeadm(e expectation, goarm string, direct, wrapped drive.Booted) {
	if goarm == "7" && e.arch == "ARMv6" {
		s.check(direct.Signal == "illegal instruction" && direct.ExitCode == 128+4,
			"the kubeadm for ARMv7 dies when started directly: %q, exit code %d", direct.Signal, direct.ExitCode)
		s.check(s.refused(wrapped), "kubeadm-arm refuses it: exit code %d: %s", wrapped.ExitCode,
			strings.TrimSpace(wrapped.Stderr))
		s.refusal = strings.TrimSpace(wrapped.Stderr)
		return
	}
	for _, r := range []drive.Booted{direct, wrapped} {
		s.check(r.ExitCode == 0 && strings.TrimSpace(r.Stdout) == s.version,
			"the kubeadm for ARMv%s runs: %q, exit code %d%s", goarm, strings.TrimSpace(r.Stdout), r.ExitCode, r.Stderr)
	}
}

// refused reports whether kubeadm-arm did not start a kubeadm, and said why.
func (s *suite) refused(r drive.Booted) bool {
	for _, word := range []string{"kubeadm-v7", "built for ARMv7", "ARMv6", "ARM1176", "Raspberry Pi Model B",
		"Illegal instruction", "hint: "} {
		if !strings.Contains(r.Stderr, word) {
			return false
		}
	}
	return r.ExitCode == exitIllegal && r.Signal == ""
}
