package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allCommands are all of kubeadm-arm's, subcommands included.
func allCommands() []*command {
	var all []*command
	for _, c := range commands() {
		all = append(append(all, c), c.verbs...)
	}
	return all
}

// TestHelpOfEveryCommand: in every form that kubeadm's parser reads, help goes to
// standard output, ends well and does nothing else.
func TestHelpOfEveryCommand(t *testing.T) {
	for _, c := range allCommands() {
		if c.name == "reset" { // kubeadm's
			continue
		}
		for _, form := range []string{"--help", "-h", "--help=true", "--help=1", "--help=T", "-h=true", "-h=1"} {
			var stdout, stderr bytes.Buffer
			args := append(append([]string{"kubeadm-arm"}, strings.Fields(c.name)...), form)
			code := run(args, []string{"PATH=/nonexistent"}, strings.NewReader(""), &stdout, &stderr)
			assert.Zero(t, code, "%s %s", c.name, form)
			assert.Empty(t, stderr.String(), "%s %s", c.name, form)
			assert.Contains(t, stdout.String(), "kubeadm-arm "+c.name, form)
		}
	}
	for _, words := range []string{"help doctor", "doctor --help"} {
		var stdout, stderr bytes.Buffer
		assert.Zero(t, run(strings.Fields("kubeadm-arm "+words), nil, nil, &stdout, &stderr))
		assert.Contains(t, stdout.String(), "--root DIR")
	}
}

// TestHelpNamesEveryFlag: the help, which manual pages and completions are made of, is
// the table.
func TestHelpNamesEveryFlag(t *testing.T) {
	for _, c := range allCommands() {
		text := helpOf(c)
		for _, f := range c.flags {
			assert.Contains(t, text, "--"+f.name, c.name)
			assert.Contains(t, text, f.env, c.name)
			assert.NotEmpty(t, f.describe(), "%s --%s", c.name, f.name)
		}
	}
}

// TestFlagsOfResume: what init was given by its environment does not stand in
// resume's way.
func TestOptionsComeFrom(t *testing.T) {
	env := func(all ...string) invocation { return invocation{env: all} }
	parsed := func(v invocation, name string, args ...string) options {
		o, err := v.parse(commandNamed(name), args)
		require.NoError(t, err)
		return o
	}
	assert.Equal(t, "/x", parsed(env("KUBEADM_ARM_KUBEADM=/env"), "init", "--arm-kubeadm=/y", "--arm-kubeadm",
		"/x").text("arm-kubeadm"), "the last flag")
	assert.Equal(t, "/env", parsed(env("KUBEADM_ARM_KUBEADM=/env"), "init").text("arm-kubeadm"))
	assert.Equal(t, "balanced", parsed(env("KUBEADM_ARM_PROFILE="), "init").text("profile"), "an empty variable is none")
	o := parsed(env(), "init", "--storage", "/dev/sda1", "--new", "x", "--dry-run", "--output=json", "--", "y")
	assert.Equal(t, []string{"--new", "x", "--dry-run"}, o.theirs.Without(), "ours are taken out")
	assert.Equal(t, []string{"y"}, o.theirs.Words)
	assert.Equal(t, []string{"a", "b", "c"}, parsed(env(), "bench", "--folder", "a,b", "--folder=c").list("folder"))
	assert.Equal(t, []string{"/var/lib/etcd"}, parsed(env(), "bench").list("folder"))
	assert.False(t, parsed(env(), "release", "--wait=false").on("wait"))
}

// switches are kubeadm's --dry-run and --help in forms that mean yes.
var switches = [...]string{"--dry-run", "--dry-run=1", "--dry-run=t", "--dry-run=T", "--dry-run=TRUE", "--dry-run=True",
	"--help=true", "--help=1", "-h=true", "-h=T", "-hv5", "--dry-run=0 --dry-run", "--help=F -h", "--dry-run=yes", "-h="}

// TestAskingChangesNothing: reset and init that only ask, or that cannot be read, leave
// the board as it is.
func TestAskingChangesNothing(t *testing.T) {
	board := with("/etc/kubernetes/kubeadm-arm", folder(0o700), "/etc/kubernetes/kubeadm-arm/staged/kube-scheduler.yaml",
		file(pod("kube-scheduler")),
		"/etc/systemd/system/kubelet.service.d/50-kubeadm-arm.conf", file("[Service]\n"))
	for _, form := range switches {
		for _, words := range []string{"reset -f " + form, "reset " + form + " -f"} {
			t.Run(words, func(t *testing.T) {
				t.Parallel()
				c := board
				c.Args = strings.Fields(words)
				e := tryOnBoard(t, c)
				assert.Empty(t, e.Changed, "%s%s", e.Stdout, e.Stderr)
				assert.Contains(t, e.Stdout, "kubeadm "+words, "it is kubeadm's to answer")
			})
		}
		t.Run("init "+form, func(t *testing.T) {
			t.Parallel()
			e := tryOnBoard(t, trial{Args: strings.Fields("init --ignore-preflight-errors=all " + form)})
			assert.Empty(t, e.Changed, "%s%s", e.Stdout, e.Stderr)
		})
	}
	c := board
	c.Args = []string{"reset", "-f", "--help=false", "--dry-run=0"}
	assert.NotEmpty(t, tryOnBoard(t, c).Changed, "and one that does not ask resets")
}

// A reset names the copies of the cluster's keys that upgrades have kept.
func TestResetNamesCopiesOfKeys(t *testing.T) {
	const kept = "/var/backups/kubeadm-arm/upgrade-20261201-120000-from-v1.36.3"
	c := trial{Args: []string{"reset", "-f"}, Mounts: map[string]string{"/var/backups": "size=1m,mode=755"}}
	e := tryOnBoard(t, c.and(kept+"/kubernetes/pki/ca.key", file("x")))
	assert.Zero(t, e.Code, e.Stderr)
	assert.Contains(t, e.Stderr, "left as it is: "+kept+" (a copy of the cluster's keys, made by an upgrade)\n")
}
