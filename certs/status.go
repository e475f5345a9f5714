package certs

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// Status is what `kubeadm-arm certs status` shows. Nothing in it is secret.
type Status struct {
	Clock        Clock          `json:"clock"`
	ControlPlane bool           `json:"controlPlane"`
	Dir          string         `json:"certificatesDir"`
	Certificates []StatusOfLeaf `json:"certificates"`
	Authorities  []StatusOfLeaf `json:"authorities"`
	Decision
}

// StatusOfLeaf is one certificate. Days are whole days left, negative when it has
// expired.
type StatusOfLeaf struct {
	Name    string    `json:"name"`
	File    string    `json:"file"`
	Expires time.Time `json:"expires,omitzero"`
	Days    int       `json:"daysLeft"`
	Issuer  string    `json:"issuer,omitempty"`
	Stops   string    `json:"stops,omitempty"`
	Key     string    `json:"key,omitempty"`
	Problem string    `json:"problem,omitempty"`
}

// StatusOf puts together what was seen and what there is to do.
func StatusOf(s Seen, clock Clock) Status {
	st := Status{
		Clock: clock, ControlPlane: s.ControlPlane, Dir: s.Dir,
		Certificates: []StatusOfLeaf{}, Authorities: []StatusOfLeaf{},
		Decision: Decide(s, Ask{Now: clock.Now, Within: Within, Unsure: !clock.Right()}),
	}
	for _, l := range s.Leaves {
		x := StatusOfLeaf{Name: l.Name, File: l.File, Stops: l.Stops, Problem: l.Problem, Issuer: l.Authority}
		a, _ := s.Authority(l.Authority)
		if c := l.Certificate; c != nil {
			x.Expires, x.Days = c.NotAfter.UTC(), daysTo(c.NotAfter, clock.Now)
			x.Key = Algorithm(c.PublicKey)
			if l.Authority == "" || a.Certificate != nil && c.CheckSignatureFrom(a.Certificate) != nil {
				x.Issuer = c.Issuer.CommonName
			}
		}
		st.Certificates = append(st.Certificates, x)
	}
	for _, a := range s.Authorities {
		x := StatusOfLeaf{Name: a.Name, File: a.File, Stops: "all that it has signed"}
		x.Problem = cmp.Or(a.Problem, a.KeyProblem)
		if c := a.Certificate; c != nil {
			x.Expires, x.Days = c.NotAfter.UTC(), daysTo(c.NotAfter, clock.Now)
			x.Issuer, x.Key = c.Issuer.CommonName, Algorithm(c.PublicKey)
		}
		st.Authorities = append(st.Authorities, x)
	}
	return st
}

// daysTo counts whole days; a certificate that expired this hour has -1.
func daysTo(end, now time.Time) int {
	const day = 24 * time.Hour
	left := end.Sub(now)
	if left < 0 {
		return int((left - day + 1) / day)
	}
	return int(left / day)
}

// NothingHere is said where there is nothing to look at.
const NothingHere = "no certificates of kubeadm or a kubelet are here"

// Text is the status for a terminal of 80 columns.
func (s Status) Text() string {
	var b strings.Builder
	if len(s.Certificates)+len(s.Authorities) == 0 {
		return NothingHere + "\n"
	}
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, day, left, stops string) { fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, day, left, stops) }
	list := func(all []StatusOfLeaf) {
		for _, c := range all {
			day, left := "unreadable", ""
			if !c.Expires.IsZero() {
				day, left = c.Expires.Format(time.DateOnly), fmt.Sprint(c.Days)
			}
			row(c.Name, day, left, c.Stops)
		}
	}
	for _, issuer := range s.issuers() {
		var group []StatusOfLeaf
		for _, c := range s.Certificates {
			if s.issuer(c) == issuer {
				group = append(group, c)
			}
		}
		row(strings.ToUpper(issuer), "EXPIRES", "DAYS", "STOPS WHEN IT EXPIRES")
		list(group)
	}
	row("AUTHORITIES", "EXPIRES", "DAYS", "")
	list(s.Authorities)
	_ = t.Flush()                      // a strings.Builder takes everything
	for _, c := range s.Certificates { // the authorities' are among the warnings
		if c.Problem != "" {
			fmt.Fprintf(&b, "%s: %s\n", c.Name, c.Problem)
		}
	}
	b.WriteString("\n" + s.next())
	return b.String()
}

// issuer is the heading that a certificate is listed below.
func (s Status) issuer(c StatusOfLeaf) string {
	for _, a := range s.Authorities {
		if c.Issuer == a.Name {
			return "signed by " + a.Name
		}
	}
	return "others"
}

func (s Status) issuers() []string {
	var all []string
	seen := map[string]bool{}
	for _, c := range s.Certificates {
		if i := s.issuer(c); !seen[i] {
			seen[i] = true
			all = append(all, i)
		}
	}
	return all
}

// next says what there is to do, one line for each thing.
func (s Status) next() string {
	var b strings.Builder
	if !s.Clock.Right() {
		b.WriteString("The clock may be wrong:\n" + indent(s.Clock.Why()))
	}
	switch {
	case len(s.Renew) > 0:
		b.WriteString("Renew with: sudo kubeadm-arm certs renew\n")
	case len(s.Refused) == 0:
		b.WriteString("Nothing to renew.\n")
	}
	for _, g := range s.Groups() {
		names := strings.TrimLeft(indent(strings.Join(g.Names, ", ")+" cannot be renewed here:"), " ")
		b.WriteString(names + indent(g.Why) + whole(g.Do))
	}
	for _, w := range s.Warnings {
		b.WriteString(indent(w))
	}
	return b.String()
}

// whole is a text with a command in it, which is to be pasted, on one line; others are wrapped.
func whole(text string) string {
	if strings.Contains(text, "sudo ") {
		return "  " + text + "\n"
	}
	return indent(text)
}

// indent wraps a text at 78 columns; words longer than that, such as links, stay whole.
func indent(text string) string {
	var b strings.Builder
	line := " "
	for _, w := range strings.Fields(text) {
		if len(line)+1+len(w) > 78 && line != " " {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + w
	}
	return b.String() + line + "\n"
}
