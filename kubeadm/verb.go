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
	UpgradeNode  Verb = "upgrade node"
)

// Words are the words that kubeadm is called with.
func (v Verb) Words() []string { return strings.Fields(string(v)) }

// Upgrades reports whether the verb is one of kubeadm upgrade.
func (v Verb) Upgrades() bool { return v == UpgradeApply || v == UpgradeNode }

// Section is the part of UpgradeConfiguration that an upgrade reads beside its timeouts.
func (v Verb) Section() string { return strings.TrimPrefix(string(v), "upgrade ") }

// Flags are the flags of a verb over all versions.
func (v Verb) Flags() []FlagSpec {
	switch v {
	case Join:
		return joinFlags()
	case UpgradeApply, UpgradeNode:
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
	case UpgradeNode:
		return NodePhaseOrder
	}
	return PhaseOrder
}

// document is the kind of its own document in a configuration.
func (v Verb) document() string {
	switch v {
	case Join:
		return kindJoin
	case UpgradeApply, UpgradeNode:
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
