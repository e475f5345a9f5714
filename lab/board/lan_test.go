package board

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
)

func TestAddressesOfANetwork(t *testing.T) {
	all := []*Board{{Name: "a", NodeIP: "10.88.0.2"}, {Name: "b", NodeIP: "10.88.0.4"}}
	for _, c := range []struct{ wanted, got, err string }{
		{"", "10.88.0.3", ""},
		{"10.88.0.9", "10.88.0.9", ""},
		{"10.88.0.4", "", "board b of network n has it"},
		{"10.88.0.1", "", "want 10.88.0.2 to 10.88.0.254"},
		{"10.88.0.255", "", "want 10.88.0.2 to 10.88.0.254"},
		{"10.89.0.4", "", "want 10.88.0.2 to 10.88.0.254"},
		{"x", "", "want 10.88.0.2 to 10.88.0.254"},
	} {
		b := &Board{Name: "new", Network: "n", NodeIP: c.wanted}
		if err := b.chooseAddress(append(all, b)); c.err != "" {
			assert.ErrorContains(t, err, c.err, c.wanted)
			continue
		}
		assert.Equal(t, c.got, b.NodeIP)
	}
	for len(all) < 253 {
		b := &Board{Name: fmt.Sprint(len(all)), Network: "n"}
		require.NoError(t, b.chooseAddress(all))
		all = append(all, b)
	}
	assert.ErrorContains(t, (&Board{Name: "new", Network: "n"}).chooseAddress(all), "no address is left")
}

func TestSharesOfANetwork(t *testing.T) {
	t.Setenv("KUBEADM_ARM_CACHE", t.TempDir())
	all := float64(runtime.NumCPU())
	for name, share := range map[string]float64{"a": all - 0.5, "b": 0.25} {
		dir, err := DirOf(name)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, (&Board{Name: name, Network: "n", Limits: cgroup.Limits{CPU: share}, Dir: dir}).Save())
	}
	share := func(network, name string, cpu float64) error {
		return (&Board{Name: name, Network: network, Limits: cgroup.Limits{CPU: cpu}}).checkShares()
	}
	assert.NoError(t, share("n", "c", 0.25))
	assert.NoError(t, share("", "c", all), "a board alone")
	assert.NoError(t, share("m", "c", all), "another network")
	err := share("n", "c", 0.3)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "b 25 %, c 30 %")
	assert.NoError(t, share("n", "b", 0.5), "its own share is the one that it is to have")
}

// TestBoardNetwork: boards come, are cut off, lose power and go, and the others know.
func TestBoardNetwork(t *testing.T) {
	needBoard(t)
	net := fmt.Sprintf("test-net-%d", os.Getpid())
	before, err := filepath.Glob("/sys/class/net/*")
	require.NoError(t, err)
	names := []string{net + "-a", net + "-b"}
	up := func(name string, flags ...string) {
		labOK(t, append([]string{"up", "--network", net, "--name", name, "--for", strconv.Itoa(os.Getpid())}, flags...)...)
	}
	run := func(name, script string) string { return labOK(t, "run", "--name", name, "--", "sh", "-ec", script) }
	up(names[0], "--endpoint")
	up(names[1], "--cpu", "50%")
	a, b := names[0], names[1]
	_, errOut, code := labRun(t, "up", "--network", net, "--name", net+"-c", "--node-ip", "10.88.0.3")
	assert.Equal(t, 1, code)
	assert.Contains(t, errOut, "board "+b+" of network "+net+" has it")

	for _, name := range names {
		assert.Equal(t, "10.88.0.2\n10.88.0.3\n10.88.0.2\n", run(name,
			"for n in "+a+" "+b+" cluster-endpoint; do getent ahostsv4 $n | awk 'NR == 1 {print $1}'; done"))
	}
	assert.Contains(t, run(a, "cat /etc/kubeadm-lab.yaml"), "controlPlaneEndpoint: cluster-endpoint:6443")
	assert.Equal(t, "02:00:0a:58:00:03", strings.TrimSpace(run(b, "cat /sys/class/net/eth0/address")))
	assert.NotEqual(t, run(a, "cat /etc/machine-id"), run(b, "cat /etc/machine-id"))
	assert.Contains(t, run(b, "cat /etc/cni/net.d/*"), "10.244.3.0/24")

	// What listens on b answers by its own address and that of a pod, over a too short power cut, too.
	listen := func() {
		run(b, `ip addr add 10.244.3.7/32 dev lo
socat TCP-LISTEN:7,fork,reuseaddr SYSTEM:hostname >/dev/null 2>&1 </dev/null & `)
	}
	answers := func(to string) error {
		out, errOut, code := labRun(t, "run", "--name", a, "--", "socat", "-u", "TCP:"+to+":7,connect-timeout=2", "-")
		if code != 0 || out != b+"\n" {
			return fmt.Errorf("%d: %q %s", code, out, errOut)
		}
		return nil
	}
	reached := func() {
		listen()
		for _, to := range []string{b, "10.244.3.7"} {
			require.Eventually(t, func() bool { return answers(to) == nil }, time.Minute, 50*time.Millisecond, to)
		}
	}
	reached()
	labOK(t, "link", "down", "--name", b)
	assert.Error(t, answers(b))
	labOK(t, "reboot", "--name", b)
	assert.Error(t, answers(b), "the cable is still out")
	labOK(t, "link", "up", "--name", b, "--rate", "1MiB")
	reached()
	assert.Contains(t, run(b, "tc qdisc show dev eth0"), "tbf")
	_, errOut, code = labRun(t, "throttle", "--name", b, "--cpu", "102400%")
	assert.Equal(t, 1, code)
	assert.Contains(t, errOut, "its boards would have")

	labOK(t, "down", "--name", b)
	assert.NotContains(t, run(a, "cat /etc/hosts"), b)
	labOK(t, "down", "--name", a)
	assert.Empty(t, traces(t, net).own)
	after, err := filepath.Glob("/sys/class/net/*")
	require.NoError(t, err)
	assert.Equal(t, before, after)
}
