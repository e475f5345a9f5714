package kubeadm

import (
	"slices"
	"strings"
)

// A Verb is a command of kubeadm's that sets a board up or changes it, and that kubeadm-arm
// carries out by a plan.
type Verb string

// The verbs.
const (
	Init         Verb = "init"
	Join         Verb = "join"
	UpgradeApply Verb = "upgrade apply"
)

// Words are the words that kubeadm is called with.
func (v Verb) Words() []string { return strings.Fields(string(v)) }

// Flags are the flags of a verb over all versions.
func (v Verb) Flags() []FlagSpec {
	switch v {
	case Join:
		return joinFlags()
	case UpgradeApply:
		return append(InitFlags(), OtherFlags()...)
	}
	return InitFlags()
}

// phaseOrder is the row of the version table that has its phases.
func (v Verb) phaseOrder() FactName {
	switch v {
	case Join:
		return JoinPhaseOrder
	case UpgradeApply:
		return UpgradePhaseOrder
	}
	return PhaseOrder
}

// document is the kind of its own document in a configuration.
func (v Verb) document() string {
	switch v {
	case Join:
		return kindJoin
	case UpgradeApply:
		return kindUpgrade
	}
	return kindInit
}

// Knows reports whether some version of kubeadm has that flag for the verb.
func (v Verb) Knows(flag string) bool {
	return slices.ContainsFunc(v.Flags(), func(s FlagSpec) bool { return s.Name == flag })
}

// Parse reads what follows the verb on a command line; see [ParseArgs].
func (v Verb) Parse(args []string) (Args, error) { return ParseArgs(args, v.Flags()) }
