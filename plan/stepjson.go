package plan

import (
	"encoding/json"
	"fmt"
)

// Steps in JSON carry their type in "kind", so that a journal can be read back.

type stepKind struct {
	Kind  string          `json:"kind"`
	Title string          `json:"title"`
	Step  json.RawMessage `json:"step"`
}

// MarshalJSON writes the plan with the kind of every step.
func (p Plan) MarshalJSON() ([]byte, error) {
	type bare Plan
	out := struct {
		bare
		Steps []stepKind `json:"steps"`
	}{bare: bare(p)}
	for _, s := range p.Steps {
		text, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, stepKind{kindOf(s), s.Title(), text})
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote. An unknown kind is an error.
func (p *Plan) UnmarshalJSON(text []byte) error {
	type bare Plan
	in := struct {
		*bare
		Steps []stepKind `json:"steps"`
	}{bare: (*bare)(p)}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	p.Steps = nil
	for _, k := range in.Steps {
		s, err := readStep(k)
		if err != nil {
			return err
		}
		p.Steps = append(p.Steps, s)
	}
	return nil
}

func kindOf(s Step) string {
	switch s.(type) {
	case RunPhases:
		return "runPhases"
	case PatchManifests:
		return "patchManifests"
	case StageManifests:
		return "stageManifests"
	case ReleaseManifest:
		return "releaseManifest"
	case AwaitHealthy:
		return "awaitHealthy"
	case TuneServices:
		return "tuneServices"
	case KubeletCertificates:
		return "kubeletCertificates"
	}
	return "unknown"
}

func readStep(k stepKind) (Step, error) {
	switch k.Kind {
	case "runPhases":
		return decodeStep[RunPhases](k.Step)
	case "patchManifests":
		return decodeStep[PatchManifests](k.Step)
	case "stageManifests":
		return decodeStep[StageManifests](k.Step)
	case "releaseManifest":
		return decodeStep[ReleaseManifest](k.Step)
	case "awaitHealthy":
		return decodeStep[AwaitHealthy](k.Step)
	case "tuneServices":
		return decodeStep[TuneServices](k.Step)
	case "kubeletCertificates":
		return decodeStep[KubeletCertificates](k.Step)
	}
	return nil, fmt.Errorf("read plan: unknown step %q", k.Kind)
}

func decodeStep[T Step](text json.RawMessage) (Step, error) {
	var s T
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return s, nil
}
