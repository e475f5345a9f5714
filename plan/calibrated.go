package plan

// Calibrated is the model with the coefficients that were fitted to the
// 19 bootstraps in testdata/calibration (kubeadm v1.37.2).
// Written by go run ./plan/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: 0.6,
		Parallel:   0.9,
		Starts: map[string]Start{
			Etcd:              {Fixed: 1.5, Seconds: 0.648, Power: 0.794, Writes: 0},
			APIServer:         {Fixed: 2.5, Seconds: 1.1, Power: 1.12, Writes: 0},
			Scheduler:         {Fixed: 0, Seconds: 0.248, Power: 1.19, Writes: 0},
			ControllerManager: {Fixed: 0, Seconds: 0.24, Power: 0.979, Writes: 0},
			Bootstrap:         {Fixed: 7.5, Seconds: 1.78, Power: 1.18, Writes: 0},
		},
	}
}
