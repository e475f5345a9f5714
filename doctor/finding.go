package doctor

import (
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// Severity is how bad a finding is.
type Severity string

// The severities, from the least on. Fail is kept for what certainly stops init
// or the cluster that it makes.
const (
	OK      Severity = "ok"
	Info    Severity = "info"
	Warning Severity = "warning"
	Fail    Severity = "fail"
)

// A Finding is one thing that was looked at.
type Finding struct {
	// ID names it for good, such as "swap".
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	// Seen is what was seen, in one line.
	Seen string `json:"seen"`
	// Means is what follows from it on such a board; empty when all is well.
	Means string `json:"means,omitempty"`
	// Fix are shell lines to copy, or lines of a file after a comment that names
	// the file.
	Fix []string `json:"fix,omitempty"`
	// Edits are the changes of files that `doctor --fix` makes; the line that
	// calls it is the first of Fix then.
	Edits []Edit `json:"edits,omitempty"`
	// Rule says whose rule it is: kubeadm's preflight of this version, the
	// kubelet, another program, or this one.
	Rule Rule `json:"rule,omitempty"`
	// Checks are the names of kubeadm's preflight checks that find the same; with
	// the finding's own ID among them when ignoring those is not enough, because
	// it is the kubelet that stops.
	Checks []string `json:"checks,omitempty"`
	// Brief says that it is an information which is nearly always there: people see
	// it in one line.
	Brief bool `json:"brief,omitempty"`
	// Ignored is set when the owner asked to ignore it: a fail that became a
	// warning.
	Ignored bool `json:"ignored,omitempty"`
}

// Rule is whose rule a finding is about.
type Rule string

// Whose rules there are. What breaks KubeadmRule or KubeletRule cannot be
// ignored: kubeadm stops before its preflight, or the kubelet does not start.
const (
	PreflightRule  Rule = "kubeadm's preflight"
	KubeadmRule    Rule = "kubeadm"
	KubeletRule    Rule = "the kubelet"
	ContainerdRule Rule = "containerd"
	OwnRule        Rule = "kubeadm-arm"
)

// Schema is the version of a report's JSON and YAML form. Fields may be added to
// it; a field that goes or changes its meaning makes a new version.
const Schema = "kubeadm-arm.doctor/v1"

// A Report is all findings about a board, the worst first.
type Report struct {
	Schema string `json:"schema"`
	// Verdict is the worst severity.
	Verdict Severity `json:"verdict"`
	// Command is the one that would fail, empty for init.
	Command kubeadm.Verb `json:"command,omitempty"`
	// Board, Kubeadm, Kubelet and Runtime are what was looked at; empty when
	// not known.
	Board   string `json:"board,omitempty"`
	Kubeadm string `json:"kubeadm,omitempty"`
	Kubelet string `json:"kubelet,omitempty"`
	Runtime string `json:"runtime,omitempty"`
	// Stopped is set for a system that does not run: then findings are about its
	// next start.
	Stopped  bool      `json:"stopped,omitempty"`
	Findings []Finding `json:"findings"`
	// Unknown lists what could not be found out.
	Unknown []string `json:"unknown,omitempty"`
}

// ExitCode is doctor's: 0, 1 with warnings, 2 when init would fail.
func (r Report) ExitCode() int {
	switch r.Verdict {
	case Fail:
		return 2
	case Warning:
		return 1
	}
	return 0
}

// Of returns the findings of a severity.
func (r Report) Of(s Severity) []Finding {
	var all []Finding
	for _, f := range r.Findings {
		if f.Severity == s {
			all = append(all, f)
		}
	}
	return all
}

// Worse reports whether s is worse than t.
func (s Severity) Worse(t Severity) bool { return s.rank() > t.rank() }

func (s Severity) rank() int { return slices.Index([]Severity{OK, Info, Warning, Fail}, s) }

// ignoredBy reports whether --ignore-preflight-errors names a finding: by its own
// ID, by all of kubeadm's checks for the same, or by "all". Names know no case,
// as in kubeadm.
func (f Finding) ignoredBy(list []string) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
	}
	if has("all") || has(f.ID) {
		return true
	}
	if len(f.Checks) == 0 {
		return false
	}
	for _, c := range f.Checks {
		if !has(c) {
			return false
		}
	}
	return true
}

// IgnoreNames is what to give to --ignore-preflight-errors to go on in spite of
// a finding.
func (f Finding) IgnoreNames() []string {
	if len(f.Checks) > 0 {
		return f.Checks
	}
	return []string{f.ID}
}
