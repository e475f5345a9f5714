package plan

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// A Step is one thing to do. Its types are those of stepTypes and no others: package
// bootstrap knows how to carry out each of them. How to add one: docs/ARCHITECTURE.md.
type Step interface {
	// Kind names the type in JSON.
	Kind() string
	// Title names the step for people, in the form "patch the manifests".
	Title() string
	// Detail is what else a plan shows of the step; empty for nothing.
	Detail() string
	// Components are the control-plane components that the step is about.
	Components() []string
	// Expect is the predicted duration; 0 where it is not known.
	Expect() time.Duration
	// Check looks at the numbers of a step that was read from a file.
	Check() error
	step()
}

// stepTypes has one value of each type of step.
func stepTypes() []Step {
	return []Step{
		RunPhases{}, PatchManifests{}, StageManifests{}, ReleaseManifest{}, AwaitHealthy{}, TuneServices{},
		KubeletCertificates{}, BackUp{}, RenderManifests{}, SwitchManifests{}, RestoreFiles{}, RenewCertificates{},
		AwaitNode{}, JoinEtcd{}, ServeEndpoint{}, SetEndpoint{},
	}
}

// plain is what most steps have in common: nothing more to say than their title.
type plain struct{}

// Detail implements Step, as do the others.
func (plain) Detail() string        { return "" }
func (plain) Components() []string  { return nil }
func (plain) Expect() time.Duration { return 0 }
func (plain) Check() error          { return nil }
func (plain) step()                 {}

// stepJSON is a step in JSON: its type stands in "kind", so that a journal can be read
// back. The title is for people.
type stepJSON struct {
	Kind  string          `json:"kind"`
	Title string          `json:"title"`
	Step  json.RawMessage `json:"step"`
}

// MarshalJSON writes the plan with the kind of every step.
func (p Plan) MarshalJSON() ([]byte, error) {
	type bare Plan
	out := struct {
		bare
		Steps []stepJSON `json:"steps"`
	}{bare: bare(p)}
	for _, s := range p.Steps {
		text, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, stepJSON{s.Kind(), s.Title(), text})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote. An unknown kind is an error.
func (p *Plan) UnmarshalJSON(text []byte) error {
	type bare Plan
	in := struct {
		*bare
		Steps []stepJSON `json:"steps"`
	}{bare: (*bare)(p)}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if p.Command == "" {
		p.Command = kubeadm.Init // as in journals of before there were others
	}
	p.Steps = nil
	for _, s := range in.Steps {
		step, err := s.read()
		if err != nil {
			return fmt.Errorf("read plan: %w", err)
		}
		p.Steps = append(p.Steps, step)
	}
	return nil
}

func (s stepJSON) read() (Step, error) {
	for _, known := range stepTypes() {
		if known.Kind() != s.Kind {
			continue
		}
		value := reflect.New(reflect.TypeOf(known))
		if err := json.Unmarshal(s.Step, value.Interface()); err != nil {
			return nil, err
		}
		return value.Elem().Interface().(Step), nil
	}
	return nil, fmt.Errorf("unknown step %q", s.Kind)
}
