package patch

// Settings say what a component's manifest should reach. The zero value asks
// for nothing.
type Settings struct {
	// Startup bounds the time until a starting container is killed. A manifest
	// without a startup probe (kubeadm before v1.19) gets it as liveness
	// initialDelaySeconds: a startup probe would mean nothing to its kubelet.
	Startup   *Probe `json:"startup,omitempty"`
	Liveness  *Probe `json:"liveness,omitempty"`
	Readiness *Probe `json:"readiness,omitempty"`
	Flags     []Flag `json:"flags,omitempty"`
	Env       []Env  `json:"env,omitempty"`
}

// Probe holds the least values of a probe's fields: a manifest's own value is
// never lowered. A zero field is left alone. The durations are whole seconds
// (k8s.io/api/core/v1, Probe).
type Probe struct {
	InitialDelay     int    `json:"initialDelaySeconds,omitempty"`
	Period           int    `json:"periodSeconds,omitempty"`
	Timeout          int    `json:"timeoutSeconds,omitempty"`
	FailureThreshold int    `json:"failureThreshold,omitempty"`
	Reason           string `json:"reason"`
}

// Policy says how a flag's value is treated when the manifest has one.
type Policy string

// The policies.
const (
	// AtLeast raises a duration or a whole number, and never lowers it.
	AtLeast Policy = "at least"
	// Set replaces the value.
	Set Policy = "set"
	// IfAbsent leaves any value alone.
	IfAbsent Policy = "if absent"
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
	// Path is such as "spec.containers[kube-apiserver].startupProbe.failureThreshold".
	Path string `json:"path"`
	// Old is empty when the field was not there.
	Old    string `json:"old"`
	New    string `json:"new"`
	Reason string `json:"reason"`
	// Kept says that nothing was changed, because the owner's value wins.
	Kept bool `json:"kept,omitempty"`
}
