package drive

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeLab keeps the arguments it is called with and answers as lab does.
const fakeLab = `#!/bin/sh
echo "$*" >> "$0.calls"
case "$1" in
status) printf 'd-1\nother\n' ;;
run) echo out; echo why >&2; exit 7 ;;
boot) echo '[{"exitCode": 3}]' ;;
esac
`

func newLab(t *testing.T) (lab Lab, calls func() string) {
	path := filepath.Join(t.TempDir(), "lab")
	require.NoError(t, os.WriteFile(path, []byte(fakeLab), 0o755))
	return Lab(path), func() string {
		text, err := os.ReadFile(path + ".calls")
		require.NoError(t, err)
		return strings.TrimSpace(string(text))
	}
}

func TestRunSaysWhatWasRunAndHowItEnded(t *testing.T) {
	lab, calls := newLab(t)
	out, err := lab.Board("d").Run(t.Context(), "kubeadm-arm", "init")
	assert.Equal(t, "out\n", out)
	assert.EqualError(t, err, "kubeadm-arm init: exit status 7: out\nwhy\n")
	assert.Equal(t, 7, ExitCode(err))
	assert.Equal(t, "run --name d -- kubeadm-arm init", calls())
	assert.Equal(t, 0, ExitCode(nil))
	assert.Equal(t, -1, ExitCode(errors.New("x")))
}

func TestArgumentsOfLab(t *testing.T) {
	lab, calls := newLab(t)
	b := lab.Board("d-1")
	require.NoError(t, b.Copy(t.Context(), "f", "/root/f"))
	require.NoError(t, b.Reboot(t.Context(), "--orderly"))
	require.NoError(t, b.Throttle(t.Context(), "--cpu", "5%"))
	require.NoError(t, lab.DownAll(t.Context(), "d-"))
	_ = b.Command(t.Context(), []string{"A=1"}, "true").Run()
	assert.Equal(t, "cp f d-1:/root/f\nreboot --name d-1 --orderly\nthrottle --name d-1 --cpu 5%\n"+
		"status --names\ndown --name d-1\nrun --name d-1 --env A=1 -- true", calls())
	_, err := lab.Boot(t.Context(), "bananapi", []string{"a=b"}, [][]string{{"a"}, {"c"}})
	assert.ErrorContains(t, err, "1 results of 2 commands")
}

func TestUsageSince(t *testing.T) {
	before := Usage{CPU: 1, ByProgram: map[string]float64{"etcd": 0.5, "kubeadm": 0.25}}
	total, by := Usage{CPU: 4, ByProgram: map[string]float64{"etcd": 1.5}}.Since(before)
	assert.InDelta(t, 3, total, 1e-9)
	assert.InDelta(t, 1, by["etcd"], 1e-9)
	assert.InDelta(t, 2, by["(ended)"], 1e-9)
}

func TestDisturb(t *testing.T) {
	// The command ends because of the fault, which came when the command had said so.
	in, out, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", "echo wait for; read -r x; exit 3")
	cmd.Stdin = in
	trigger := NewTrigger("wait for")
	cmd.Stdout = trigger
	d, err := Disturb(cmd, trigger.Seen, func() error { return errors.Join(out.Close(), errors.New("cut")) })
	assert.EqualError(t, err, "cut")
	assert.False(t, d.Early)
	assert.Equal(t, 3, ExitCode(d.Ended))

	d, err = Disturb(exec.Command("false"), NewTrigger("").Seen, func() error { t.Error("it was over"); return nil })
	require.NoError(t, err)
	assert.True(t, d.Early)
	assert.Equal(t, 1, ExitCode(d.Ended))
}

func TestTriggerSeesATextInPieces(t *testing.T) {
	trigger := NewTrigger("middle")
	for _, piece := range []string{"xmid", "d", "le y", "middle"} {
		_, err := trigger.Write([]byte(piece))
		require.NoError(t, err)
	}
	_, open := <-trigger.Seen
	assert.False(t, open)
}

func TestLogPrefixes(t *testing.T) {
	var b bytes.Buffer
	NewLog(&b).With("a ").With("b: ").Printf("%d", 1)
	assert.True(t, strings.HasSuffix(b.String(), "s  a b: 1\n"), b.String())
}

func TestStarts(t *testing.T) {
	got := startsOf([]string{
		"/var/log/pods/kube-system_etcd-demo_a/etcd/0.log",
		"/var/log/pods/kube-system_kube-apiserver-demo_a/kube-apiserver/1.log", // 0.log was removed
		"/var/log/pods/kube-system_kube-scheduler-demo_a/kube-scheduler/0.log",
		"/var/log/pods/kube-system_kube-scheduler-demo_b/kube-scheduler/0.log", // a second pod
		"/var/log/pods/kube-system_kube-proxy-x_a/kube-proxy/7.log",
		"/var/log/pods/0123456789abcdef0123456789abcdef/kube-controller-manager/2.log", // v1.13
		"/var/log/pods/7d0d2f3c-0fb1-11e9-9c53-02420a580002/etcd/4.log",                // not a static pod
	})
	assert.Equal(t, map[string]int{"etcd": 1, "kube-apiserver": 2, "kube-controller-manager": 3, "kube-scheduler": 2},
		got.Since(nil))
	later := startsOf([]string{
		"/var/log/pods/kube-system_etcd-demo_b/etcd/0.log", // its manifest was changed, and the old pod is gone
		"/var/log/pods/kube-system_kube-apiserver-demo_a/kube-apiserver/2.log",
	})
	assert.Equal(t, map[string]int{"etcd": 1, "kube-apiserver": 1, "kube-controller-manager": 0, "kube-scheduler": 0},
		later.Since(got))
}
