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
		"issues (kubeadm#).\nDifferences that no code looks up are in [versions-background.md](versions-background.md).\n")
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
	switch f.To {
	case 0:
		return fmt.Sprintf("from v1.%d", f.From)
	case f.From:
		return fmt.Sprintf("v1.%d", f.From)
	}
	return fmt.Sprintf("v1.%d to v1.%d", f.From, f.To)
}
