package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fieldCase is one board of testdata/field, laid down.
type fieldCase struct {
	root  string
	flags []string
	// want are the lines of the archive about what is to be seen.
	want []string
}

// fieldReport is what doctor says of it, as JSON has it.
type fieldReport struct {
	Findings []struct {
		ID, Severity, Seen, Means string
		Fix                       []string
	}
}

const fieldFolder = "../../testdata/field"

// layDown makes the board of a case, over the base board. Its root's path is
// short: that of a socket may have 108 bytes only.
func layDown(t *testing.T, archive string) fieldCase {
	t.Helper()
	root, err := os.MkdirTemp("", "kf")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	c := fieldCase{root: root}
	for _, path := range []string{filepath.Join(fieldFolder, "base.txtar"), archive} {
		a, err := txtar.ParseFile(path)
		require.NoError(t, err)
		for _, f := range a.Files {
			writeBelow(t, root, f.Name, f.Data)
		}
		for _, line := range strings.Split(string(a.Comment), "\n") {
			c.direct(t, line)
		}
	}
	return c
}

func writeBelow(t *testing.T, root, name string, text []byte) {
	t.Helper()
	path := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.RemoveAll(path))
	require.NoError(t, os.WriteFile(path, text, 0o644))
}

// elf64 begins a program for arm64.
const elf64 = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00\x01\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x40\x00\x38\x00\x00\x00\x40\x00\x00\x00\x00\x00"

// direct does what a line before the files says.
func (c *fieldCase) direct(t *testing.T, line string) {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "flags":
		c.flags = strings.Fields(strings.ReplaceAll(rest, "$ROOT", c.root))
	case "socket":
		writeBelow(t, c.root, rest, nil)
		require.NoError(t, os.Remove(c.root+rest))
		ln, err := net.Listen("unix", c.root+rest)
		require.NoError(t, err)
		t.Cleanup(func() { ln.Close() })
	case "gone":
		require.NoError(t, os.RemoveAll(c.root+rest))
	case "link":
		path, target, _ := strings.Cut(rest, " ")
		writeBelow(t, c.root, path, nil)
		require.NoError(t, os.Remove(c.root+path))
		require.NoError(t, os.Symlink(target, c.root+path))
	case "empty":
		for _, path := range strings.Fields(rest) {
			writeBelow(t, c.root, path, nil)
		}
	case "program":
		writeBelow(t, c.root, rest, []byte(elf64))
		require.NoError(t, os.Chmod(c.root+rest, 0o755))
	case "executable": // a file of the archive
		require.NoError(t, os.Chmod(c.root+rest, 0o755))
	case "riscv": // the machine type is at byte 18
		writeBelow(t, c.root, rest, []byte(elf64[:18]+"\xf3"+elf64[19:]))
		require.NoError(t, os.Chmod(c.root+rest, 0o755))
	case "want", "not":
		c.want = append(c.want, line)
	}
}

// ask runs doctor on the board.
func (c fieldCase) ask(t *testing.T, more ...string) (string, string, int) {
	t.Helper()
	var out, err bytes.Buffer
	args := slices.Concat([]string{"kubeadm-arm", "doctor", "--root", c.root}, c.flags, more)
	code := run(args, []string{"PATH=/usr/bin:/usr/sbin"}, nil, &out, &err)
	return out.String(), err.String(), code
}

func (c fieldCase) report(t *testing.T) fieldReport {
	t.Helper()
	out, errs, _ := c.ask(t, "-o", "json")
	var r fieldReport
	require.NoError(t, json.Unmarshal([]byte(out), &r), "%s%s", out, errs)
	return r
}

// check compares a report with the lines of the archive.
func (c fieldCase) check(t *testing.T, r fieldReport) {
	t.Helper()
	for _, line := range c.want {
		w := strings.SplitN(line, " ", 4)
		if w[0] == "not" {
			for _, f := range r.Findings {
				always := f.Severity == "ok" || f.ID == "clock" || f.ID == "copied-card"
				assert.False(t, !always && (w[1] == "*" || f.ID == w[1]), "%s: %s: %s %v", line, f.ID, f.Seen, f.Fix)
			}
			continue
		}
		found := false
		for _, f := range r.Findings {
			text := strings.Join(append([]string{f.Seen, f.Means}, f.Fix...), "\n")
			found = found || f.ID == w[2] && f.Severity == w[1] && (len(w) < 4 || strings.Contains(text, w[3]))
		}
		assert.True(t, found, "%s\n%+v", line, r)
	}
}

// TestField gives the right answer on every board, and takes every finding away
// whose fix can be carried out.
func TestField(t *testing.T) {
	all, err := filepath.Glob(filepath.Join(fieldFolder, "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, path := range all {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			c := layDown(t, path)
			before := c.report(t)
			c.check(t, before)
			c.carryOut(t, before)
		})
	}
}

// carryOut follows the advice of every finding and asks again.
func (c fieldCase) carryOut(t *testing.T, before fieldReport) {
	t.Helper()
	had := map[string]bool{}
	for _, f := range before.Findings {
		had[f.ID] = had[f.ID] || f.Severity != "ok"
		c.followConfig(t, f.ID, f.Fix)
		if f.Severity == "ok" || f.Severity == "info" && f.ID != "bridge-netfilter" || !solves(f.Fix) {
			continue
		}
		for _, line := range f.Fix {
			c.paste(t, line)
		}
		for _, g := range c.report(t).Findings {
			if g.ID == f.ID {
				assert.Contains(t, []string{"ok", "info"}, g.Severity, "%s is still there after %q: %s", f.ID, f.Fix,
					g.Seen)
			}
		}
	}
	for _, f := range c.report(t).Findings {
		assert.True(t, f.Severity == "ok" || f.Severity == "info" || had[f.ID], "%s came with the fixes of others: "+
			"%s", f.ID, f.Seen)
	}
}

// followConfig writes a file for --config as advice prints it: doctor takes it,
// and the finding is gone.
func (c fieldCase) followConfig(t *testing.T, id string, fix []string) {
	t.Helper()
	at := slices.Index(fix, "# a file for --config:")
	if at < 0 {
		return
	}
	for _, line := range fix[:at] {
		c.paste(t, line)
		if flag := takeOut.FindStringSubmatch(line); flag != nil {
			text, err := os.ReadFile(c.root + flag[2])
			require.NoError(t, err)
			writeBelow(t, c.root, flag[2], bytes.Replace(text, []byte(flag[1]), nil, 1))
		}
	}
	path := filepath.Join(c.root, "advice.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(fix[at:], "\n")+"\n"), 0o600))
	out, errs, code := c.ask(t, "--config", path)
	assert.Contains(t, []int{0, 1, 2}, code, "%s: %s", fix, errs)
	assert.NotRegexp(t, `(?m)^(FAIL|warning) +`+id+":", out)
}

// takeOut is a line about a flag of the kubelet in a file of the owner's.
var takeOut = regexp.MustCompile(`^# take (--.+) out of (/\S+): `)

// forOwner are the beginnings of lines that only an owner can follow: they look,
// install, or stand in a file of his own.
var forOwner = regexp.MustCompile(`^(#|kubeadm-arm |nodeRegistration:|cgroupDriver:|resolvConf:|apiVersion:|kind:|---|etcd:|(sudo )?(nano|apt|dmesg|journalctl|ls|ps|ss|ip|vcgencmd|kubeadm-arm (reset|resume)) ?)`)

// solves reports whether a finding is gone once its lines were run.
func solves(fix []string) bool {
	return len(fix) > 0 && !slices.ContainsFunc(fix, forOwner.MatchString)
}

// boardShell are the commands of a board that the lines call, for a board that
// is nothing but files: what they do there is what the kernel or systemd would
// show. R is its root.
const boardShell = `
sudo() {
	case $1 in
	u-boot-update|flash-kernel|update-grub) ;;
	update-rc.d) for l in "$R"/etc/rc?.d/S??"$2"; do mv "$l" "$(echo "$l" | sed 's/S\(..[^/]*\)$/K\1/')"; done ;;
	*) "$@" ;;
	esac
}
sysctl() {
	for f in "$R"/etc/sysctl.d/*.conf "$R"/etc/sysctl.conf; do
		[ -f "$f" ] || continue
		tr -d '\r' <"$f" | sed 's/^[[:blank:]]*-//; s/[[:blank:]]*=[[:blank:]]*/ /' | while read -r key value || [ -n "$key" ]; do
			p=$R/proc/sys/$(echo "$key" | tr . /)
			case $key in net[./]*) mkdir -p "$(dirname "$p")"; echo "$value" >"$p";; esac
		done
	done
}
modprobe() { mkdir -p "$R/proc/sys/net/bridge"; for f in iptables ip6tables; do echo 1 >"$R/proc/sys/net/bridge/bridge-nf-call-$f"; done; }
swapoff() { printf 'Filename\tType\tSize\tUsed\tPriority\n' >"$R/proc/swaps"; }
systemctl() {
	case $1 in --root=*) command systemctl "$@"; return;; esac
	case $1 in disable|enable|mask|unmask) ;; *) return 0;; esac
	verb=$1; shift
	[ "$1" != --now ] || shift
	command systemctl --root="$R" "$verb" "$@"
}
booted() { grep -rqsE --exclude='*.before-*' "(^|[ \"=])$1([ \"]|\$)" "$R/boot" "$R/etc/default" "$R/etc/kernel"; }
reboot() {
	if booted systemd.unified_cgroup_hierarchy=0; then
		sed -i 's/ - cgroup2 cgroup2 rw/ - cgroup cgroup rw/' "$R/proc/self/mountinfo"
	elif booted systemd.unified_cgroup_hierarchy=1; then
		sed -i 's, /sys/fs/cgroup rw.* - tmpfs .*, /sys/fs/cgroup rw - cgroup2 cgroup2 rw,' "$R/proc/self/mountinfo"
	fi
	if booted cgroup_enable=memory; then
		sed -i 's/$/ cgroup_enable=memory cgroup_memory=1/' "$R/proc/cmdline"
		echo cpuset cpu io memory hugetlb pids rdma >"$R/sys/fs/cgroup/cgroup.controllers"
	fi
	[ ! -f "$R/proc/modules" ] || { ls "$R/lib/modules" >"$R/proc/sys/kernel/osrelease"; echo overlay 1 0 - Live 0x0 >"$R/proc/modules"; }
}
`

var boardPath = regexp.MustCompile(`(^|[ '"=])(/(?:etc|boot|usr|var|lib|proc|sys|run|swap|root|opt|mnt|srv)\b)`)

// paste runs one printed line on the board.
func (c fieldCase) paste(t *testing.T, line string) {
	t.Helper()
	if rest, ok := strings.CutPrefix(line, "sudo kubeadm-arm doctor "); ok {
		rest, _, _ = strings.Cut(rest, "    # ")
		words := append([]string{"kubeadm-arm", "doctor"}, strings.Fields(rest)...)
		var out, errs bytes.Buffer
		require.Zero(t, run(words, []string{"PATH=/usr/bin:/usr/sbin"}, nil, &out, &errs), "%s: %s", line,
			errs.String())
		return
	}
	script := boardShell + boardPath.ReplaceAllString(line, "${1}"+c.root+"${2}") + "\n"
	require.NoError(t, os.MkdirAll(c.root+"/root", 0o700))
	cmd := exec.Command("sh", "-ec", script)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "R=" + c.root}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s: %s", line, out)
}
