package main

import (
	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A command is one of kubeadm-arm's own. See ownFlag for what the table is used for.
type command struct {
	name string
	// calls are the forms in which it is called, without its name.
	calls []call
	// about stands above and after below the flags in its own help.
	about, after string
	flags        []ownFlag
	// words is how many arguments besides flags it takes at most.
	words int
	// kubeadm is the verb of the real kubeadm whose flags it takes, too; empty for none.
	kubeadm kubeadm.Verb
	// hidden keeps it out of the list of commands: systemd calls it.
	hidden bool
	// run carries it out; nil for a command that has verbs, or that dispatch knows by name.
	run func(invocation, options) error
	// verbs are the commands of a command, by their full names, such as "storage plan".
	// kubeadmVerbs says that kubeadm has others.
	verbs        []*command
	kubeadmVerbs bool
}

type call struct{ form, text string }

// The flags that several commands have.
func kubeadmFlag() ownFlag {
	return ownFlag{name: "arm-kubeadm", value: "PATH", env: "KUBEADM_ARM_KUBEADM",
		text: "the real kubeadm; else the first one in PATH"}
}

func reportFlag() ownFlag {
	return ownFlag{name: "arm-report", value: "DIR", env: "KUBEADM_ARM_REPORT", def: defaultReports,
		text: "folder for the board report"}
}

func outputFlag(choices ...string) ownFlag {
	return ownFlag{name: "output", short: 'o', value: "FORMAT", choices: choices, def: choices[0]}
}

// runOutputFlag is that of commands that show a run. It has no letter: -o is not
// kubeadm init's, and might become it.
func runOutputFlag() ownFlag {
	f := outputFlag("text", "json")
	f.short, f.env, f.text = 0, "KUBEADM_ARM_OUTPUT", "json writes one object per line to standard output"
	return f
}

func doctorOutputFlag() ownFlag {
	f := outputFlag("text", "json", "yaml")
	f.env = "KUBEADM_ARM_OUTPUT"
	return f
}

func benchFlag() ownFlag {
	return ownFlag{name: "arm-bench", value: "FILE", env: "KUBEADM_ARM_BENCH",
		text: "use this benchmark or report instead of measuring"}
}

func profileFlag(text string) ownFlag {
	f := ownFlag{name: "profile", value: "NAME", env: "KUBEADM_ARM_PROFILE", def: string(plan.Balanced), text: text}
	for _, p := range plan.Profiles() {
		f.choices = append(f.choices, string(p))
	}
	return f
}

// newProfileFlag is that of an upgrade, which decides nothing anew without it.
func newProfileFlag() ownFlag {
	f := profileFlag("decide the control plane's settings anew, such as for a controlPlaneEndpoint that was added " +
		"(default as they are)")
	f.env, f.def = "", ""
	return f
}

func verboseFlag() ownFlag {
	return ownFlag{name: "verbose",
		text: "with --dry-run: also show the decisions that leave kubeadm's defaults or your own choices"}
}

func rootFlag(text string) ownFlag { return ownFlag{name: "root", value: "DIR", def: "/", text: text} }

// commands are all of them, in the order of the help.
func commands() []*command {
	return []*command{
		{name: "init", kubeadm: kubeadm.Init, run: invocation.runInit,
			calls: []call{{"[flags of kubeadm init]", "bring up a control plane, staged and scaled to the board"}},
			about: "kubeadm-arm init takes every flag of kubeadm init, listed below, and these of its own:",
			flags: []ownFlag{
				benchFlag(), kubeadmFlag(), reportFlag(), runOutputFlag(), profileFlag("how light the control plane is when idle"),
				{name: "certificate-validity", value: "DURATION",
					text: "how long certificates are valid, such as 87600h (ten years), for a board that is off for long; " +
						"kubeadm from v1.31. The price: a stolen key can be used for as long"},
				{name: "storage", value: "DEVICE", env: "KUBEADM_ARM_STORAGE",
					text: "first move etcd's data to this disk, as kubeadm-arm storage apply does; " +
						"DEVICE,folder=PATH,…,mount=PATH also names the folders and where the disk is mounted"},
				verboseFlag(),
			},
			after: "With --dry-run it prints its plan and changes nothing."},
		{name: "upgrade apply", kubeadm: kubeadm.UpgradeApply, words: 1, run: invocation.runJob,
			calls: []call{{"VERSION [flags of kubeadm upgrade apply]", "upgrade the control plane, at the board's pace, with a way back"}},
			about: "kubeadm-arm upgrade apply takes every flag of kubeadm upgrade apply, listed below, and these of its own:",
			flags: []ownFlag{
				benchFlag(), kubeadmFlag(), reportFlag(), runOutputFlag(), newProfileFlag(),
				{name: "control-plane-endpoint", value: "HOST:PORT",
					text: "make a cluster of one control plane ready for more: the name that it is reached by, in the API server's " +
						"certificate and in the cluster; the settings are decided anew, also at the same version"},
				verboseFlag(),
			},
			after: "With --dry-run it prints its plan and changes nothing. upgrade plan is kubeadm's."},
		{name: "upgrade node", kubeadm: kubeadm.UpgradeNode, run: invocation.runUpgradeNode,
			calls: []call{{"[flags of kubeadm upgrade node]", "after upgrade apply: upgrade another control plane, or a worker's kubelet configuration"}},
			about: "kubeadm-arm upgrade node takes every flag of kubeadm upgrade node, listed below, and these of its own. Before v1.22 it\n" +
				"is left to kubeadm.",
			flags: []ownFlag{benchFlag(), kubeadmFlag(), reportFlag(), runOutputFlag(), newProfileFlag(), verboseFlag()},
			after: "With --dry-run it prints its plan and changes nothing."},
		{name: "join", kubeadm: kubeadm.Join, run: invocation.runJoin,
			calls: []call{{"[flags of kubeadm join]", "join this board to a cluster, as a worker or another control plane"}},
			about: "kubeadm-arm join takes every flag of kubeadm join, listed below, and these of its own. Before v1.22, joining\n" +
				"another control plane is left to kubeadm.",
			flags: []ownFlag{benchFlag(), kubeadmFlag(), reportFlag(), runOutputFlag(), profileFlag("how light the node's services are when idle"), verboseFlag()},
			after: "With --dry-run it prints its plan and changes nothing."},
		{name: "resume", run: invocation.runResume, calls: []call{{"", "resume an init, a join or an upgrade that was interrupted"}},
			flags: []ownFlag{
				{name: "anyway", text: "resume although the board looks like another one"},
				kubeadmFlag(), reportFlag(), runOutputFlag(),
			}},
		{name: "status", run: invocation.runStatus,
			calls: []call{{"[-o json]", "how far an init or join has come, and where each manifest is"}}, flags: []ownFlag{outputFlag("text", "json")}},
		{name: "abort", run: invocation.runAbort,
			calls: []call{{"", "give up an interrupted init or join: staged manifests are put back"}}},
		{name: "reset", kubeadm: kubeadm.Init,
			calls: []call{{"[flags of kubeadm reset]", "kubeadm reset; also removes kubeadm-arm's own files"}}, flags: []ownFlag{kubeadmFlag()}},
		{name: "doctor", kubeadm: kubeadm.Init, run: invocation.runDoctor,
			calls: []call{{"[flags of kubeadm init]", "what on this board would make init fail, and how to fix it"}},
			about: "kubeadm-arm doctor names what on this board would make kubeadm-arm init fail, what it means here, and the\n" +
				"command that fixes it. It takes the flags of kubeadm init, so that it knows what you are going to ask for, and:",
			flags: []ownFlag{
				{name: "fix", value: "FINDING", text: "fix a finding by changing one setting in a file; every other byte stays. Shows the difference " +
					"(with --dry-run nothing else) and keeps a dated copy; separate several findings by commas"},
				doctorOutputFlag(),
				rootFlag("look at the files below this folder instead, such as a mounted card; no program is run then"), kubeadmFlag()},
			after: "Without --fix it changes nothing. Exit codes: 0 nothing found, 1 warnings, 2 init would fail; with --fix 0 on success."},
		{name: "detect", run: invocation.runDetect, calls: []call{{"", "what the board is, and what its programs were built for"}},
			flags: []ownFlag{outputFlag("text", "json", "yaml"), rootFlag("read the board's files below this folder")}},
		{name: "bench", run: invocation.runBench, calls: []call{{"", "how fast the board is"}},
			flags: []ownFlag{
				{name: "budget", value: "DURATION", text: "upper bound of the whole benchmark (default " + bench.DefaultBudget.String() +
					", with --short " + bench.ShortBudget.String() + ", at most " + bench.ShortQuotaBudget.String() + " with less than a core)"},
				{name: "short", text: "only what init needs to know"},
				{name: "folder", value: "DIR", def: "/var/lib/etcd", text: "folder whose disk is measured; may be repeated"},
				outputFlag("text", "json", "yaml", "markdown", "html"),
			}},
		{name: "patch", words: 1, run: invocation.runPatch, calls: []call{{"[--diff] [FOLDER]", "scale static pod manifests to the board"}},
			flags: []ownFlag{
				{name: "diff", text: "show what would change, with reasons, and change nothing"},
				{name: "slowdown", value: "FACTOR",
					text: "patch for a board this many times slower than the reference board instead of measuring this one"},
			}},
		storageCommand(), certsCommand(),
		{name: "report", words: 1 << 10, run: invocation.runReport,
			calls: []call{{"show FILE", "a saved board report as Markdown, HTML or JSON"}, {"compare A B", "compare board reports; marks differences that are noise"}},
			flags: []ownFlag{{name: "output", short: 'o', value: "FORMAT",
				text: "show: markdown (default), html, json or yaml; compare: text (default), markdown, html or json"}}},
		{name: "images", calls: []call{{"build --cpu CPU", "on a PC: build kubeadm, kubelet and images for a 32-bit board"}}},
		{name: "release", hidden: true, run: invocation.runRelease,
			calls: []call{{"[--wait]", "put staged manifests back; the unit kubeadm-arm-release.service runs it when the board starts"}},
			flags: []ownFlag{
				{name: "wait", text: "put each back once those before it are healthy: API server, scheduler, controller-manager"},
				{name: "patience", value: "DURATION", def: releasePatience.String(), text: "with --wait: put them back after this time in any case"},
				{name: "hold-back", text: "before the kubelet starts: stage what a slow board starts one after the other"},
			}},
	}
}

// commandNamed finds one, nil if kubeadm-arm has none of that name.
func commandNamed(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return c
		}
	}
	return nil
}
