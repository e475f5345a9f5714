package plan

// Calibrated is the model with the coefficients that were fitted to the
// 19 bootstraps in testdata/calibration (kubeadm v1.37.2).
// Written by go run ./tools/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: 0.7,
		Parallel:   0.9,
		Starts: map[string]Start{
			Etcd:              {Fixed: 1, Seconds: 0.967, Power: 0.676, Writes: 0},
			APIServer:         {Fixed: 2, Seconds: 1.36, Power: 1.08, Writes: 0},
			Scheduler:         {Fixed: 0, Seconds: 0.208, Power: 1.31, Writes: 0},
			ControllerManager: {Fixed: 0, Seconds: 0.204, Power: 1.04, Writes: 0},
			Bootstrap:         {Fixed: 8, Seconds: 1.7, Power: 1.22, Writes: 0},
		},
	}
}
