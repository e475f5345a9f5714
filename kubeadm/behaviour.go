package kubeadm

import (
	"fmt"
	"strings"
)

// Behaviour is the version table's answer for one kubeadm.
type Behaviour struct {
	Version Version
	// Nearest is set when Version is newer than the table: the facts of the
	// newest known minor are used, and the owner is warned.
	Nearest bool
	values  map[FactName]string
}

// TooOldError says that a kubeadm is older than the table.
type TooOldError struct{ Version Version }

func (e *TooOldError) Error() string {
	return fmt.Sprintf("kubeadm %s is older than v1.%d, the oldest version this program knows", e.Version, OldestMinor)
}

// Hint says what can be done.
func (e *TooOldError) Hint() string {
	return fmt.Sprintf("install kubeadm v1.%d.0 or newer, or run the old kubeadm directly", OldestMinor)
}

// BehaviourOf looks a version up in the table. Versions older than the table
// are a [*TooOldError]; newer ones get the newest minor's facts.
func BehaviourOf(v Version) (Behaviour, error) {
	minor := v.Minor
	b := Behaviour{Version: v, values: map[FactName]string{}}
	if v.Major < 1 || v.Major == 1 && v.Minor < OldestMinor {
		return Behaviour{}, &TooOldError{v}
	}
	if v.Major > 1 || v.Minor > NewestMinor {
		b.Nearest, minor = true, NewestMinor
	}
	for _, f := range Facts() {
		if f.holds(minor) {
			b.values[f.Name] = f.Value
		}
	}
	return b, nil
}

func (f Fact) holds(minor int) bool { return minor >= f.From && (f.To == 0 || minor <= f.To) }

// Value returns the fact's text for this version, to be shown. What code compares has an
// accessor (accessors.go).
func (b Behaviour) Value(n FactName) string { return b.values[n] }

func (b Behaviour) list(n FactName) []string {
	if b.values[n] == "" {
		return nil
	}
	return strings.Split(b.values[n], ",")
}

// Phases returns a verb's phases, in order.
func (b Behaviour) Phases(v Verb) []string { return b.list(v.phaseOrder()) }

// AllBut returns every phase of a verb that is not in keep: the list to give to
// --skip-phases so that only those in keep run.
func (b Behaviour) AllBut(v Verb, keep ...string) []string {
	var skip []string
next:
	for _, p := range b.Phases(v) {
		for _, k := range keep {
			if p == k {
				continue next
			}
		}
		skip = append(skip, p)
	}
	return skip
}

// ConfigWrite returns the config API version to write, such as "v1beta4".
func (b Behaviour) ConfigWrite() string { return b.values[ConfigWritten] }

// ReadsConfig reports whether kubeadm accepts a config API version.
func (b Behaviour) ReadsConfig(api string) bool {
	for _, a := range b.list(ConfigRead) {
		if a == api {
			return true
		}
	}
	return false
}

// Has reports whether a fact that is yes or no is yes.
func (b Behaviour) Has(name FactName) bool { return b.values[name] == "yes" }

// AllowedBesideConfig reports whether a flag may stand beside --config.
func (b Behaviour) AllowedBesideConfig(flag string) bool {
	for _, a := range b.list(MixedConfigFlags) {
		if a == flag || strings.HasSuffix(a, "*") && strings.HasPrefix(flag, strings.TrimSuffix(a, "*")) {
			return true
		}
	}
	return false
}
