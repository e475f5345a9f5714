package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/kubeadm-arm/kubeadm-arm/"

// TestImports holds the house's order: who may import whom, each ban with its
// reason.
func TestImports(t *testing.T) {
	ground := []string{"hwdetect", "bench", "patch", "kubeadm", "storage"}
	internal := []string{"internal/durable", "internal/fault", "internal/linux", "internal/printable", "internal/safefile", "internal/shell", "internal/systemd", "internal/text"}
	type rule struct {
		pkg     string
		allowed []string
		why     string
	}
	rules := []rule{
		{"hwdetect", nil, "a ground-floor package stands alone"},
		{"bench", nil, "a ground-floor package stands alone"},
		{"patch", nil, "a ground-floor package stands alone"},
		{"kubeadm", nil, "a ground-floor package stands alone"},
		{"storage", nil, "a ground-floor package stands alone"},
		{"plan", ground, "the decision must not reach up to what carries it out"},
		{"doctor", []string{"hwdetect", "kubeadm", "internal/tomledit"}, "a diagnosis is made from facts; it must not reach what decides or changes"},
		{"internal/tomledit", nil, "a text in, a text out"},
		{"bootstrap/state", []string{"kubeadm"}, "where things lie, and who may work on them, is all that it knows"},
		{"bootstrap/podlog", []string{"plan"}, "it reads log files and nothing else"},
		{"bootstrap/manifests", []string{"bootstrap/state", "plan", "patch"}, "moving manifests must not know of runs"},
		{"bootstrap/await", []string{"bootstrap/state", "bootstrap/podlog", "plan", "patch"}, "waiting must not know of runs"},
		{"bootstrap/diagnose", []string{"bootstrap/state", "bootstrap/podlog", "plan", "kubeadm"}, "an explanation changes nothing"},
		{"bootstrap", append([]string{"plan", "bootstrap/state", "bootstrap/podlog", "bootstrap/manifests", "bootstrap/await",
			"bootstrap/diagnose"}, ground...), "carrying out must not know how it is shown"},
		{"report", append([]string{"plan"}, ground...), "a report is about a run, it must not start one"},
	}
	for _, pkg := range internal {
		rules = append(rules, rule{pkg, nil, "what all packages rest on rests on none of them"})
	}
	for _, r := range rules {
		r.allowed = append(slices.Clone(r.allowed), internal...)
		for _, imp := range imports(t, r.pkg) {
			if ours, ok := strings.CutPrefix(imp, module); ok {
				assert.True(t, slices.Contains(r.allowed, ours), "%s imports %s: %s", r.pkg, ours, r.why)
			}
		}
	}
	for _, pkg := range []string{"plan", "doctor", "internal/tomledit"} {
		for _, imp := range imports(t, pkg) {
			assert.NotContains(t, []string{"os", "os/exec", "net", "net/http", "io/ioutil", "syscall"}, imp, pkg+" is pure: it opens no file and starts no process")
		}
	}
	for _, pkg := range []string{"kubeadm", "bootstrap", "plan", "cmd/kubeadm-arm"} {
		for _, imp := range imports(t, pkg) {
			if rest, ok := strings.CutPrefix(imp, "k8s.io/kubernetes/"); ok {
				assert.True(t, strings.HasPrefix(rest, "cmd/kubeadm/app/apis/"), "%s imports %s: kubeadm's commands and phases are no library", pkg, imp)
			}
		}
	}
}

func imports(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+pkg).Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}
