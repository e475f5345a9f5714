package kubeadm

import (
	"fmt"
	"io"
	"strings"
)

// WriteDocument writes the version table for people, as Markdown: one section
// per fact, one row per range of releases.
func WriteDocument(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "# What differs between kubeadm versions\n\nMade from the table in `kubeadm/facts.go` by `make "+
		"versions-table`; do not edit.\n")
	fmt.Fprintf(&out, "It covers v1.%d to v1.%d. Older versions are refused; newer ones are treated as v1.%d, with a "+
		"warning.\n", OldestMinor, NewestMinor, NewestMinor)
	fmt.Fprintf(&out, "Sources are files below `cmd/kubeadm/app` of k8s.io/kubernetes, pull requests (k/k#) or kubeadm "+
		"issues (kubeadm#).\n")
	var last FactName
	for _, f := range Facts() {
		if f.Name != last {
			fmt.Fprintf(&out, "\n## %s\n\n| versions | value | why it matters | source |\n|---|---|---|---|\n",
				strings.ToUpper(string(f.Name[:1]))+string(f.Name[1:]))
			last = f.Name
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", f.versions(), cell(strings.ReplaceAll(f.Value, ",", ", ")), cell(f.Why),
			cell(f.Source))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func cell(s string) string {
	if s == "" {
		return "–"
	}
	return strings.ReplaceAll(s, "|", "\\|")
}

// versions is the range in words: "v1.13 to v1.30", "from v1.31".
func (f Fact) versions() string {
	name := func(v Version) string {
		if v.Patch < 0 || v.Patch == 0 && f.To.Patch <= 0 {
			return fmt.Sprintf("v%d.%d", v.Major, v.Minor)
		}
		return v.String()
	}
	from := name(f.From)
	switch {
	case f.To == (Version{}):
		return "from " + from
	case f.To == f.From, f.To.Patch < 0 && f.To.Minor == f.From.Minor && f.From.Patch == 0:
		return from
	case f.To.Patch < 0 && f.To.Minor == f.From.Minor:
		return "v1." + fmt.Sprint(f.From.Minor) + " from patch " + fmt.Sprint(f.From.Patch)
	}
	return from + " to " + name(f.To)
}
