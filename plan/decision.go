package plan

// A Decision is one thing decided, with its reason in a sentence.
type Decision struct {
	Group  Group  `json:"group,omitempty"`
	Name   string `json:"name"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
	// Default says that kubeadm's default, or the owner's own choice, stays.
	Default bool `json:"default,omitempty"`
}

// A Group is what a decision is about.
type Group string

// The groups of decisions.
const (
	GroupBoard     Group = "board"
	GroupStart     Group = "start order"
	GroupConfig    Group = "kubeadm configuration"
	GroupManifests Group = "manifests"
	GroupKubelet   Group = "kubelet"
	GroupProfile   Group = "profile"
)

// Groups are all groups in the order in which they are shown.
func Groups() []Group {
	return []Group{GroupBoard, GroupStart, GroupConfig, GroupManifests, GroupKubelet, GroupProfile}
}

// The names of decisions that are shown before a run, too.
const (
	StagedStart  = "staged start"
	KeyAlgorithm = "key algorithm"
	Validity     = "certificates are valid for"
)

// decide notes what will differ from kubeadm's defaults, or was found out about the board.
func (m *maker) decide(g Group, name, value, reason string) {
	m.p.Decisions = append(m.p.Decisions, Decision{Group: g, Name: name, Value: value, Reason: reason})
}

// leave notes what stays as kubeadm or the owner has it.
func (m *maker) leave(g Group, name, value, reason string) {
	m.p.Decisions = append(m.p.Decisions, Decision{Group: g, Name: name, Value: value, Reason: reason, Default: true})
}
