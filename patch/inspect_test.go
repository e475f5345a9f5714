package patch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func inspect(t *testing.T, text []byte) About {
	t.Helper()
	about, err := Inspect(text)
	require.NoError(t, err)
	return about
}

func TestInspectRealManifests(t *testing.T) {
	for _, x := range []struct {
		file, probe, endpoint string
	}{
		{"v1.13.1/article/kube-apiserver", livenessProbe, "HTTPS 192.168.1.155 6443 /healthz"},
		{"v1.13.1/article/kube-controller-manager", livenessProbe, "HTTP 127.0.0.1 10252 /healthz"},
		{"v1.13.1/article/kube-scheduler", livenessProbe, "HTTP 127.0.0.1 10251 /healthz"},
		{"v1.28.15/plain/etcd", startupProbe, "HTTP 127.0.0.1 2381 /health?serializable=false"},
		{"v1.28.15/plain/kube-apiserver", readinessProbe, "HTTPS 10.0.0.10 6443 /readyz"},
		{"v1.37.2/plain/kube-apiserver", readinessProbe, "HTTPS 10.0.0.10 6443 /readyz"},
		{"v1.37.2/plain/kube-controller-manager", livenessProbe, "HTTPS 127.0.0.1 10257 /healthz"},
		{"v1.37.2/plain/kube-scheduler", startupProbe, "HTTPS 127.0.0.1 10259 /livez"},
		{"v1.37.2/plain/etcd", readinessProbe, "HTTP 127.0.0.1 2381 /readyz"},
	} {
		about := inspect(t, read(t, "../testdata/manifests/"+x.file+".yaml"))
		e := about.Probes[x.probe].Endpoint
		require.NotNil(t, e, x.file)
		assert.Equal(t, x.endpoint, words(e.Scheme, e.Host, e.Port, e.Path), x.file)
	}
	about := inspect(t, read(t, "../testdata/manifests/v1.13.1/article/etcd.yaml"))
	assert.Nil(t, about.Probes[livenessProbe].Endpoint, "it runs a command")
	assert.NotContains(t, about.Probes, startupProbe)
}

// TestKill compares with the table that follows from the kubelet's source.
func TestKill(t *testing.T) {
	about := inspect(t, read(t, "../testdata/manifests/v1.13.1/article/kube-apiserver.yaml"))
	kill, ok := about.Starting()
	require.True(t, ok)
	assert.Equal(t, Kill{FailingFast: span(85, 95), Hanging: span(95, 105), Slow: span(135, 145)}, kill)
	about = inspect(t, read(t, "../testdata/manifests/v1.37.2/plain/kube-apiserver.yaml"))
	kill, _ = about.Starting()
	assert.Equal(t, Kill{FailingFast: span(240, 250), Hanging: span(250, 260), Slow: span(370, 380)}, kill)
	kill, ok = about.Started()
	require.True(t, ok)
	assert.Equal(t, Kill{FailingFast: span(70, 80), Hanging: span(80, 90), Slow: span(120, 130)}, kill)
	_, ok = About{}.Started()
	assert.False(t, ok)
	// Without TLS there is no handshake that ends early.
	about = inspect(t, read(t, "../testdata/manifests/v1.13.1/article/kube-scheduler.yaml"))
	kill, _ = about.Starting()
	assert.Equal(t, kill.Slow, kill.Hanging)
}

// TestKillAgainstTheKubeletsLoop plays the kubelet's probe loop attempt by
// attempt, with every phase of its clock.
func TestKillAgainstTheKubeletsLoop(t *testing.T) {
	for _, e := range []Effective{
		{InitialDelay: 15 * time.Second, Period: 10 * time.Second, Timeout: 15 * time.Second, FailureThreshold: 8},
		{InitialDelay: 10 * time.Second, Period: 10 * time.Second, Timeout: 4 * time.Second, FailureThreshold: 24},
		{Period: time.Second, Timeout: 15 * time.Second, FailureThreshold: 3},
		{InitialDelay: 7 * time.Second, Period: 20 * time.Second, Timeout: 20 * time.Second, FailureThreshold: 1},
	} {
		for _, attempt := range []time.Duration{0, e.Timeout / 2, e.Timeout} {
			want := e.span(e.InitialDelay, attempt)
			for phase := time.Duration(0); phase < e.Period; phase += e.Period / 7 {
				got := play(e, phase, attempt)
				assert.GreaterOrEqual(t, got, want.Min)
				assert.LessOrEqual(t, got, want.Max)
			}
		}
	}
}

// play returns when the last attempt fails. The kubelet's ticker holds one tick
// that nobody took, and drops others (time.Ticker).
func play(e Effective, phase, attempt time.Duration) time.Duration {
	now, failures := time.Duration(0), 0
	nextTick := phase
	for {
		if nextTick > now {
			now = nextTick
		}
		for nextTick <= now { // this tick, and those that were dropped
			nextTick += e.Period
		}
		if now < e.InitialDelay {
			continue
		}
		end := now + attempt
		if failures++; failures == e.FailureThreshold {
			return end
		}
		if nextTick <= end {
			// One tick waits in the channel: the next attempt begins at once.
			for nextTick+e.Period <= end {
				nextTick += e.Period
			}
		}
		now = end
	}
}

func span(least, most int) Span {
	return Span{time.Duration(least) * time.Second, time.Duration(most) * time.Second}
}

func TestInspectOddPorts(t *testing.T) {
	for _, port := range []string{"none", "0", "70000", "-1", "[]"} {
		about := inspect(t, []byte(with(t, small, "port: 2381", "port: "+port)))
		assert.Nil(t, about.Probes[livenessProbe].Endpoint, port)
	}
	about := inspect(t, []byte(with(t, small, "path: /health, port: 2381", "port: p", "    name: etcd",
		"    ports: [{name: p, containerPort: 99}]\n    name: etcd")))
	assert.Equal(t, Endpoint{Scheme: "HTTP", Host: "127.0.0.1", Port: 99, Path: "/"},
		*about.Probes[livenessProbe].Endpoint)
	_, err := Inspect([]byte("kind: Pod"))
	assert.Error(t, err)
}
