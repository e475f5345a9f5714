package patch

import (
	"slices"
	"strconv"
)

// A constraint ties flags to each other: a component that finds it broken does not
// start.
type constraint struct {
	components []string
	// flags are its names, and unset their values where they are not given.
	flags, unset []string
	// holds takes the values in the flags' order, in seconds or as numbers.
	holds func(v []float64) bool
	text  string
}

func constraints() []constraint {
	return []constraint{{
		components: []string{"kube-controller-manager", "kube-scheduler"},
		flags:      []string{leaseDuration, renewDeadline, retryPeriod},
		unset:      []string{"15s", "10s", "2s"}, // k8s.io/component-base/config/v1alpha1/defaults.go
		// k8s.io/client-go/tools/leaderelection, NewLeaderElector and JitterFactor
		holds: func(v []float64) bool { return v[0] > v[1] && v[1] > 1.2*v[2] },
		text:  "the lease must be longer than the renew deadline, and that than 1.2 retry periods",
	}, {
		components: []string{"etcd"},
		flags:      []string{"heartbeat-interval", "election-timeout"},
		unset:      []string{"100", "1000"},
		// go.etcd.io/etcd/server/embed/config.go, Validate
		holds: func(v []float64) bool { return v[1] >= 5*v[0] && v[1] <= 50000 },
		text:  "the election timeout must be five heartbeats or longer, and at most 50 s",
	}}
}

// The flags of leader election.
const (
	leaderElect   = "leader-elect"
	leaseDuration = "leader-elect-lease-duration"
	renewDeadline = "leader-elect-renew-deadline"
	retryPeriod   = "leader-elect-retry-period"
)

// keepConstraints takes changes back that would break a constraint together with values that
// stay, and says why. Leader election that is off needs no times.
func (d *document) keepConstraints(words commandLine, all []decision) (why []string) {
	why = make([]string, len(all))
	final := func(name, unset string) string {
		for _, x := range all {
			if x.Name == name && x.change {
				return x.Value
			}
		}
		if have, ok := d.setting(words, Flag{Name: name, Value: unset}); ok {
			return have.value
		}
		return unset
	}
	if on, err := strconv.ParseBool(final(leaderElect, "true")); err == nil && !on {
		for i, x := range all {
			if slices.Contains([]string{leaseDuration, renewDeadline, retryPeriod}, x.Name) {
				all[i].change, all[i].kept = false, false
			}
		}
	}
	for _, l := range constraints() {
		if !slices.Contains(l.components, d.component) {
			continue
		}
		values := make([]float64, len(l.flags))
		readable := true
		for i, name := range l.flags {
			v, _, ok := amount(final(name, l.unset[i]))
			values[i], readable = v, readable && ok
		}
		if readable && l.holds(values) {
			continue
		}
		for i, x := range all {
			if x.change && slices.Contains(l.flags, x.Name) {
				all[i].change, all[i].kept = false, true
				why[i] = "it would not fit the owner's other values: " + l.text
			}
		}
	}
	return why
}
