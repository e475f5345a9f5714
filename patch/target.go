package patch

// A Target is the part of a manifest that a change is about: a field of a probe, a flag
// or a variable of the environment.
type Target struct {
	// Component is the container's name.
	Component string
	// Probe is such as "startupProbe", and Field such as "failureThreshold".
	Probe, Field string
	// Flag is a name without dashes, and List the list that it stands in: "command" or
	// "args".
	Flag, List string
	// Variable is a name.
	Variable string
}

// String is such as "spec.containers[kube-apiserver].startupProbe.failureThreshold".
func (t Target) String() string {
	where := "spec.containers[" + t.Component + "]."
	switch {
	case t.Probe != "":
		return where + t.Probe + "." + t.Field
	case t.Flag != "":
		return where + t.List + " --" + t.Flag
	}
	return where + "env[" + t.Variable + "]"
}

// MarshalText has a target be a text in JSON.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
