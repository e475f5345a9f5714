package certs

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Within is how long before its end a certificate is renewed when the board starts.
const Within = 30 * 24 * time.Hour

// Year is how long kubeadm's and the kubelet's certificates are valid unless an
// owner chose otherwise.
const Year = 365 * 24 * time.Hour

// Ask is what is asked of a decision.
type Ask struct {
	Now time.Time
	// Within is how long before its end a certificate is to be renewed, where that is not
	// more than a third of the time for which it is valid.
	Within time.Duration
	// All says to renew those that are valid for longer, too.
	All bool
	// Unsure says that the clock may be wrong: then nothing is renewed.
	Unsure bool
}

// Renewal is one certificate to renew, and why.
type Renewal struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Refusal is one that should be renewed and cannot be on this node: why, and what can
// be done.
type Refusal struct {
	Name string `json:"name"`
	Why  string `json:"why"`
	Do   string `json:"do"`
}

// Decision is what there is to do.
type Decision struct {
	Renew   []Renewal `json:"renew"`
	Refused []Refusal `json:"refused"`
	// Warnings are about authorities that end before long.
	Warnings []string `json:"warnings,omitempty"`
}

// Due reports whether there is anything to renew, or that should be and cannot.
func (d Decision) Due() bool { return len(d.Renew)+len(d.Refused) > 0 }

// Decide says which certificates are to be renewed. It is a pure function.
//
// kubeadm's certificates are renewed together once one of them is due, so that
// they end together; the kubelet's are left to the kubelet while they are valid for
// longer.
func Decide(s Seen, ask Ask) Decision {
	d := Decision{Renew: []Renewal{}, Refused: []Refusal{}}
	reasons := map[string]string{}
	together := ask.All
	for _, l := range s.Leaves {
		reason := due(l, s.end(l), ask)
		why, do := s.refuse(l, ask)
		switch {
		case why == "":
			reasons[l.Name] = reason
			together = together || reason != "" && !l.Kubelet()
		case ask.All, reason != "" && !s.renewsItself(l, ask.Now):
			d.Refused = append(d.Refused, Refusal{l.Name, why, do})
		}
	}
	for _, l := range s.Leaves {
		reason, can := reasons[l.Name]
		switch {
		case !can:
			continue
		case reason == "" && ask.All:
			reason = "as asked"
		case reason == "" && together && !l.Kubelet():
			reason = "with the others"
		}
		if reason != "" {
			d.Renew = append(d.Renew, Renewal{l.Name, reason})
		}
	}
	d.Warnings = s.warnings(ask.Now)
	return d
}

// warnings are about authorities that cannot be used, or end before long.
func (s Seen) warnings(now time.Time) (all []string) {
	for _, a := range s.Authorities {
		if problem := cmp.Or(a.Problem, a.KeyProblem); problem != "" {
			all = append(all, fmt.Sprintf("the authority %s cannot sign: %s; %s", a.Name, problem, restoreCA))
		}
	}
	var ending []string
	for _, a := range s.Authorities {
		if a.Certificate != nil && a.Certificate.NotAfter.Before(now.Add(Year)) {
			ending = append(ending, a.Name+" on "+a.Certificate.NotAfter.UTC().Format(time.DateOnly))
		}
	}
	if ending != nil {
		all = append(all, "these authorities end within a year, and nothing that they have signed is valid for longer: "+
			strings.Join(ending, ", ")+"; "+rotateCA)
	}
	return all
}

// renewsItself reports whether a worker's kubelet renews its certificate without anybody's
// help, as it does while it runs and the certificate is valid.
func (s Seen) renewsItself(l Leaf, now time.Time) bool {
	return l.Name == "kubelet-client" && !s.ControlPlane && l.Problem == "" &&
		l.Certificate.NotAfter.After(now) && !l.Certificate.NotBefore.After(now)
}

// end is when a certificate is no longer of use: kubeadm makes some that are valid for longer than
// their authority.
func (s Seen) end(l Leaf) time.Time {
	if l.Certificate == nil {
		return time.Time{}
	}
	a, _ := s.Authority(l.Authority)
	if a.Certificate != nil && a.Certificate.NotAfter.Before(l.Certificate.NotAfter) {
		return a.Certificate.NotAfter
	}
	return l.Certificate.NotAfter
}

// due says why a certificate that is of use until end is to be renewed; empty while it is not.
func due(l Leaf, end time.Time, ask Ask) string {
	if l.Problem != "" {
		return l.Problem
	}
	left := end.Sub(ask.Now)
	// One that is valid for a month is not always about to end.
	within := min(ask.Within, l.Certificate.NotAfter.Sub(l.Certificate.NotBefore)/3)
	switch {
	case left <= 0:
		return "expired on " + date(end)
	case l.Certificate.NotBefore.After(ask.Now):
		return "not valid before " + date(l.Certificate.NotBefore)
	case left <= within:
		return "expires on " + date(end)
	}
	return ""
}

// Period is how long a certificate was meant to be valid, in hours. One of kubeadm
// before v1.28 begins with its authority, whenever it was made: it was meant for a
// year. A newer kubeadm backdates both by five minutes, so those of one second begin
// together as well, and then the hours are whole. Less than a day was not
// intended, but comes from a clock that was wrong.
func Period(old, authority *x509.Certificate) time.Duration {
	p := old.NotAfter.Sub(old.NotBefore)
	together := authority != nil && old.NotBefore.Equal(authority.NotBefore)
	if p < 24*time.Hour || together && !wholeHours(p) && !wholeHours(p-backdate) {
		return Year
	}
	return p.Round(time.Hour)
}

func wholeHours(d time.Duration) bool {
	const near = 10 * time.Second
	return d%time.Hour < near || d%time.Hour > time.Hour-near
}

// Renews reports whether a certificate is among those to renew.
func (d Decision) Renews(name string) bool {
	return slices.ContainsFunc(d.Renew, func(r Renewal) bool { return r.Name == name })
}

// NeedsKubeadm reports whether the renewal has any use for a kubeadm: the kubelet's own are
// renewed without one, also on a worker that has none.
func (d Decision) NeedsKubeadm(s Seen) bool {
	return slices.ContainsFunc(s.Leaves, func(l Leaf) bool { return !l.Kubelet() && d.Renews(l.Name) })
}

// Group are those that cannot be renewed for one reason.
type Group struct {
	Names   []string
	Why, Do string
}

// Groups puts the refusals together that have one reason and one way out.
func (d Decision) Groups() (all []Group) {
	for _, r := range d.Refused {
		i := slices.IndexFunc(all, func(g Group) bool { return g.Why == r.Why && g.Do == r.Do })
		if i < 0 {
			i, all = len(all), append(all, Group{Why: r.Why, Do: r.Do})
		}
		all[i].Names = append(all[i].Names, r.Name)
	}
	return all
}
