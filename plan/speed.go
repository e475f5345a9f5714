package plan

import (
	"fmt"
	"math"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// Speed is what the benchmark says, reduced to what decisions need: seconds of
// CPU time, stretched by the CPU quota where the board has one.
type Speed struct {
	// Work is the time of the Go work unit.
	Work float64 `json:"workSeconds"`
	// HandshakeRSA and HandshakeECDSA are for one full mutual TLS 1.3 handshake,
	// client and server side together, both on this board.
	HandshakeRSA   float64 `json:"handshakeRSASeconds"`
	HandshakeECDSA float64 `json:"handshakeECDSASeconds"`
	// ServerRSA and ServerECDSA are at most the CPU seconds of the server's side of one
	// handshake with a probe: what every probe costs the component it asks.
	ServerRSA   float64 `json:"serverRSASeconds"`
	ServerECDSA float64 `json:"serverECDSASeconds"`
	// Quota says that a CPU quota below one core held us back.
	Quota bool `json:"quota,omitempty"`
	// Cores is how many of them a program can use at once, a quota counted in;
	// 0 when that is unknown.
	Cores float64 `json:"cores,omitempty"`
	// Fsync is the median of a small write with fdatasync where etcd's data will
	// lie, in seconds; 0 when it was not measured.
	Fsync float64 `json:"fsyncSeconds,omitempty"`
	// FsyncP99 is its 99th percentile.
	FsyncP99 float64 `json:"fsyncP99Seconds"`
}

// Reference is the board that slowdowns are counted from: one core of an AMD
// EPYC at 2.6 GHz (2022), Go 1.26, nothing else running. There, stock kubeadm
// v1.37.2 brings a control plane up in 5 to 6 s.
func Reference() Speed {
	return Speed{
		Work:           referenceWork,
		HandshakeRSA:   0.0024,
		HandshakeECDSA: 0.00082,
		ServerRSA:      0.0011,
		ServerECDSA:    0.00023,
		Cores:          1,
		Fsync:          0.0005,
		FsyncP99:       0.001,
	}
}

// referenceWork is the Go work unit's time on the reference board.
const referenceWork = 0.00018

// unmeasured is the slowdown of a board of which nothing could be measured: a
// Banana Pi's. Too much patience costs little, too little of it the bootstrap.
const unmeasured = 15

// Slowdown is how many times slower than the reference board this board does
// an API server's kind of work, 1 and more, and on what that rests. On a very
// slow or very busy board the benchmark may run out of time; then handshakes
// stand in for the work, and if there is nothing at all, a slow board is
// assumed, never a fast one.
func (s Speed) Slowdown() (times float64, why string) {
	ref := Reference()
	switch {
	case known(s.Work):
		return math.Max(1, s.Work/ref.Work), fmt.Sprintf("the Go work unit takes %s here and %s on the reference board",
			short(s.Work), short(ref.Work))
	case known(s.HandshakeECDSA):
		return math.Max(1, s.HandshakeECDSA/ref.HandshakeECDSA),
			fmt.Sprintf("the Go work was not measured in time; a mutual TLS handshake with ECDSA keys takes %s here and %s "+
				"on the reference board", short(s.HandshakeECDSA), short(ref.HandshakeECDSA))
	case known(s.HandshakeRSA):
		return math.Max(1, s.HandshakeRSA/ref.HandshakeRSA),
			fmt.Sprintf("the Go work was not measured in time; a mutual TLS handshake with RSA keys takes %s here and %s on "+
				"the reference board", short(s.HandshakeRSA), short(ref.HandshakeRSA))
	}
	return unmeasured, "nothing could be measured in time; a slow board is assumed"
}

// Sure reports whether nothing hangs on a closer look: the board would be staged, or not,
// even if the API server took half as long again, or two thirds of it.
func (s Speed) Sure() bool {
	if !known(s.Work) || !known(s.HandshakeRSA) || !known(s.HandshakeECDSA) {
		return false
	}
	start := seconds(Calibrated().Predict(APIServer, s))
	return start < 2*fastEnough/3 || start > 3*fastEnough/2
}

// Times is the speed of a board that is n times slower in everything that the
// CPU does. The disk stays as it is.
func (s Speed) Times(n float64) Speed {
	s.Work *= n
	s.HandshakeRSA *= n
	s.HandshakeECDSA *= n
	s.ServerRSA *= n
	s.ServerECDSA *= n
	return s
}

// SpeedOf reduces a benchmark to what decisions need. What was not measured
// stays 0. folder is where etcd's data lies, empty when no disk was measured.
//
// The times are CPU times, divided by the CPU quota where there is one. On a board that
// has nothing else to do wall times would say the same, but on one that happens to be
// busy for these few seconds they would plan for a slower board.
func SpeedOf(r bench.Result, folder string) Speed {
	stretch := 1.0
	if q := r.Cores.Quota; q > 0 && q < 1 {
		stretch = 1 / q
	}
	work, _ := r.Sample("go/apiserver-v1/one-core", bench.CPU)
	shake := func(which string) float64 {
		s, ok := r.Handshake(which, bench.CPU)
		switch {
		case !ok:
			return 0
		case !s.OneCore():
			return max(0, s.Median) * oneCoreRatio()[strings.Join(strings.Split(which, "/")[:2], "/")]
		}
		return max(0, s.Median)
	}
	both := func(which string) float64 {
		server, client := shake(which+"/server"), shake(which+"/client")
		if server == 0 || client == 0 {
			return 0
		}
		return server + client
	}
	const mutualRSA, mutualECDSA = "mutual/rsa-2048/x25519mlkem768", "mutual/ecdsa-p256/x25519mlkem768"
	s := Speed{
		Work:           stretch * max(0, work.Median),
		HandshakeRSA:   stretch * both(mutualRSA),
		HandshakeECDSA: stretch * both(mutualECDSA),
		ServerRSA:      shake("probe/rsa-2048/x25519mlkem768/server"),
		ServerECDSA:    shake("probe/ecdsa-p256/x25519mlkem768/server"),
		Quota:          stretch > 1,
		Cores:          cores(r),
	}
	// The short form leaves probes out. A mutual handshake costs the server the
	// same and the check of a client's certificate.
	if s.ServerRSA == 0 {
		s.ServerRSA = shake(mutualRSA + "/server")
	}
	if s.ServerECDSA == 0 {
		s.ServerECDSA = shake(mutualECDSA + "/server")
	}
	if folder != "" {
		if d, ok := r.Sample(bench.DiskSample(folder, "fsync"), bench.Wall); ok {
			s.Fsync, s.FsyncP99 = d.Median, d.P99
		}
	}
	return s
}

// oneCoreRatio is the time that the reference board takes for a handshake that is kept on
// one core, divided by the time in reports from before handshakes were kept there. With
// it a board in such a report is compared with the reference board of that time.
func oneCoreRatio() map[string]float64 {
	return map[string]float64{
		"mutual/rsa-2048":   0.0024 / 0.0028,
		"mutual/ecdsa-p256": 0.00082 / 0.00092,
		"probe/rsa-2048":    0.0011 / 0.0013,
		"probe/ecdsa-p256":  0.00023 / 0.00029,
	}
}

// cores is how many cores' worth of CPU a program gets, 0 if that is not known.
func cores(r bench.Result) float64 {
	n := float64(r.Runtime.CPUs)
	if q := r.Cores.Quota; q > 0 && q < n {
		return q
	}
	return n
}
