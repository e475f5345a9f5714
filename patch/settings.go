package patch

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Settings say what a component's manifest should reach. The zero value asks
// for nothing.
type Settings struct {
	// Startup bounds the time until a starting container is killed. A manifest
	// without a startup probe (kubeadm before v1.19) gets that time as the
	// liveness probe's initialDelaySeconds instead.
	Startup   *Probe `json:"startup,omitempty"`
	Liveness  *Probe `json:"liveness,omitempty"`
	Readiness *Probe `json:"readiness,omitempty"`
	// NoStartupProbe says that the kubelet takes no notice of startup probes
	// (before v1.18), so that one in the manifest does not count.
	NoStartupProbe bool   `json:"noStartupProbe,omitempty"`
	Flags          []Flag `json:"flags,omitempty"`
	Env            []Env  `json:"env,omitempty"`
}

// Probe holds what a probe should reach at least. Delay, period and timeout are
// never lowered. With a FailureThreshold, what a component is given in all,
// periodSeconds times failureThreshold, is the longer of this one's and the
// manifest's: where the period grows, the threshold may shrink. A zero field is
// left alone. The durations are whole seconds (k8s.io/api/core/v1, Probe).
type Probe struct {
	InitialDelay     int `json:"initialDelaySeconds,omitempty"`
	Period           int `json:"periodSeconds,omitempty"`
	Timeout          int `json:"timeoutSeconds,omitempty"`
	FailureThreshold int `json:"failureThreshold,omitempty"`
	// Reason is for every field that has none of its own in Reasons, whose
	// keys are field names such as "periodSeconds".
	Reason  string            `json:"reason"`
	Reasons map[string]string `json:"reasons,omitempty"`
	// UserSet names the fields that the owner has set; they stay, and are
	// listed as kept.
	UserSet []string `json:"userSet,omitempty"`
}

// Policy says how a flag's value is treated when the manifest has one.
type Policy string

// The policies.
const (
	// AtLeast raises a duration or a number, and never lowers it.
	AtLeast Policy = "at least"
	// Set replaces the value.
	Set Policy = "set"
	// IfAbsent leaves any value alone.
	IfAbsent Policy = "if absent"
	// IfPresent raises a duration or a number that is there, and adds nothing.
	IfPresent Policy = "if present"
)

// Flag is one --name=value of the component's command.
type Flag struct {
	// Name is without dashes.
	Name   string `json:"name"`
	Value  string `json:"value"`
	Policy Policy `json:"policy"`
	// UserSet says that the owner set this flag in kubeadm's config; then it
	// stays, and the change is listed as kept.
	UserSet bool   `json:"userSet,omitempty"`
	Reason  string `json:"reason"`
}

// Env is an environment variable, set unless the manifest has it.
type Env struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// A Change is one difference between the manifest that came in and the one
// that went out.
type Change struct {
	Target Target `json:"path"`
	// Old is empty when the field was not there.
	Old    string `json:"old"`
	New    string `json:"new"`
	Reason string `json:"reason"`
	// Kept says that nothing was changed, because the owner's value wins. New
	// is then the same as Old, and the reason names what it would have been.
	Kept bool `json:"kept,omitempty"`
}

// The names of a probe's fields, in alphabetical order, as kubeadm writes them.
const (
	failureThreshold = "failureThreshold"
	initialDelay     = "initialDelaySeconds"
	period           = "periodSeconds"
	timeout          = "timeoutSeconds"
)

// fallback is what the API server's and the kubelet's defaulting makes of a
// field that is 0 or not there (k8s.io/kubernetes/pkg/apis/core/v1/defaults.go).
func fallback(field string) int {
	switch field {
	case failureThreshold:
		return 3
	case period:
		return 10
	case timeout:
		return 1
	}
	return 0
}

// field is one number that a probe should reach.
type field struct {
	name    string
	want    int
	reason  string
	userSet bool
	// exact is for a number that may be lowered, too.
	exact bool
}

// total brings period and threshold to the longer one of two totals: that of the
// manifest, whose numbers are given, and this one's. What the owner has set stays,
// and the other number makes up for it.
func (p Probe) total(havePeriod, haveThreshold int) Probe {
	if p.FailureThreshold == 0 {
		return p // without one it says nothing about the total
	}
	if p.Period == 0 {
		p.Period = havePeriod
	}
	own, wish := int64(havePeriod)*int64(haveThreshold), int64(p.Period)*int64(p.FailureThreshold)
	all := max(own, wish)
	p.Period = max(p.Period, havePeriod)
	switch setPeriod, setThreshold := slices.Contains(p.UserSet, period), slices.Contains(p.UserSet,
		failureThreshold); {
	case setPeriod && setThreshold:
		return p // both are listed as kept
	case setPeriod:
		p.FailureThreshold = upTo(all, havePeriod)
	case setThreshold:
		p.Period = min(p.Period, max(havePeriod, upTo(all, haveThreshold)))
		p.FailureThreshold = haveThreshold
	default:
		p.FailureThreshold = upTo(all, p.Period)
	}
	if own > wish && p.Reason != "" {
		p.Reason = fmt.Sprintf("%s in all, as the manifest had it; it would have been: %s",
			time.Duration(own)*time.Second, p.Reason)
	}
	return p
}

// upTo divides, rounding up, within what a probe's number can be.
func upTo(all int64, by int) int {
	return int(min((all+int64(by)-1)/int64(by), math.MaxInt32))
}

func (p Probe) fields() []field {
	all := []field{
		{name: failureThreshold, want: p.FailureThreshold, exact: true},
		{name: initialDelay, want: p.InitialDelay},
		{name: period, want: p.Period},
		{name: timeout, want: p.Timeout},
	}
	for i, f := range all {
		all[i].reason = p.Reason
		if r, ok := p.Reasons[f.name]; ok {
			all[i].reason = r
		}
		all[i].userSet = slices.Contains(p.UserSet, f.name)
	}
	return all
}

// check refuses numbers that no kubelet would take.
func (s Settings) check() error {
	for _, p := range []*Probe{s.Startup, s.Liveness, s.Readiness} {
		if p == nil {
			continue
		}
		for _, f := range p.fields() {
			if f.want < 0 || f.want > math.MaxInt32 {
				return fmt.Errorf("patch manifest: settings: %s of %d is out of range", f.name, f.want)
			}
		}
	}
	seen := map[string]bool{}
	for _, f := range s.Flags {
		if f.Name == "" || seen[f.Name] || f.Policy != AtLeast && f.Policy != Set && f.Policy != IfAbsent &&
			f.Policy != IfPresent {
			return fmt.Errorf("patch manifest: settings: flag %q is there twice, or has no policy", f.Name)
		}
		seen[f.Name] = true
	}
	seen = map[string]bool{}
	for _, v := range s.Env {
		if v.Name == "" || seen[v.Name] {
			return fmt.Errorf("patch manifest: settings: the environment variable %q is there twice, or has no name",
				v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

// probes are the probes to bring to their numbers, by their names in the
// manifest.
func (s Settings) probes(hasStartup bool) map[string]*Probe {
	all := map[string]*Probe{startupProbe: s.Startup, livenessProbe: s.Liveness, readinessProbe: s.Readiness}
	if s.Startup == nil || hasStartup && !s.NoStartupProbe {
		return all
	}
	all[startupProbe] = nil
	all[livenessProbe] = s.Startup.asDelay(s.Liveness, hasStartup)
	return all
}

// asDelay gives a liveness probe the time that a startup probe would have
// given: it first asks when that would have given up. Until then nothing else
// is asked either, which leaves the start alone.
func (p Probe) asDelay(liveness *Probe, hasStartup bool) *Probe {
	var to Probe
	if liveness != nil {
		to = *liveness
	}
	every := p.Period
	if every == 0 {
		every = fallback(period)
	}
	delay := min(int64(p.InitialDelay)+int64(p.FailureThreshold)*int64(every), math.MaxInt32)
	if int(delay) <= to.InitialDelay {
		return &to
	}
	why := "this manifest has no startup probe"
	if hasStartup {
		why = "this kubelet takes no notice of startup probes"
	}
	to.InitialDelay = int(delay)
	reasons := map[string]string{initialDelay: p.Reason + "; " + why + ", so the liveness probe waits instead"}
	for k, v := range to.Reasons {
		if k != initialDelay {
			reasons[k] = v
		}
	}
	to.Reasons = reasons
	return &to
}
