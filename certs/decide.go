package certs

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// Within is how long before its end a certificate is renewed when the board starts.
const Within = 30 * 24 * time.Hour

// Year is how long kubeadm's and the kubelet's certificates are valid unless an
// owner chose otherwise.
const Year = 365 * 24 * time.Hour

// Ask is what is asked of a decision.
type Ask struct {
	Now time.Time
	// Within is how long before its end a certificate is to be renewed.
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
		reasons[l.Name] = due(l, ask)
		if reasons[l.Name] != "" && !l.Kubelet() {
			together = true
		}
	}
	for _, l := range s.Leaves {
		reason := reasons[l.Name]
		if why, do := s.refuse(l, ask); why != "" {
			if reason != "" {
				d.Refused = append(d.Refused, Refusal{l.Name, why, do})
			}
			continue
		}
		if reason == "" && together && (ask.All || !l.Kubelet()) {
			reason = "renewed with the others"
		}
		if reason != "" {
			d.Renew = append(d.Renew, Renewal{l.Name, reason})
		}
	}
	var ending []string
	for _, a := range s.Authorities {
		if a.Certificate != nil && a.Certificate.NotAfter.Before(ask.Now.Add(Year)) {
			ending = append(ending, a.Name+" on "+a.Certificate.NotAfter.UTC().Format(time.DateOnly))
		}
	}
	if ending != nil {
		d.Warnings = []string{"these authorities end within a year, and nothing that they have signed is valid for longer: " +
			strings.Join(ending, ", ") + "; " + rotateCA}
	}
	return d
}

// rotateCA is what can be done about an authority's end.
const rotateCA = "a new one is made by hand: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/"

// due says why a certificate is to be renewed; empty while it is not.
func due(l Leaf, ask Ask) string {
	if l.Problem != "" {
		return l.Problem
	}
	left := l.Certificate.NotAfter.Sub(ask.Now)
	switch {
	case left <= 0:
		return "expired on " + date(l.Certificate.NotAfter)
	case l.Certificate.NotBefore.After(ask.Now):
		return "not valid before " + date(l.Certificate.NotBefore)
	case left <= ask.Within:
		return fmt.Sprintf("expires in %d days", int(left/(24*time.Hour)))
	}
	return ""
}

// refuse says why a certificate cannot be renewed here, and what can be done.
func (s Seen) refuse(l Leaf, ask Ask) (why, do string) {
	switch {
	case l.Certificate == nil:
		return l.Problem, "remove " + shell.Quote(l.File) + " and have it made again: " + makeAgain(l)
	case l.Name == "kubelet-server":
		return "the kubelet asks the API server for it",
			"sudo systemctl restart kubelet, then: kubectl get csr; kubectl certificate approve NAME"
	case l.Authority == "":
		return "", "" // it signs itself
	}
	a, ok := s.Authority(l.Authority)
	switch {
	case !ok, !a.HasKey && !s.ControlPlane:
		if l.Authority == "ca" && !s.ControlPlane {
			return "this node has no key of the cluster's authority", WorkerHint
		}
		return "the authority " + l.Authority + " is not on this node", externalHint(l)
	case a.Certificate == nil:
		return a.Problem, "put the authority's certificate back, from a backup or another control-plane node"
	case l.Certificate.CheckSignatureFrom(a.Certificate) != nil:
		issuer := cmp.Or(l.Certificate.Issuer.CommonName, "somebody else")
		return "it was signed by " + issuer + " and not by " + a.File, externalHint(l)
	case !a.HasKey:
		return "the key of " + a.File + " is not on this node (an external CA)", externalHint(l)
	case a.Certificate.NotBefore.After(ask.Now):
		return fmt.Sprintf("the clock says %s, and the authority %s begins on %s",
			date(ask.Now), a.Name, date(a.Certificate.NotBefore)), "set the clock"
	case !a.Certificate.NotAfter.After(ask.Now):
		return fmt.Sprintf("the authority %s itself expired on %s", a.Name, date(a.Certificate.NotAfter)), rotateCA
	case ask.Unsure:
		return "the clock may be wrong", "set it, and run again: sudo kubeadm-arm certs renew"
	case !l.Certificate.NotAfter.Before(a.Certificate.NotAfter) && l.Certificate.NotAfter.After(ask.Now) &&
		l.Problem == "":
		return "it is valid for as long as its authority, to " + date(a.Certificate.NotAfter), rotateCA
	}
	return "", ""
}

// WorkerHint is the one command that gives a worker a new bootstrap. The token
// goes from one program's output into the other's input.
const WorkerHint = "on a control-plane node: " +
	"sudo kubeadm token create --ttl 1h | ssh THIS-NODE sudo kubeadm-arm certs renew --token-stdin"

func externalHint(l Leaf) string {
	if l.Authority == "etcd-ca" {
		return "get " + l.File + " and its key from whoever runs etcd, and restart the API server"
	}
	return "kubeadm certs generate-csr makes requests for all; have them signed by who keeps the authority"
}

// makeAgain is how kubeadm makes a file that is not there.
func makeAgain(l Leaf) string {
	name := strings.TrimSuffix(l.Name, ".conf")
	switch {
	case l.Name == "kubelet", l.Name == "kubelet-server":
		return "sudo systemctl restart kubelet"
	case l.Name == "kubelet-client":
		return "sudo kubeadm init phase kubeconfig kubelet"
	case l.Form == Kubeconfig:
		return "sudo kubeadm init phase kubeconfig " + name
	}
	return "sudo kubeadm init phase certs " + l.Name
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
