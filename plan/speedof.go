package plan

import "github.com/kubeadm-arm/kubeadm-arm/bench"

// SpeedOf reduces a benchmark to what decisions need. What was not measured
// stays 0. folder is where etcd's data lies, empty when no disk was measured.
//
// The figures are CPU times, divided by the CPU quota where there is one. Wall
// times would say the same on a board that has nothing else to do, and on one
// that happens to be busy for these few seconds they would plan for a slower
// board than it is: in the same minute, wall times of one machine were seen to
// differ by a factor of ten and CPU times by a tenth.
func SpeedOf(r bench.Result, folder string) Speed {
	stretch := 1.0
	if q := r.Cores.Quota; q > 0 && q < 1 {
		stretch = 1 / q
	}
	cpu := func(names ...string) float64 {
		sum := 0.0
		for _, name := range names {
			s, ok := r.Sample(name, bench.CPU)
			if !ok || s.Median <= 0 {
				return 0
			}
			sum += s.Median
		}
		return sum
	}
	const shake = "tls/mutual/"
	s := Speed{
		Work:           stretch * cpu("go/apiserver-v1/one-core"),
		HandshakeRSA:   stretch * cpu(shake+"rsa-2048/x25519mlkem768/server", shake+"rsa-2048/x25519mlkem768/client"),
		HandshakeECDSA: stretch * cpu(shake+"ecdsa-p256/x25519mlkem768/server", shake+"ecdsa-p256/x25519mlkem768/client"),
		ServerRSA:      cpu("tls/probe/rsa-2048/x25519mlkem768/server"),
		ServerECDSA:    cpu("tls/probe/ecdsa-p256/x25519mlkem768/server"),
		Quota:          stretch > 1,
		Cores:          cores(r),
	}
	// The short form leaves probes out. A mutual handshake costs the server the
	// same and the check of a client's certificate.
	if s.ServerRSA == 0 {
		s.ServerRSA = cpu(shake + "rsa-2048/x25519mlkem768/server")
	}
	if s.ServerECDSA == 0 {
		s.ServerECDSA = cpu(shake + "ecdsa-p256/x25519mlkem768/server")
	}
	if folder != "" {
		if d, ok := r.Sample(bench.DiskSample(folder, "fsync"), bench.Wall); ok {
			s.Fsync, s.FsyncP99 = d.Median, d.P99
		}
	}
	return s
}

// cores is how many cores' worth of CPU a program gets, 0 if that is not told.
func cores(r bench.Result) float64 {
	n := float64(r.Runtime.CPUs)
	if q := r.Cores.Quota; q > 0 && q < n {
		return q
	}
	return n
}
