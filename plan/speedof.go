package plan

import "github.com/kubeadm-arm/kubeadm-arm/bench"

// SpeedOf reduces a benchmark to what decisions need. What was not measured
// stays 0. folder is where etcd's data will lie, empty when no disk was
// measured.
func SpeedOf(r bench.Result, folder string) Speed {
	wall := func(name string) float64 {
		s, _ := r.Sample(name, bench.Wall)
		return s.Median
	}
	cpu := func(name string) float64 {
		s, _ := r.Sample(name, bench.CPU)
		return s.Median
	}
	s := Speed{
		Work:           wall("go/apiserver-v1/one-core"),
		HandshakeRSA:   wall("tls/mutual/rsa-2048/x25519mlkem768"),
		HandshakeECDSA: wall("tls/mutual/ecdsa-p256/x25519mlkem768"),
		ServerRSA:      cpu("tls/probe/rsa-2048/x25519mlkem768/server"),
		ServerECDSA:    cpu("tls/probe/ecdsa-p256/x25519mlkem768/server"),
		Share:          r.Cores.One,
		Quota:          r.Cores.Quota > 0 && r.Cores.Quota < 0.95 || r.Cores.Throttled > 0.05,
	}
	if s.Work == 0 {
		s.Work = cpu("go/apiserver-v1/one-core")
	}
	if folder != "" {
		if d, ok := r.Sample(bench.DiskSample(folder, "fsync"), bench.Wall); ok {
			s.FsyncP99 = d.P99
		}
	}
	return s
}
