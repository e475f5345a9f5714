package plan

import (
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

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
