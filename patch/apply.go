package patch

import (
	"fmt"

	yaml "go.yaml.in/yaml/v3"
)

// The probes of a container.
const (
	startupProbe   = "startupProbe"
	livenessProbe  = "livenessProbe"
	readinessProbe = "readinessProbe"
)

// Apply brings a manifest to the settings. It returns the new text, which is
// the very same bytes when nothing is to do, and the list of changes. A manifest
// that cannot be handled gives a [*RefusedError], and then nothing may be
// written.
func Apply(manifest []byte, s Settings) ([]byte, []Change, error) {
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	d, err := parse(manifest)
	if err != nil {
		return nil, nil, err
	}
	a, err := d.plan(s)
	if err != nil {
		return nil, nil, err
	}
	if len(a.edits) == 0 {
		return manifest, a.changes, nil
	}
	out, err := a.edits.apply(manifest)
	if err != nil {
		return nil, nil, err
	}
	// What was written has to say what was meant: a slip in the byte arithmetic
	// must not reach the kubelet.
	again, err := parse(out)
	if err != nil {
		return nil, nil, refuse(0, "", "it is written in a way that cannot be edited in place (%v)", err)
	}
	check, err := again.plan(s)
	if err != nil {
		return nil, nil, err
	}
	if len(check.edits) > 0 {
		return nil, nil, refuse(0, "", "it is written in a way that cannot be edited in place (%s)", check.changes[0].Target)
	}
	return out, a.changes, nil
}

// applier collects what is to do.
type applier struct {
	d       *document
	edits   edits
	changes []Change
}

// plan finds out what is to do to a document.
func (d *document) plan(s Settings) (*applier, error) {
	a := &applier{d: d}
	wanted := s.probes(d.probe(startupProbe) != nil)
	for _, name := range []string{livenessProbe, readinessProbe, startupProbe} {
		if err := a.probe(name, wanted[name]); err != nil {
			return nil, err
		}
	}
	if err := a.flags(s.Flags); err != nil {
		return nil, err
	}
	return a, a.env(s.Env)
}

// probe is a probe that is there and not null.
func (d *document) probe(name string) *yaml.Node {
	p := child(d.container, name)
	if p == nil || isNull(p) {
		return nil
	}
	return p
}

// probe brings one probe to its numbers. A probe that is not there stays away.
func (a *applier) probe(name string, want *Probe) error {
	p := a.d.probe(name)
	if p == nil || want == nil {
		return nil
	}
	if p.Kind != yaml.MappingNode {
		return refuse(p.Line, "have kubeadm write the file again", "%s is not a mapping", name)
	}
	for _, f := range want.total(numberOf(p, period), numberOf(p, failureThreshold)).fields() {
		if f.want == 0 {
			continue
		}
		if err := a.field(name, p, f); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) field(probe string, p *yaml.Node, f field) error {
	change := Change{Target: Target{Component: a.d.component, Probe: probe, Field: f.name}, New: fmt.Sprint(f.want),
		Reason: f.reason}
	old := child(p, f.name)
	if old != nil && isNull(old) {
		return refuse(old.Line, "give it a number, or remove it", "%s.%s is null", probe, f.name)
	}
	have := fallback(f.name)
	if old != nil {
		n, ok := number(old)
		if !ok {
			return refuse(old.Line, "write it as a plain decimal number", "%s.%s is %q, not a whole number", probe, f.name,
				old.Value)
		}
		change.Old = old.Value
		if n != 0 {
			have = n
		}
	}
	if have >= f.want && !f.exact || have == f.want {
		return nil
	}
	if f.userSet {
		a.keep(change)
		return nil
	}
	a.changes = append(a.changes, change)
	if old != nil {
		return a.d.replaceNumber(&a.edits, old, change.New)
	}
	return a.d.insertKey(&a.edits, p, f.name, piece{[]string{change.New}, change.New})
}

// keep lists a change that the owner's value makes void.
func (a *applier) keep(c Change) {
	c.Kept = true
	c.Reason = "the owner's value stays; it would have been " + c.New + ": " + c.Reason
	c.New = c.Old
	a.changes = append(a.changes, c)
}
