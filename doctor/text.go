package doctor

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// textWidth is that of a serial console; lines to copy are never broken.
const textWidth = 79

// Text writes a report for people: a line that sums it up, then what is bad in full
// and the worst first, what is well in one paragraph.
func Text(w io.Writer, r Report) error {
	var b strings.Builder
	var about []string
	for _, x := range []struct{ name, value string }{{"", r.Board}, {"kubeadm ", r.Kubeadm}, {"kubelet ", r.Kubelet},
		{"container runtime ", r.Runtime}} {
		if x.value != "" {
			about = append(about, x.name+x.value)
		}
	}
	if len(about) > 0 {
		wrap(&b, "", "", strings.Join(about, ", "))
	}
	if r.Stopped {
		b.WriteString("this system does not run: its files show what its next start will do\n")
	}
	printable.Fprintf(&b, "%s\n\n", r.Sum())
	for _, s := range []Severity{Fail, Warning, Info} {
		of := r.Of(s)
		slices.SortStableFunc(of, func(a, b Finding) int { return strings.Compare(fmt.Sprint(a.Brief), fmt.Sprint(b.Brief)) })
		for _, f := range of {
			f.write(&b)
		}
	}
	var well []string
	for _, f := range r.Of(OK) {
		well = append(well, f.ID)
	}
	if len(well) > 0 {
		wrap(&b, "ok       ", "         ", strings.Join(well, ", "))
	}
	if len(r.Unknown) > 0 {
		wrap(&b, "unknown  ", "         ", strings.Join(r.Unknown, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Fails writes the findings that stop init, in full.
func Fails(w io.Writer, r Report) error {
	var b strings.Builder
	for _, f := range r.Of(Fail) {
		f.write(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Sum counts the findings in words.
func (r Report) Sum() string {
	verb := string(cmp.Or(r.Command, kubeadm.Init))
	count := func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	fails, warnings := len(r.Of(Fail)), len(r.Of(Warning))
	switch {
	case fails > 0 && warnings > 0:
		return count(fails, "finding", "findings") + " would make " + verb + " fail, " +
			count(warnings, "warning", "warnings")
	case fails > 0:
		return count(fails, "finding", "findings") + " would make " + verb + " fail"
	case warnings > 0:
		return "nothing would make " + verb + " fail; " + count(warnings, "warning", "warnings")
	}
	return "nothing would make " + verb + " fail"
}

// remark says whose rule it is, and what leaving it aside comes to.
func (r Rule) remark() string {
	switch r {
	case PreflightRule:
		return "kubeadm's own check"
	case OwnRule:
		return "a rule of kubeadm-arm, not of kubeadm"
	}
	return "a rule of " + string(r) + ", which stops there regardless"
}

// write is one finding with its advice.
func (f Finding) write(b *strings.Builder) {
	head := map[Severity]string{Fail: "FAIL     ", Warning: "warning  ", Info: "info     "}[f.Severity]
	const indent = "         "
	if f.Brief {
		printable.Fprintf(b, "%s%s: %s\n", head, f.ID, f.Seen)
		return
	}
	wrap(b, head, indent, f.ID+": "+f.Seen)
	if f.Means != "" {
		wrap(b, indent, indent, f.Means)
	}
	for _, line := range f.Fix {
		printable.Fprintf(b, "%s  %s\n", indent, line)
	}
	if f.Severity == Fail && !strings.Contains(strings.Join(f.Fix, " "), "--ignore-preflight-errors") {
		printable.Fprintf(b, "%sto continue anyway: --ignore-preflight-errors=%s    # %s\n", indent,
			strings.Join(f.IgnoreNames(), ","), f.Rule.remark())
	}
	if f.Ignored {
		printable.Fprintf(b, "%signored, as --ignore-preflight-errors says\n", indent)
	}
	b.WriteByte('\n')
}

// wrap writes text in lines of textWidth, broken at blanks.
func wrap(b *strings.Builder, first, indent, text string) {
	line := first
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && len(line)+1+len(word) > textWidth {
			b.WriteString(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
}
