package patch

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheOwnersValues(t *testing.T) {
	text := with(t, small, "    - --data-dir=/var/lib/etcd\n",
		"    - --election-timeout=9000\n    - --heartbeat-interval\n    - \"100\"\n    - '--snapshot-count=5'\n    - "+
			"--quota=2\n    - --lease=x\n")
	out, changes, err := Apply([]byte(text), Settings{Flags: []Flag{
		{Name: "election-timeout", Value: "5000", Policy: AtLeast},
		{Name: "heartbeat-interval", Value: "500", Policy: AtLeast},
		{Name: "snapshot-count", Value: "10000", Policy: Set, UserSet: true, Reason: "r"},
		{Name: "new", Value: "x", Policy: IfAbsent},
		{Name: "quota", Value: "1", Policy: IfAbsent},
		{Name: "lease", Value: "9s", Policy: AtLeast, UserSet: true},
	}})
	require.NoError(t, err)
	assert.Equal(t, with(t, text, "    - \"100\"", "    - \"500\"", "    - '--snapshot",
		"    - --new=x\n    - '--snapshot"), string(out))
	require.Len(t, changes, 4)
	assert.Equal(t, Change{Target: Target{Component: "etcd", List: "command", Flag: "snapshot-count"}, Old: "5", New: "5",
		Reason: "the owner's value stays; it would have been 10000: r", Kept: true}, changes[1])
	assert.True(t, changes[3].Kept, "it cannot be compared, but need not be")
}

func TestTheOwnersProbes(t *testing.T) {
	out, changes := requireLaws(t, []byte(small), Settings{Liveness: &Probe{
		Period: 20, Timeout: 40, Reason: "slow", Reasons: map[string]string{period: "expensive"}, UserSet: []string{timeout},
	}})
	require.Len(t, changes, 2)
	assert.Equal(t, "expensive", changes[0].Reason)
	assert.True(t, changes[1].Kept)
	assert.Contains(t, changes[1].Reason, "it would have been 40: slow")
	assert.Contains(t, string(out), "timeoutSeconds: 15")
}

func TestTheOwnersVariables(t *testing.T) {
	text := with(t, small, "    livenessProbe", "    env:\n    - name: GOGC\n      value: '50'\n    - name: SECRET\n    "+
		"  valueFrom: {}\n    livenessProbe")
	out, changes := requireLaws(t, []byte(text), Settings{Env: []Env{{Name: "GOGC", Value: "200"},
		{Name: "SECRET", Value: "x"}, {Name: "A", Value: "1"}, {Name: "B", Value: "2"}}})
	require.Len(t, changes, 4)
	assert.True(t, changes[0].Kept)
	assert.True(t, changes[1].Kept)
	assert.Equal(t, with(t, text, "    - name: GOGC", "    - name: A\n      value: \"1\"\n    - name: B\n      value: "+
		"\"2\"\n    - name: GOGC"), string(out))
}

// flagsOf patches a command and returns what became of it.
func flagsOf(t *testing.T, component string, command []string, flags ...Flag) (after []string, changes []Change) {
	t.Helper()
	text := strings.ReplaceAll(small, "etcd", component)
	text = with(t, text, "    - --data-dir=/var/lib/"+component+"\n", "    - "+strings.Join(command, "\n    - ")+"\n")
	out, changes, err := Apply([]byte(text), Settings{Flags: flags})
	require.NoError(t, err)
	again, _, err := Apply(out, Settings{Flags: flags})
	require.NoError(t, err)
	require.Equal(t, string(out), string(again))
	return decodePod(t, out).Spec.Containers[0].Command[1:], changes
}

func atLeast(pairs ...string) []Flag {
	var flags []Flag
	for i := 0; i < len(pairs); i += 2 {
		flags = append(flags, Flag{Name: pairs[i], Value: pairs[i+1], Policy: AtLeast, Reason: "slow"})
	}
	return flags
}

func TestFlagSpellings(t *testing.T) {
	for _, x := range []struct{ before, after []string }{
		{[]string{"--leader_elect_retry_period=2s"}, []string{"--leader_elect_retry_period=5s"}},
		{[]string{"--leader-elect-retry-period=9s", "--leader-elect-retry-period=1s"},
			[]string{"--leader-elect-retry-period=9s", "--leader-elect-retry-period=5s"}},
		{[]string{"--leader-elect-retry-period", "1s"}, []string{"--leader-elect-retry-period", "5s"}},
		{[]string{"--leader-elect-retry-period=6000ms"}, []string{"--leader-elect-retry-period=6000ms"}},
		{[]string{"--a=b", "--z=b"}, []string{"--a=b", "--leader-elect-retry-period=5s", "--z=b"}},
		{[]string{"--a=b", "--", "--leader-elect-retry-period=1s"}, []string{"--leader-elect-retry-period=5s", "--a=b", "--",
			"--leader-elect-retry-period=1s"}},
	} {
		after, _ := flagsOf(t, "kube-scheduler", x.before, atLeast(retryPeriod, "5s")...)
		assert.Equal(t, x.after, after)
	}
	// A switch takes no value from the next item.
	after, _ := flagsOf(t, "kube-scheduler", []string{"--profiling", "--a=b"}, Flag{Name: "profiling", Value: "false",
		Policy: Set})
	assert.Equal(t, []string{"--profiling=false", "--a=b"}, after)
	after, _ = flagsOf(t, "etcd", []string{"-heartbeat-interval=100", "--a=b"}, atLeast("heartbeat-interval", "150")...)
	assert.Equal(t, []string{"-heartbeat-interval=150", "--a=b"}, after)
}

func TestFlagsInArgs(t *testing.T) {
	text := with(t, small, "    - etcd\n    - --data-dir=/var/lib/etcd\n",
		"    - etcd\n    - --a=b\n    args: [\"--heartbeat-interval=100\"]\n")
	out, changes := requireLaws(t, []byte(text), Settings{Flags: atLeast("heartbeat-interval", "150")})
	assert.Equal(t, "spec.containers[etcd].args --heartbeat-interval", changes[0].Target.String())
	assert.Equal(t, with(t, text, "interval=100", "interval=150"), string(out))
	text = with(t, small, "    - etcd\n    - --data-dir=/var/lib/etcd\n", "    - etcd\n    args: [\"--z=b\"]\n")
	out, changes = requireLaws(t, []byte(text), Settings{Flags: atLeast("heartbeat-interval", "150")})
	assert.Equal(t, "spec.containers[etcd].args --heartbeat-interval", changes[0].Target.String())
	assert.Equal(t, with(t, text, "[\"--z", "[\"--heartbeat-interval=150\", \"--z"), string(out))
}

// TestFlagInAnothersPlace: a flag without = takes the next item as its value,
// even one that looks like a flag.
func TestFlagInAnothersPlace(t *testing.T) {
	for _, command := range []string{"--a\n    - --b\n    - c", "--a\n    - --b=c"} {
		text := with(t, small, "--data-dir=/var/lib/etcd", command)
		_, _, err := Apply([]byte(text), Settings{Flags: []Flag{{Name: "a", Value: "1", Policy: Set}, {Name: "b", Value: "2",
			Policy: Set}}})
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
	}
}

func TestFlagsThatCannotBeCompared(t *testing.T) {
	for _, v := range []string{"soon", "15"} {
		text := with(t, strings.ReplaceAll(small, "etcd", "kube-scheduler"), "--data-dir=/var/lib/kube-scheduler",
			"--"+retryPeriod+"="+v)
		_, _, err := Apply([]byte(text), Settings{Flags: atLeast(retryPeriod, "5s")})
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, 9, refused.Line)
	}
}

// TestEtcdVariables: etcd reads its flags from the environment too, and a flag
// beside a variable would win.
func TestEtcdVariables(t *testing.T) {
	const env = "    env:\n    - name: ETCD_HEARTBEAT_INTERVAL\n      value: \"250\"\n"
	text := with(t, small, "    livenessProbe", env+"    livenessProbe")
	out, changes := requireLaws(t, []byte(text), Settings{Flags: atLeast("heartbeat-interval", "200")})
	assert.Empty(t, changes)
	assert.Equal(t, text, string(out))
	out, _, err := Apply([]byte(text), Settings{Flags: atLeast("heartbeat-interval", "300", "election-timeout", "3000")})
	require.NoError(t, err)
	assert.Equal(t, with(t, text, "\"250\"", "\"300\"", "    - --data-dir=/var/lib/etcd",
		"    - --election-timeout=3000\n    - --data-dir=/var/lib/etcd"), string(out))
	text = with(t, text, "value: \"250\"", "valueFrom: {}")
	_, changes = requireLaws(t, []byte(text), Settings{Flags: atLeast("heartbeat-interval", "200")})
	require.Len(t, changes, 1)
	assert.True(t, changes[0].Kept)
}

// TestLaws: a component with times that do not fit each other does not start, so
// a change that the owner's values would make such is not made.
func TestLaws(t *testing.T) {
	slow := atLeast(leaseDuration, "60s", renewDeadline, "40s", retryPeriod, "8s")
	owned := func(name string, flags []Flag) []Flag {
		out := append([]Flag{}, flags...)
		for i := range out {
			out[i].UserSet = out[i].Name == name
		}
		return out
	}
	for _, x := range []struct {
		name          string
		component     string
		before, after []string
		flags         []Flag
		kept          int
	}{
		{"nothing set", "kube-scheduler", []string{"--z=1"}, []string{"--leader-elect-lease-duration=60s",
			"--leader-elect-renew-deadline=40s", "--leader-elect-retry-period=8s", "--z=1"}, slow, 0},
		{"a longer lease", "kube-scheduler", []string{"--leader-elect-lease-duration=90s"},
			[]string{"--leader-elect-lease-duration=90s"}, atLeast(leaseDuration, "60s"), 0},
		{"a short lease of the owner's", "kube-scheduler", []string{"--leader-elect-lease-duration=20s"},
			[]string{"--leader-elect-lease-duration=20s"}, owned(leaseDuration, slow), 3},
		{"a renewal as long as the new lease", "kube-scheduler", []string{"--leader-elect-lease-duration=50s",
			"--leader-elect-renew-deadline=45s"}, []string{"--leader-elect-lease-duration=50s", "--leader-elect-renew-deadline=45s"}, atLeast(retryPeriod, "40s"), 1},
		{"no election", "kube-scheduler", []string{"--leader-elect=false"}, []string{"--leader-elect=false"}, slow, 0},
		{"election switched off", "kube-scheduler", []string{"--leader-elect=true"}, []string{"--leader-elect=false"},
			append(atLeast(leaseDuration, "60s"), Flag{Name: leaderElect, Value: "false", Policy: Set}), 0},
		{"a short election of the owner's", "etcd", []string{"--election-timeout=1000"}, []string{"--election-timeout=1000"},
			owned("election-timeout", atLeast("heartbeat-interval", "300", "election-timeout", "3000")), 2},
		{"the owner's longer heartbeat", "etcd", []string{"--heartbeat-interval=250"}, []string{"--election-timeout=3000",
			"--heartbeat-interval=300"}, atLeast("heartbeat-interval", "300", "election-timeout", "3000"), 0},
		{"a very long election", "etcd", []string{"--a=1"}, []string{"--a=1"}, atLeast("heartbeat-interval", "6000",
			"election-timeout", "60000"), 2},
	} {
		t.Run(x.name, func(t *testing.T) {
			after, changes := flagsOf(t, x.component, x.before, x.flags...)
			assert.ElementsMatch(t, x.after, after)
			kept := 0
			for _, c := range changes {
				if c.Kept {
					kept++
				}
			}
			assert.Equal(t, x.kept, kept, "%v", changes)
		})
	}
}
