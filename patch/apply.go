package patch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	yaml "go.yaml.in/yaml/v3"
)

// Apply brings a manifest to the settings. It returns the new text, which is
// the very same bytes when nothing is to do, and the list of changes. Every
// error is a [*RefusedError], and then nothing may be written.
func Apply(manifest []byte, s Settings) ([]byte, []Change, error) {
	d, err := parse(manifest)
	if err != nil {
		return nil, nil, err
	}
	a := applier{d: d}
	if err := a.all(s); err != nil {
		return nil, nil, err
	}
	if len(a.edits) == 0 {
		return manifest, a.changes, nil
	}
	out := a.edits.apply(manifest)
	// What was written has to say what was meant; a slip in the byte
	// arithmetic must not reach the kubelet.
	again, err := parse(out)
	if err != nil {
		return nil, nil, fmt.Errorf("patch manifest: the result does not parse, nothing was changed: %w", err)
	}
	check := applier{d: again}
	if err := check.all(s); err != nil {
		return nil, nil, err
	}
	if len(check.edits) > 0 {
		return nil, nil, refuse(0, "", "it is written in a way that cannot be edited in place")
	}
	return out, a.changes, nil
}

type applier struct {
	d       *document
	edits   edits
	changes []Change
}

func (a *applier) all(s Settings) error {
	startup, liveness := s.Startup, s.Liveness
	if startup != nil && child(a.d.container, "startupProbe") == nil {
		startup = nil
		liveness = insteadOfStartup(*s.Startup, liveness)
	}
	for _, p := range []struct {
		name string
		want *Probe
	}{{"livenessProbe", liveness}, {"readinessProbe", s.Readiness}, {"startupProbe", startup}} {
		if p.want == nil {
			continue
		}
		if err := a.probe(p.name, *p.want); err != nil {
			return err
		}
	}
	if err := a.flags(s.Flags); err != nil {
		return err
	}
	return a.env(s.Env)
}

// insteadOfStartup gives the liveness probe the startup probe's time as delay.
func insteadOfStartup(startup Probe, liveness *Probe) *Probe {
	var p Probe
	if liveness != nil {
		p = *liveness
	}
	delay := startup.InitialDelay + startup.Period*startup.FailureThreshold
	if delay > p.InitialDelay {
		p.InitialDelay = delay
		p.Reason = strings.TrimPrefix(p.Reason+"; "+startup.Reason+"; this manifest has no startup probe, so the liveness probe waits", "; ")
	}
	return &p
}

// probe raises the fields of one probe. A probe that is not there stays away.
func (a *applier) probe(name string, want Probe) error {
	p := child(a.d.container, name)
	if p == nil {
		return nil
	}
	if p.Kind != yaml.MappingNode {
		return refuse(p.Line, "", "%s is not a mapping", name)
	}
	for _, f := range []struct {
		key      string
		want     int
		fallback int
	}{
		// The defaults are those of k8s.io/kubernetes/pkg/apis/core/v1/defaults.go.
		{"failureThreshold", want.FailureThreshold, 3},
		{"initialDelaySeconds", want.InitialDelay, 0},
		{"periodSeconds", want.Period, 10},
		{"timeoutSeconds", want.Timeout, 1},
	} {
		if f.want == 0 {
			continue
		}
		change := Change{Path: a.path(name + "." + f.key), New: strconv.Itoa(f.want), Reason: want.Reason}
		old := child(p, f.key)
		if old == nil || old.Tag == "!!null" {
			if f.fallback >= f.want {
				continue
			}
			if old != nil {
				return refuse(old.Line, "give it a number or remove it", "%s.%s is null", name, f.key)
			}
			if err := a.d.insertKey(&a.edits, p, f.key, []string{change.New}, change.New); err != nil {
				return err
			}
			a.changes = append(a.changes, change)
			continue
		}
		n, err := strconv.Atoi(old.Value)
		if err != nil || old.Kind != yaml.ScalarNode {
			return refuse(old.Line, "give it a whole number", "%s.%s is not a number", name, f.key)
		}
		if n >= f.want {
			continue
		}
		change.Old = old.Value
		if err := a.d.replace(&a.edits, old, change.New); err != nil {
			return err
		}
		a.changes = append(a.changes, change)
	}
	return nil
}

func (a *applier) path(field string) string {
	return "spec.containers[" + a.d.component + "]." + field
}

// flagAt is a flag as it stands in the command.
type flagAt struct {
	value string
	// node holds the flag, and separate its value when that is an item of its
	// own.
	node, separate *yaml.Node
}

// command returns the list that holds the component's flags: command as
// kubeadm writes it, or args.
func (a *applier) command() *yaml.Node {
	for _, key := range []string{"command", "args"} {
		list := child(a.d.container, key)
		if list == nil || list.Kind != yaml.SequenceNode {
			continue
		}
		for _, item := range list.Content {
			if strings.HasPrefix(item.Value, "--") {
				return list
			}
		}
	}
	return nil
}

func findFlag(list *yaml.Node, name string) (flagAt, bool) {
	for i := len(list.Content) - 1; i >= 0; i-- {
		item := list.Content[i]
		if v, ok := strings.CutPrefix(item.Value, "--"+name+"="); ok {
			return flagAt{value: v, node: item}, true
		}
		if item.Value != "--"+name {
			continue
		}
		if i+1 < len(list.Content) && !strings.HasPrefix(list.Content[i+1].Value, "-") {
			return flagAt{value: list.Content[i+1].Value, node: item, separate: list.Content[i+1]}, true
		}
		return flagAt{value: "true", node: item}, true
	}
	return flagAt{}, false
}

func (a *applier) flags(flags []Flag) error {
	if len(flags) == 0 {
		return nil
	}
	list := a.command()
	if list == nil {
		return refuse(a.d.container.Line, "", "the container has no command with flags")
	}
	for _, f := range flags {
		change := Change{Path: a.path("command --" + f.Name), New: f.Value, Reason: f.Reason}
		have, ok := findFlag(list, f.Name)
		change.Old = have.value
		if f.UserSet && ok {
			if have.value != f.Value {
				change.Kept, change.New = true, have.value
				change.Reason = "set in kubeadm's config, stays; would have been " + f.Value + ": " + f.Reason
				a.changes = append(a.changes, change)
			}
			continue
		}
		if !ok {
			if err := a.addFlag(list, f); err != nil {
				return err
			}
			a.changes = append(a.changes, change)
			continue
		}
		if enough(have.value, f) {
			continue
		}
		if err := a.setFlag(have, f); err != nil {
			return err
		}
		a.changes = append(a.changes, change)
	}
	return nil
}

// enough tells whether a flag's value needs no change.
func enough(have string, f Flag) bool {
	switch f.Policy {
	case IfAbsent:
		return true
	case AtLeast:
		if h, err := time.ParseDuration(have); err == nil {
			if w, err := time.ParseDuration(f.Value); err == nil {
				return h >= w
			}
		}
		if h, err := strconv.ParseFloat(have, 64); err == nil {
			if w, err := strconv.ParseFloat(f.Value, 64); err == nil {
				return h >= w
			}
		}
	}
	return have == f.Value
}

// addFlag puts a flag before the first flag that sorts after it, as kubeadm
// sorts them, else before the last one: before a flag is always a safe place,
// after one may stand its value.
func (a *applier) addFlag(list *yaml.Node, f Flag) error {
	text := "--" + f.Name + "=" + f.Value
	at := 0
	for i, item := range list.Content {
		if !strings.HasPrefix(item.Value, "--") {
			continue
		}
		at = i
		if item.Value > text {
			break
		}
	}
	return a.d.insertItem(&a.edits, list, at, []string{text}, strconv.Quote(text))
}

func (a *applier) setFlag(have flagAt, f Flag) error {
	switch {
	case have.separate != nil:
		return a.d.replace(&a.edits, have.separate, f.Value)
	default:
		return a.d.replace(&a.edits, have.node, "--"+f.Name+"="+f.Value)
	}
}

func (a *applier) env(vars []Env) error {
	list := child(a.d.container, "env")
	var fresh []Env
	for _, v := range vars {
		if list != nil && hasEnv(list, v.Name) {
			continue
		}
		fresh = append(fresh, v)
		a.changes = append(a.changes, Change{Path: a.path("env[" + v.Name + "]"), New: v.Value, Reason: v.Reason})
	}
	if len(fresh) == 0 {
		return nil
	}
	if list != nil && (list.Kind != yaml.SequenceNode || len(list.Content) == 0) {
		return refuse(list.Line, "remove the empty env field", "env is not a list with items")
	}
	if list == nil {
		var block, flow []string
		for _, v := range fresh {
			block = append(block, "- name: "+v.Name, "  value: "+strconv.Quote(v.Value))
			flow = append(flow, flowEnv(v))
		}
		return a.d.insertKey(&a.edits, a.d.container, "env", block, "["+strings.Join(flow, ", ")+"]")
	}
	for _, v := range fresh {
		err := a.d.insertItem(&a.edits, list, 0, []string{"name: " + v.Name, "value: " + strconv.Quote(v.Value)}, flowEnv(v))
		if err != nil {
			return err
		}
	}
	return nil
}

func flowEnv(v Env) string {
	return fmt.Sprintf(`{"name": %q, "value": %q}`, v.Name, v.Value)
}

func hasEnv(list *yaml.Node, name string) bool {
	for _, item := range list.Content {
		if value(item, "name") == name {
			return true
		}
	}
	return false
}
