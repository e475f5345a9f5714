package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// A badInput is one way of being wrong: its exit code, and in
// testdata/badinput/NAME.golden what the owner reads.
type badInput struct {
	name string
	code int
	// words are the command line; it is split at spaces.
	words string
	trial trial
}

// The catalogue, by what is wrong.
func badInputs() []badInput {
	return slices.Concat(badFlags(), badJoins(), badEnvironment(), badPrograms(), badConfigs(), badJournals(), badBoards(),
		badManifests(), badReports(), badPatches(), badCPUs(), badStorage(), badUpgrades())
}

// Each bad input leads to one line that says what is wrong, one hint, an exit
// code of the README, and changes nothing: every file's kind, mode, owner, time
// and text is what it was.
func TestBadInput(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range badInputs() {
		require.False(t, seen[c.name], "two cases are called %s", c.name)
		seen[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.trial.Args = strings.Fields(c.words)
			if c.trial.Cluster != nil {
				c.trial.Args = append(c.trial.Args, "--ignore-preflight-errors="+machineFindings)
			}
			e := tryOnBoard(t, c.trial)
			e.Stderr = strings.ReplaceAll(e.Stderr, machineFindings, "(this machine's findings)")
			got := shownToOwner(c, e)
			path := filepath.Join("testdata/badinput", c.name+".golden")
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, string(want), got)
			assert.Equal(t, c.code, e.Code)
			assert.Empty(t, e.Changed, "nothing is changed")
			assert.Empty(t, e.Writes, "nor in the cluster")
			assert.Empty(t, e.Told, "the token is for the cluster alone")
			for _, secret := range []string{joinSecret, certificateKey, "a secret is among the arguments"} {
				assert.NotContains(t, e.Stdout+e.Stderr, secret)
			}
			if c.code == 0 {
				return
			}
			var ours, hints []string
			for _, line := range strings.Split(e.Stderr, "\n") {
				if strings.HasPrefix(line, "kubeadm-arm: ") {
					ours = append(ours, line)
				}
				if strings.HasPrefix(line, "hint: ") {
					hints = append(hints, line)
				}
			}
			assert.Len(t, ours, 1, "one line says what is wrong")
			assert.Len(t, hints, 1, "one line says what to do")
			for _, line := range append(ours, hints...) {
				assert.LessOrEqual(t, len(line), 300, "it can be read")
			}
		})
	}
	golden, err := filepath.Glob("testdata/badinput/*.golden")
	require.NoError(t, err)
	if !*update && flag.Lookup("test.run").Value.String() == "" {
		assert.Len(t, golden, len(seen), "a golden file for each case and none besides")
	}
	assert.GreaterOrEqual(t, len(seen), 60)
}

// What differs from machine to machine, or says nothing about the input.
var volatile = []struct {
	pattern *regexp.Regexp
	instead string
}{
	// The plan has tests of its own.
	{regexp.MustCompile(`(?m)^(slowdown|expected [a-zA-Z ]+|key algorithm|staged start): .*\n`), ""},
	{regexp.MustCompile(`\[\d+/\d+\]`), "[step]"},
	{regexp.MustCompile(`step \d+ of \d+`), "step N"},
	{regexp.MustCompile(`steps done of \d+`), "steps done of N"},
	{regexp.MustCompile(`(done in|failed after) [0-9.]+m?s`), "$1 (time)"},
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "sha256:(its hash)"},
	{regexp.MustCompile(`the clock says [0-9: -]+`), "the clock says (now)"},
	{regexp.MustCompile(`date -u -s '[0-9: -]+'`), "date -u -s '(the cluster's)'"},
	{regexp.MustCompile(`127\.0\.0\.1:\d{5}->`), "127.0.0.1->"},
	{regexp.MustCompile(`\d+ KiB free`), "N KiB free"},
	{regexp.MustCompile(`this CPU is [^:]*:`), "this CPU is (this machine's):"},
	{regexp.MustCompile(`this is .* \(\d+ cores, .*\)`), "this is (this machine)"},
	{regexp.MustCompile(`begun on another board: .*; this`), "begun on another board: (that board); this"},
}

// aboutMachine matches doctor's warnings. Those about a cluster are no matter of this machine.
var aboutMachine = regexp.MustCompile(`(?m)^warning: ([a-z0-9-]+): .*\n`)

func withoutMachine(out string) string {
	return aboutMachine.ReplaceAllStringFunc(out, func(line string) string {
		ofJoin := []string{"api-server", "node-name", "version-skew", "config-fields"}
		if slices.Contains(ofJoin, aboutMachine.FindStringSubmatch(line)[1]) {
			return line
		}
		return ""
	})
}

func shownToOwner(c badInput, e ended) string {
	var b strings.Builder
	name := c.trial.Called
	if name == "" {
		name = "kubeadm-arm"
	}
	for _, env := range c.trial.Env {
		fmt.Fprintf(&b, "%s ", env)
	}
	fmt.Fprintf(&b, "$ %s\n", strings.TrimSpace(name+" "+c.words))
	out := withoutMachine(e.Stdout + e.Stderr)
	for _, v := range volatile {
		out = v.pattern.ReplaceAllString(out, v.instead)
	}
	fmt.Fprintf(&b, "%s[exit code %d]\n", out, e.Code)
	return b.String()
}

// with makes a trial whose board has these files besides.
func with(all ...any) trial { return trial{Files: files(all...)} }

func (c trial) env1(env ...string) trial { c.Env = append(slices.Clone(c.Env), env...); return c }

func (c trial) and(all ...any) trial {
	m := maps.Clone(c.Files)
	if m == nil {
		m = map[string]entry{}
	}
	maps.Copy(m, files(all...))
	c.Files = m
	return c
}

func badFlags() []badInput {
	return []badInput{
		{"flag-output", exitUsage, "init --output xml", trial{}},
		{"flag-output-empty", exitUsage, "init --output=", trial{}},
		{"flag-profile", exitUsage, "init --profile turbo", trial{}},
		{"flag-endpoint-is-a-url", exitUsage, "upgrade apply v1.37.2 --control-plane-endpoint https://cp:6443", trial{}},
		{"flag-profile-swallows", exitUsage, "init --profile --dry-run", trial{}},
		{"flag-storage-empty", exitUsage, "init --storage=", trial{}},
		{"flag-storage-without-value", exitUsage, "init --storage", trial{}},
		{"flag-storage-wrong", exitUsage, "init --storage UUID=1,mount", trial{}},
		{"flag-dry-run-maybe", exitUsage, "init --dry-run=maybe", trial{}},
		{"flag-help-maybe", exitUsage, "detect --help=maybe", trial{}},
		{"flag-of-resume-for-init", exitUsage, "resume --storage=UUID=1", trial{}},
		{"flag-slowdown-of-patch-huge", exitUsage, "patch --slowdown 1e300", trial{}},
		{"flag-slowdown-of-patch-nan", exitUsage, "patch --slowdown NaN", trial{}},
		{"flag-config-without-value", exitUsage, "init --config", trial{}},
		{"flag-bench-without-value", exitUsage, "init --arm-bench", trial{}},
		{"flag-kubeadm-without-value", exitUsage, "init --arm-kubeadm", trial{}},
		{"flag-kubeadm-without-value-elsewhere", exitUsage, "token list --arm-kubeadm", trial{}},
		{"flag-misspelt", exitUsage, "init --arm-bensh x.json", trial{}},
		{"flag-report-is-a-file", exitUsage, "init --arm-report /mnt/reports", with("/mnt/reports", file(""))},
		{"flag-unknown-to-kubeadm", 1, "init --no-such-flag --ignore-preflight-errors=all", trial{Begun: true}},
		{"flag-of-detect", exitUsage, "detect --no-such-flag", trial{}},
		{"flag-output-of-detect", exitUsage, "detect -o xml", trial{}},
		{"flag-root-of-detect", exitBadInput, "detect --root /no/such/folder", trial{}},
		{"flag-of-bench", exitUsage, "bench --no-such-flag", trial{}},
		{"flag-output-of-bench", exitUsage, "bench -o xml", trial{}},
		{"flag-budget-of-bench", exitUsage, "bench --budget soon", trial{}},
		{"flag-budget-of-bench-below-zero", exitUsage, "bench --budget -5s", trial{}},
		{"flag-word-of-bench", exitUsage, "bench /var/lib/etcd", trial{}},
		{"flag-word-of-detect", exitUsage, "detect me", trial{}},
		{"flag-slowdown-of-patch", exitUsage, "patch --slowdown much", trial{}},
		{"flag-slowdown-of-patch-below-zero", exitUsage, "patch --slowdown -3", trial{}},
		{"flag-words-of-patch", exitUsage, "patch a b", trial{}},
		{"flag-words-of-report", exitUsage, "report", trial{}},
		{"flag-words-of-report-show", exitUsage, "report show", trial{}},
		{"flag-words-of-report-compare", exitUsage, "report compare a.json", trial{}},
		{"flag-output-of-report", exitUsage, "report show /opt/slow-board.json -o pdf", trial{}},
		{"flag-output-of-report-compare", exitUsage, "report compare /opt/slow-board.json /opt/slow-board.json -o pdf", trial{}},
		{"flag-output-of-status", exitUsage, "status -o yaml", trial{}},
		{"flag-word-of-status", exitUsage, "status now", trial{}},
		{"flag-of-resume", exitUsage, "resume --config x.yaml", trial{}},
		{"flag-word-of-abort", exitUsage, "abort now", trial{}},
		{"flag-patience-of-release", exitUsage, "release --wait --patience long", trial{}},
	}
}

// badJoins are joins that cannot work; package kubeadm has the table of all arguments.

func badEnvironment() []badInput {
	nobody := trial{Nobody: true}
	return []badInput{
		{"env-output", exitUsage, "init", trial{}.env1("KUBEADM_ARM_OUTPUT=xml")},
		{"env-storage", exitUsage, "init", trial{}.env1("KUBEADM_ARM_STORAGE=UUID=1,mount")},
		{"env-profile", exitUsage, "init", trial{}.env1("KUBEADM_ARM_PROFILE=turbo")},
		{"env-kubeadm", exitNoKubeadm, "init", trial{}.env1("KUBEADM_ARM_KUBEADM=/no/such/kubeadm")},
		{"env-bench", exitBadInput, "init", trial{}.env1("KUBEADM_ARM_BENCH=/no/such/bench.json")},
		{"env-report", exitUsage, "init", with("/mnt/reports", file("")).env1("KUBEADM_ARM_REPORT=/mnt/reports")},
		{"env-no-path", exitNoKubeadm, "init", trial{}.env1("PATH=")},
		{"env-relative-path", exitNoKubeadm, "init", with("/mnt/here/kubeadm", program("#!/bin/sh\n")).env1("PATH=here")},
		{"not-root-init", exitNotRoot, "init", nobody},
		{"not-root-resume", exitNotRoot, "resume", nobody},
		{"not-root-status", exitNotRoot, "status", nobody},
		{"not-root-abort", exitNotRoot, "abort", nobody},
		{"not-root-release", exitNotRoot, "release", nobody},
		{"not-root-patch", exitNotRoot, "patch --slowdown 20 /etc/kubernetes/manifests", nobody},
	}
}

func badPrograms() []badInput {
	const elfARM64 = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00\x01\x00\x00\x00"
	foreign := elfARM64 + strings.Repeat("\x00", 28) + "\x40\x00\x38\x00\x00\x00\x40\x00\x00\x00\x00\x00"
	return []badInput{
		{"kubeadm-named-is-not-there", exitNoKubeadm, "init --arm-kubeadm /no/such/kubeadm", trial{}},
		{"kubeadm-named-is-a-folder", exitNoKubeadm, "init --arm-kubeadm /mnt", trial{}},
		{"kubeadm-named-is-not-executable", exitNoKubeadm, "init --arm-kubeadm plain", with("/mnt/plain", file(""))},
		{"kubeadm-named-is-this-program", exitNoKubeadm, "init --arm-kubeadm /opt/bin/kubeadm-arm", trial{}},
		{"kubeadm-link-is-this-program", exitNoKubeadm, "version", trial{Called: "kubeadm", Files: files("/mnt/bin/kubeadm", link("/opt/bin/kubeadm-arm"))}.env1("PATH=/mnt/bin:/usr/bin:/bin")},
		{"kubeadm-for-another-cpu", exitIllegal, "init", with("/opt/bin/kubeadm", program(foreign))},
		{"kubeadm-for-another-cpu-passed-through", exitIllegal, "join 10.0.0.1:6443", with("/opt/bin/kubeadm", program(foreign))},
		{"kubeadm-too-old", exitTooOld, "init", trial{}.env1("FAKE_VERSION=v1.12.10")},
		{"kubeadm-says-nonsense", exitNoKubeadm, "init", trial{}.env1("FAKE_VERSION=hello")},
		{"kubeadm-says-nothing", exitNoKubeadm, "init", trial{}.env1("FAKE_VERSION=")},
		{"kubeadm-fails", exitNoKubeadm, "init", trial{}.env1("FAKE_VERSION_EXIT=2")},
		{"kubeadm-is-no-program", exitNoKubeadm, "init", with("/opt/bin/kubeadm", program("\x00\x01\x02"))},
		{"kubeadm-interpreter-missing", exitNoKubeadm, "init", with("/opt/bin/kubeadm", program("#!/no/such/shell\n"))},
		{"kubelet-missing", exitMissing, "init", with("/mnt/only/kubeadm", program(fakeKubeadm)).env1("PATH=/mnt/only:/usr/bin:/bin")},
		{"preflight-fails", 1, "init --ignore-preflight-errors=all", trial{Begun: true}.env1("FAKE_PREFLIGHT=1")},
	}
}

func badConfigs() []badInput {
	init := func(name, text string) badInput {
		return badInput{"config-" + name, exitBadConfig, "init --config k.yaml", with("/mnt/k.yaml", file(text))}
	}
	const head = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: "
	return []badInput{
		{"config-missing", exitBadConfig, "init --config /no/such.yaml", trial{}},
		{"config-folder", exitBadConfig, "init --config /mnt", trial{}},
		{"config-pipe", exitBadConfig, "init --config p", with("/mnt/p", pipe())},
		{"config-dangling-link", exitBadConfig, "init --config k.yaml", with("/mnt/k.yaml", link("gone.yaml"))},
		{"config-unreadable", exitBadConfig, "init --dry-run --config k.yaml", trial{Nobody: true, Files: files("/mnt/k.yaml", file(head+"InitConfiguration\n"))}},
		{"config-dry-run", exitBadConfig, "init --dry-run --config /no/such.yaml", trial{}},
		init("empty", ""),
		init("comments-only", "# nothing yet\n---\n# nor here\n"),
		init("malformed", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: [a\n"),
		init("tab", head+"InitConfiguration\nnodeRegistration:\n\tname: bpi\n"),
		init("list", "- a\n- b\n"),
		init("word", "hello\n"),
		init("json-cut-off", `{"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "Init`),
		init("no-kind", "apiVersion: kubeadm.k8s.io/v1beta4\n"),
		init("no-api-version", "kind: InitConfiguration\n"),
		init("wrong-type", head+"InitConfiguration\nlocalAPIEndpoint:\n  bindPort: many\n"),
		init("wrong-type-deep", head+"ClusterConfiguration\nnetworking: 10.244.0.0/16\n"),
		init("duration", head+"InitConfiguration\ntimeouts:\n  kubernetesAPICall: five minutes\n"),
		init("duplicate-key", head+"ClusterConfiguration\nclusterName: a\nclusterName: b\n"),
		init("duplicate-document", head+"ClusterConfiguration\n---\n"+head+"ClusterConfiguration\n"),
		init("token", head+"InitConfiguration\nbootstrapTokens:\n- token: not-a-token\n"),
		init("nul", head+"InitConfiguration\x00\n"),
		init("utf16", "\xff\xfea\x00p\x00i\x00V\x00e\x00r\x00s\x00i\x00o\x00n\x00"),
		init("large", "#"+strings.Repeat(strings.Repeat("x", 1023)+"\n#", 4<<10)),
		init("join-only", head+"JoinConfiguration\n"),
		init("of-another-group", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\n"),
		init("unknown-version", "apiVersion: kubeadm.k8s.io/v1beta9\nkind: InitConfiguration\n"),
		init("removed-version", "apiVersion: kubeadm.k8s.io/v1beta1\nkind: InitConfiguration\n"),
	}
}

// interrupted is a board on which an init with --node-name=bpi was interrupted:
// kubeadm failed at its second call.
func interruptedBoard() trial {
	return trial{Before: []string{"kubeadm-arm init --node-name=bpi --ignore-preflight-errors=all"}}
}

const journalPath = "/etc/kubernetes/kubeadm-arm/journal.json"

func badJournals() []badInput {
	journal := func(name, text string) badInput {
		return badInput{"journal-" + name, exitBadInput, "init", with("/etc/kubernetes/kubeadm-arm", folder(0o700),
			journalPath, file(text))}
	}
	edit := func(name string, code int, words, sed string) badInput {
		c := interruptedBoard()
		c.After = "sed -i '" + sed + "' " + journalPath
		return badInput{"journal-" + name, code, words, c}
	}
	state := "/etc/kubernetes/kubeadm-arm"
	changed := func(name, words string, change trial) badInput {
		change.Before = interruptedBoard().Before
		return badInput{"changed-" + name, exitChanged, words, change}
	}
	return []badInput{
		journal("empty", ""),
		journal("zeros", strings.Repeat("\x00", 300)),
		journal("garbage", "\x7fELF\x02\x01"),
		journal("number", "7\n"),
		journal("cut-off", `{"version": 2, "started": "2026-01-01T00:`),
		journal("newer", `{"version": 99}`),
		journal("older", `{"version": 1}`),
		journal("no-steps", `{"version": 2}`),
		journal("field-of-another-kind", `{"version": 2, "done": "three"}`),
		journal("unknown-step", `{"version": 2, "plan": {"steps": [{"kind": "dance"}]}}`),
		journal("large", `{"version": 2, "kubeadm": "`+strings.Repeat("x", 5<<20)+`"}`),
		edit("more-done-than-there-is", exitBadInput, "resume", `s/"done": [0-9]*/"done": 300/`),
		edit("component-with-a-path", exitBadInput, "resume", `s/"kube-scheduler"/"..\/..\/etc\/passwd"/`),
		edit("on-another-board", exitChanged, "resume", `s/"cores": [0-9]*/"cores": 1000/`),
		{"journal-link", exitBadInput, "init", with("/mnt/j", file("{}"), state, folder(0o700), journalPath, link("/mnt/j"))},
		{"journal-folder", exitBadInput, "init", with(state, folder(0o700), journalPath, folder(0o700))},
		{"journal-pipe", exitBadInput, "resume", with(state, folder(0o700), journalPath, pipe())},
		{"journal-damaged-status", 0, "status", with(state, folder(0o700), journalPath, file("{"))},
		{"journal-damaged-resume", exitBadInput, "resume", with(state, folder(0o700), journalPath, file("{"))},
		{"state-folder-is-a-link", exitBadInput, "init", with("/mnt/elsewhere", folder(0o700), state, link("/mnt/elsewhere"))},
		{"state-folder-is-a-file", exitBadInput, "init", with(state, file(""))},
		{"state-folder-open-to-others", exitBadInput, "init", with(state, folder(0o777))},
		{"no-run-resume", exitNoRun, "resume", trial{}},
		{"no-run-abort", exitNoRun, "abort", trial{}},
		changed("flag", "init --node-name=other --ignore-preflight-errors=all", trial{}),
		changed("flag-is-gone", "init --ignore-preflight-errors=all", trial{}),
		changed("config", "init --config k.yaml --ignore-preflight-errors=all", with("/mnt/k.yaml", file("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n"))),
		{"changed-kubeadm", exitChanged, "init --node-name=bpi --ignore-preflight-errors=all", trial{Before: []string{"FAKE_VERSION=v1.36.3 kubeadm-arm init --node-name=bpi --ignore-preflight-errors=all"}}},
		changed("manifests-gone", "resume", trial{After: "rm /etc/kubernetes/manifests/*"}),
		changed("manifest-emptied", "resume", trial{After: ": >/etc/kubernetes/manifests/kube-scheduler.yaml"}),
		{"secret-not-kept", exitBadInput, "resume", trial{Before: []string{"kubeadm-arm init --node-name=bpi --token abcdef.0123456789abcdef --ignore-preflight-errors=all"}, After: "rm /etc/kubernetes/kubeadm-arm/config.yaml"}},
	}
}

// badBoards are states of the board that init refuses to begin in.
func badBoards() []badInput {
	manifests := "/etc/kubernetes/manifests"
	return []badInput{
		{"board-control-plane-here", exitClusterHere, "init", with(manifests+"/kube-apiserver.yaml", file("x"))},
		{"board-in-a-cluster", exitClusterHere, "init", with("/etc/kubernetes/kubelet.conf", file("x"))},
		{"board-kubelet-configured", exitClusterHere, "init", with("/var/lib/kubelet/config.yaml", file("x"))},
		{"board-second-pod-of-a-component", exitForeign, "init", with(manifests+"/kube-apiserver.yaml.bak", file("kind: Pod\nmetadata: {name: kube-apiserver, namespace: kube-system}\n"))},
		{"board-manifests-folder-is-a-file", exitForeign, "init", with("/etc/kubernetes/manifests", file("x"))},
		{"board-staged-without-journal", exitBadInput, "init", with("/etc/kubernetes/kubeadm-arm", folder(0o700), "/etc/kubernetes/kubeadm-arm/staged/kube-scheduler.yaml", file("x"))},
		{"board-locked", exitLocked, "init --ignore-preflight-errors=all", trial{Locked: true, Files: files("/etc/kubernetes/kubeadm-arm", folder(0o700))}},
		{"board-locked-resume", exitLocked, "resume", trial{Locked: true, Before: interruptedBoard().Before}},
		{"board-locked-abort", exitLocked, "abort", trial{Locked: true, Before: interruptedBoard().Before}},
		{"board-locked-reset", exitLocked, "reset -f", trial{Locked: true, Before: interruptedBoard().Before}},
		{"board-disk-full", exitDisk, "init", trial{Mounts: map[string]string{"/etc/kubernetes": "size=20m,mode=755"}, Fill: map[string]int{"/etc/kubernetes": 100 << 10}}},
		{"board-disk-of-etcd-full", exitDisk, "init", trial{Mounts: map[string]string{"/var/lib/etcd": "size=20m,mode=700"}, Fill: map[string]int{"/var/lib/etcd": 100 << 10}}},
		{"board-disk-read-only", exitDisk, "init", trial{After: "mount -o remount,ro /etc"}},
	}
}

const aPod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: %[1]s\nspec:\n  containers:\n  - name: %[1]s\n    " +
	"command:\n    - %[1]s\n    - --secure-port=1\n    livenessProbe:\n      httpGet: {path: /livez, port: 6443}\n"

func pod(component string) string { return fmt.Sprintf(aPod, component) }

func badManifests() []badInput {
	stream := func(name, text string) badInput {
		return badInput{"manifest-" + name, exitBadInput, "patch --slowdown 20", trial{Stdin: text}}
	}
	m := "/mnt/m/"
	staged := "/etc/kubernetes/kubeadm-arm/staged/kube-scheduler.yaml"
	return []badInput{
		stream("empty", ""),
		stream("malformed", "apiVersion: v1\nkind: [a\n"),
		stream("cut-off", pod("kube-apiserver")[:60]),
		stream("word", "hello\n"),
		stream("nul", pod("kube-apiserver")+"\x00"),
		stream("no-pod", "apiVersion: v1\nkind: Service\nmetadata:\n  name: x\n"),
		stream("unknown-component", pod("web")),
		stream("no-containers", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: etcd\nspec: {}\n"),
		stream("two-documents", pod("etcd")+"---\n"+pod("etcd")),
		stream("duplicate-key", pod("etcd")+"    livenessProbe: {}\n"),
		stream("wrong-type", strings.Replace(pod("etcd"), "livenessProbe:\n      httpGet: {path: /livez, port: 6443}", "livenessProbe: often", 1)),
		stream("anchors", strings.Replace(pod("etcd"), "livenessProbe:\n", "livenessProbe: &p\n", 1)+"    readinessProbe: *p\n"),
		{"manifest-folder-missing", exitBadInput, "patch --slowdown 20 /no/such/folder", trial{}},
		{"manifest-folder-is-a-file", exitBadInput, "patch --slowdown 20 f", with("/mnt/f", file(""))},
		{"manifest-folder-without-manifests", exitBadInput, "patch --slowdown 20 /mnt", trial{}},
		{"manifest-one-of-two-is-bad", exitBadInput, "patch --slowdown 20 m", with(m+"etcd.yaml", file(pod("etcd")), m+"kube-scheduler.yaml", file("apiVersion: v1\nkind: Pod\n"))},
		{"manifest-of-another-component", exitBadInput, "patch --slowdown 20 m", with(m+"etcd.yaml", file(pod("kube-scheduler")))},
		{"manifest-is-a-folder", exitBadInput, "patch --slowdown 20 m", with(m+"etcd.yaml", folder(0o700))},
		{"manifest-staged-is-damaged", exitBadInput, "abort", with("/etc/kubernetes/kubeadm-arm", folder(0o700), staged, file("apiVersion: v1\nkind: P"))},
		{"manifest-twice", exitBadInput, "abort", with("/etc/kubernetes/kubeadm-arm", folder(0o700), staged, file(pod("kube-scheduler")), "/etc/kubernetes/manifests/kube-scheduler.yaml", file("other"))},
	}
}

func badReports() []badInput {
	show := func(name, text string) badInput {
		return badInput{"report-" + name, exitBadInput, "report show r.json", with("/mnt/r.json", file(text))}
	}
	const schema = `{"schema":"kubeadm-arm.report/v1"`
	return []badInput{
		{"report-missing", exitBadInput, "report show /no/such.json", trial{}},
		{"report-folder", exitBadInput, "report show /mnt", trial{}},
		{"report-pipe", exitBadInput, "report show p", with("/mnt/p", pipe())},
		show("empty", ""),
		show("markdown", "# Board report\n"),
		show("cut-off", schema+`,"board":{`),
		show("other-json", `{"hello": 1}`),
		show("list", `[1, 2]`),
		show("newer", `{"schema":"kubeadm-arm.report/v99"}`),
		show("wrong-type", schema+`,"steps":"many"}`),
		show("nul", schema+"}\x00"),
		{"report-compare-missing", exitBadInput, "report compare /opt/slow-board.json /no/such.json", trial{}},
		{"report-compare-without-benchmark", exitBadInput, "report compare a.json b.json", with("/mnt/a.json", file(schema+"}"), "/mnt/b.json", file(schema+"}"))},
		{"bench-file-missing", exitBadInput, "init --arm-bench /no/such.json", trial{}},
		{"bench-file-is-no-json", exitBadInput, "init --arm-bench b.json", with("/mnt/b.json", file("slow\n"))},
		{"bench-file-without-benchmark", exitBadInput, "init --arm-bench b.json", with("/mnt/b.json", file(schema+"}"))},
		{"bench-file-without-samples", exitBadInput, "init --arm-bench b.json", with("/mnt/b.json", file(`{"schema":"kubeadm-arm.bench/v1"}`))},
		{"bench-file-in-a-dry-run", exitBadInput, "init --dry-run --arm-bench /no/such.json", trial{}},
	}
}

func badPatches() []badInput {
	owner := func(name string, words string, all ...any) badInput {
		return badInput{"patches-" + name, exitBadInput, words, with(all...)}
	}
	return []badInput{
		owner("missing", "init --patches /no/such/folder"),
		owner("file", "init --patches f", "/mnt/f", file("")),
		owner("malformed", "init --patches p", "/mnt/p/etcd+strategic.yaml", file("spec: [a\n")),
		owner("in-config", "init --config k.yaml", "/mnt/k.yaml", file("apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\npatches:\n  directory: /no/such/folder\n")),
	}
}

// badCPUs: a /proc/cpuinfo that says little is no error; detect names what it
// cannot tell. One that says too little CPU for this kubeadm is.
func badCPUs() []badInput {
	detect := func(name, text string) badInput {
		return badInput{"cpuinfo-" + name, 0, "detect --root b", with("/mnt/b/proc/cpuinfo", file(text))}
	}
	pi1 := "processor\t: 0\nmodel name\t: ARMv6-compatible processor rev 7 (v6l)\nFeatures\t: half thumb fastmult vfp " +
		"edsp java tls\n" +
		"CPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x0\nCPU part\t: 0xb76\nCPU revision\t: " +
		"7\n\nHardware\t: BCM2835\n"
	return []badInput{
		detect("empty", ""),
		detect("garbage", "\x00\x01:\x02\n:::\n"),
		detect("without-part", "processor\t: 0\nFeatures\t: half thumb\n"),
		detect("odd-numbers", strings.NewReplacer("0x41", "0xzz", "0xb76", "-1", "architecture: 7", "architecture: seven").Replace(pi1)),
		detect("endless-line", "Features\t: "+strings.Repeat("vfp ", 1<<19)+"\n"),
		{"cpuinfo-folder", 0, "detect --root b", with("/mnt/b/proc/cpuinfo", folder(0o755))},
		{"cpuinfo-too-little-cpu", exitIllegal, "init", trial{Proc: map[string]string{"/proc/cpuinfo": pi1}}.and("/opt/bin/kubeadm", program(elfARMv7()))},
	}
}

// elfARMv7 is the head of a program for ARMv7 with its attributes (ELF for the
// Arm architecture; Addenda to the ABI, build attributes).
func elfARMv7() string {
	attributes := "A\x1d\x00\x00\x00aeabi\x00\x01\x11\x00\x00\x00\x06\x0a\x07A\x08\x01\x09\x02\x0a\x03\x0c\x01"
	attributes = attributes[:1] + string(rune(len(attributes)-1)) + attributes[2:]
	names := "\x00.ARM.attributes\x00.shstrtab\x00"
	at := 52
	var b strings.Builder
	word := func(n int) { b.WriteString(string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})) }
	half := func(n int) { b.WriteString(string([]byte{byte(n), byte(n >> 8)})) }
	b.WriteString("\x7fELF\x01\x01\x01\x00" + strings.Repeat("\x00", 8))
	half(2)  // ET_EXEC
	half(40) // EM_ARM
	word(1)
	word(0)
	word(0)
	word(at + len(attributes) + len(names))
	word(0x05000400)
	half(52)
	half(32)
	half(0)
	half(40)
	half(3)
	half(2)
	b.WriteString(attributes + names)
	section := func(all ...int) {
		for _, n := range all {
			word(n)
		}
	}
	section(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	section(1, 0x70000003, 0, 0, at, len(attributes), 0, 0, 1, 0)
	section(17, 3, 0, 0, at+len(attributes), len(names), 0, 0, 1, 0)
	return b.String()
}
