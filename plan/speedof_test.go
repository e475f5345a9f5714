package plan

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

func sample(name, clock string, median float64) bench.Sample {
	return bench.Sample{Name: name, Clock: clock, Unit: bench.SecondsPerOp, Values: []float64{median}, N: 1,
		Median: median, P99: median}
}

func benchmark(cpu, wall float64) bench.Result {
	var r bench.Result
	for name, seconds := range map[string]float64{
		"go/apiserver-v1/one-core": referenceWork, "tls-v2/mutual/rsa-2048/x25519mlkem768/server": 0.0014, "tls-v2/mutual/rsa-2048/x25519mlkem768/client": 0.0014,
		"tls-v2/mutual/ecdsa-p256/x25519mlkem768/server": 0.00045, "tls-v2/mutual/ecdsa-p256/x25519mlkem768/client": 0.0005,
		"tls-v2/probe/rsa-2048/x25519mlkem768/server": 0.0013, "tls-v2/probe/ecdsa-p256/x25519mlkem768/server": 0.00029,
	} {
		r.Samples = append(r.Samples, sample(name, bench.CPU, cpu*seconds), sample(name, bench.Wall, wall*seconds))
	}
	return r
}

func times(s Speed) float64 {
	n, _ := s.Slowdown()
	return n
}

// Seen on a machine with thirteen programs on two cores: the wall time of the
// work was thirteen times that of the minute before, and a fast board was given
// a slow board's plan.
func TestABusyMinuteDoesNotMakeASlowBoard(t *testing.T) {
	quiet, busy := SpeedOf(benchmark(1, 1), ""), SpeedOf(benchmark(1, 13), "")
	assert.Equal(t, quiet, busy)
	assert.True(t, busy.Sure())
	assert.InDelta(t, 15, times(SpeedOf(benchmark(15, 15), "")), 0.01)
}

func TestAQuotaStretches(t *testing.T) {
	r := benchmark(1, 20)
	r.Cores.Quota = 0.05
	s := SpeedOf(r, "")
	assert.InDelta(t, 20, times(s), 0.01)
	assert.InDelta(t, 20*0.0028, s.HandshakeRSA, 1e-9)
	assert.InDelta(t, 0.0013, s.ServerRSA, 1e-9, "what a probe costs is CPU time")
	r.Cores.Quota = 2
	assert.InDelta(t, 1, times(SpeedOf(r, "")), 0.01, "a quota of two cores takes nothing from one thread")
}

// Reports of before 2026-11-29 have handshakes that were not kept on one core, under
// another name. They are counted from what the reference board took for those.
func TestOlderReports(t *testing.T) {
	r := benchmark(1, 1)
	for i, s := range r.Samples {
		r.Samples[i].Name = strings.Replace(s.Name, "tls-v2/", "tls/", 1)
	}
	now, old := SpeedOf(benchmark(1, 1), ""), SpeedOf(r, "")
	assert.InEpsilon(t, 0.00082/0.00092, old.HandshakeECDSA/now.HandshakeECDSA, 1e-9)
	assert.InEpsilon(t, 0.0024/0.0028, old.HandshakeRSA/now.HandshakeRSA, 1e-9)
	assert.InEpsilon(t, 0.0011/0.0013, old.ServerRSA/now.ServerRSA, 1e-9)
	assert.InEpsilon(t, 0.00023/0.00029, old.ServerECDSA/now.ServerECDSA, 1e-9)
	now.HandshakeRSA, now.HandshakeECDSA = old.HandshakeRSA, old.HandshakeECDSA
	now.ServerRSA, now.ServerECDSA = old.ServerRSA, old.ServerECDSA
	assert.Equal(t, now, old)
}

func TestWhatWasNotMeasuredStaysZero(t *testing.T) {
	var r bench.Result
	assert.Equal(t, Speed{}, SpeedOf(r, "/var/lib/etcd"))
	r.Samples = []bench.Sample{sample(bench.DiskSample("/d", "fsync"), bench.Wall, 0.02),
		sample("tls-v2/mutual/rsa-2048/x25519mlkem768/server", bench.CPU, 1)}
	s := SpeedOf(r, "/d")
	assert.InDelta(t, 0.02, s.FsyncP99, 0)
	assert.Zero(t, s.HandshakeRSA, "half a handshake is none")
}
