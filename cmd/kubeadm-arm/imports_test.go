package main

import (
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/kubeadm-arm/kubeadm-arm/"

// importRule says which packages of this repository a package may import: space-separated,
// each a pattern of path.Match, and why no others.
type importRule struct{ pkg, may, why string }

// sublayer is what every package may rest on.
const sublayer = "internal/containerd internal/durable internal/fault internal/kubeconfig internal/linux " +
	"internal/printable internal/runner internal/safefile internal/shell internal/systemd internal/text internal/tree "

// The first rule whose pattern matches a package is its own.
func importRules() []importRule {
	return []importRule{
		{"cmd/kubeadm-arm", sublayer + "cluster cmd/kubeadm-arm/screen bench bootstrap bootstrap/* certs doctor hwdetect hwdetect/host kubeadm patch plan report storage", "nothing rests on a command"},
		{"cmd/kubeadm-arm/screen", sublayer + "bootstrap kubeadm plan", "what shows a run must not start one"},
		{"bootstrap", sublayer + "bootstrap/* certs kubeadm patch plan", "carrying a plan out must not know how it is shown, nor measure or move storage"},
		{"bootstrap/state", sublayer + "kubeadm", "where things lie, and who may work on them, is all that it knows"},
		{"bootstrap/journal", sublayer + "bootstrap/state kubeadm plan", "the record of a run does not know how a step is carried out"},
		{"bootstrap/podlog", sublayer + "plan", "it reads log files and nothing else"},
		{"bootstrap/manifests", sublayer + "bootstrap/await bootstrap/state kubeadm patch plan", "moving manifests must not know of runs"},
		{"bootstrap/await", sublayer + "cluster bootstrap/podlog bootstrap/state patch plan", "waiting must not know of runs"},
		{"bootstrap/diagnose", sublayer + "bootstrap/podlog bootstrap/state kubeadm plan", "an explanation changes nothing"},
		{"bootstrap/boardtest", sublayer + "bootstrap/state plan", "a board for tests"},
		{"plan", "bench hwdetect kubeadm patch internal/text", "a decision is made from facts: it must not reach what carries it out"},
		{"cluster", sublayer, "what a cluster answers does not depend on what is done with it"},
		{"doctor", sublayer + "cluster hwdetect hwdetect/host kubeadm internal/tomledit", "a diagnosis is made from facts: it must not reach what decides or changes"},
		{"report", sublayer + "bench hwdetect kubeadm plan", "a report is about a run: it must not start one"},
		{"hwdetect", sublayer + "hwdetect/internal/rootfs", "what the board is does not depend on what is done with it"},
		{"hwdetect/host", sublayer + "hwdetect hwdetect/internal/rootfs", "what the board is does not depend on what is done with it"},
		{"hwdetect/internal/rootfs", sublayer, "it reads files, whatever is in them"},
		{"bench", sublayer, "how fast the board is does not depend on what is done with it"},
		{"patch", sublayer, "a manifest in, a manifest out"},
		{"kubeadm", sublayer, "facts about kubeadm do not depend on what is done with it"},
		{"certs", sublayer + "kubeadm", "it renews certificates long after any bootstrap, and without one"},
		{"storage", sublayer + "storage/*", "it works before there is any bootstrap"},
		{"storage/*", sublayer, "the parts of storage do not know the whole"},
		{"internal/safefile", "internal/fault", "the sub-layer rests on nothing but itself"},
		{"internal/tree", "internal/durable internal/safefile internal/shell", "the sub-layer rests on nothing but itself"},
		{"internal/systemd", "internal/shell", "the sub-layer rests on nothing but itself"},
		{"internal/*", "", "the sub-layer rests on nothing but itself"},
		{"tools/*", sublayer + "bench hwdetect kubeadm patch plan report", "a generator is no part of the program, and nothing imports it"},
		{"docs", "", "it holds documents and their tests"},

		{"lab", "lab/* lab/board/*", "it drives the built program and imports none of it"},
		{"lab/cache", "lab/progress", "a lower package of lab's rests on no board"},
		{"lab/cgroup", "lab/cache", "a lower package of lab's rests on no board"},
		{"lab/command", "", "a lower package of lab's rests on no board"},
		{"lab/progress", "", "a lower package of lab's rests on no board"},
		{"lab/tarfile", "", "a lower package of lab's rests on no board"},
		{"lab/deps", "lab/command lab/progress", "a lower package of lab's rests on no board"},
		{"lab/network", "lab/cache", "a lower package of lab's rests on no board"},
		{"lab/drive", "", "it drives boards from outside, through the program lab"},
		{"lab/kube", "lab/cache lab/command lab/progress lab/tarfile", "kubeadm-arm-images builds Kubernetes without a board"},
		{"lab/emulate", "lab/tarfile", "an emulator knows no Kubernetes"},
		{"lab/emulate/guest", "", "it runs inside of the emulated board"},
		{"lab/board", "lab/* lab/board/*", "boards come before what tries things on them"},
		{"lab/board/emulated", "lab/* ", "boards come before what tries things on them"},
		{"lab/board/supervisor", "lab/command", "it is process 1 of a board"},
		{"lab/*", "lab/drive", "what tries things on boards drives the program lab as its users do"},
	}
}

// TestImports holds the order of the packages, for each that there is in both modules.
func TestImports(t *testing.T) {
	all := imports(t, ".")
	for pkg, list := range imports(t, "../../lab") {
		all[pkg] = list
	}
	require.Contains(t, all, "lab")
	used := map[string]bool{}
	for pkg, list := range all {
		rule := ruleOf(pkg)
		if !assert.NotEmpty(t, rule.pkg, "%s has no rule: say what it may import, and why nothing else", pkg) {
			continue
		}
		used[rule.pkg] = true
		for _, imp := range list {
			if ours, ok := strings.CutPrefix(imp, module); ok {
				assert.True(t, matchesAny(strings.Fields(rule.may), ours), "%s imports %s: %s", pkg, ours, rule.why)
			}
		}
	}
	for _, r := range importRules() {
		assert.True(t, used[r.pkg], "there is no package %s", r.pkg)
	}
}

// TestForeignImports: what packages must not use of the standard library and of others.
func TestForeignImports(t *testing.T) {
	changes := []string{"os", "os/exec", "net", "net/http", "io/ioutil", "syscall", "golang.org/x/sys/unix"}
	for pkg, list := range imports(t, ".") {
		for _, imp := range list {
			switch pkg {
			case "plan", "doctor", "internal/tomledit", "internal/text":
				assert.NotContains(t, changes, imp, "%s is pure: it opens no file and starts no process", pkg)
			}
			if rest, ok := strings.CutPrefix(imp, "k8s.io/kubernetes/"); ok {
				assert.True(t, strings.HasPrefix(rest, "cmd/kubeadm/app/apis/"),
					"%s imports %s: kubeadm's commands and phases are no library", pkg, imp)
			}
			assert.False(t, strings.HasPrefix(imp, "k8s.io/client-go"), "%s imports %s: 10 MB for a few requests", pkg, imp)
			// A template finds methods by name as it runs, so the linker keeps those of all types. Modules may
			// import the packages, as cobra and gomponents do, as long as they execute none.
			if !strings.HasPrefix(pkg, "tools/") {
				assert.NotContains(t, []string{"text/template", "html/template"}, imp, "%s: templates cost 4 MB", pkg)
			}
		}
	}
}

func ruleOf(pkg string) importRule {
	for _, r := range importRules() {
		if matchesAny([]string{r.pkg}, pkg) {
			return r
		}
	}
	return importRule{}
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}

// imports are the packages of a module, without the path that all have in common, and what
// each imports outside of tests.
func imports(t *testing.T, dir string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")
	cmd.Dir = dir
	out, err := cmd.Output()
	require.NoError(t, err)
	all := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		words := strings.Fields(line)
		all[strings.TrimPrefix(words[0], module)] = words[1:]
	}
	return all
}
