package kubeadm

import "slices"

// A Verb is a command of kubeadm's that sets a board up or changes it, and that kubeadm-arm
// carries out by a plan.
type Verb string

// The verbs.
const (
	Init Verb = "init"
	Join Verb = "join"
)

// Flags are the flags of a verb over all versions.
func (v Verb) Flags() []FlagSpec {
	if v == Join {
		return joinFlags()
	}
	return InitFlags()
}

// phaseOrder is the row of the version table that has its phases.
func (v Verb) phaseOrder() FactName {
	if v == Join {
		return JoinPhaseOrder
	}
	return PhaseOrder
}

// document is the kind of its own document in a configuration.
func (v Verb) document() string {
	if v == Join {
		return kindJoin
	}
	return kindInit
}

// Knows reports whether some version of kubeadm has that flag for the verb.
func (v Verb) Knows(flag string) bool {
	return slices.ContainsFunc(v.Flags(), func(s FlagSpec) bool { return s.Name == flag })
}

// Parse reads what follows the verb on a command line; see [ParseArgs].
func (v Verb) Parse(args []string) (Args, error) { return ParseArgs(args, v.Flags()) }
