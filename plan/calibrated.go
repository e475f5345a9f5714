package plan

// Calibrated is the model with the coefficients that were fitted to the
// 19 bootstraps in testdata/calibration (kubeadm v1.37.2).
// Written by go run ./plan/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: 0.5,
		Parallel:   0.9,
		Starts: map[string]Start{
			Etcd:              {Fixed: 1.5, Seconds: 0.739, Power: 0.803, Writes: 0},
			APIServer:         {Fixed: 2, Seconds: 1.39, Power: 1.08, Writes: 0},
			Scheduler:         {Fixed: 0, Seconds: 0.201, Power: 1.36, Writes: 0},
			ControllerManager: {Fixed: 0, Seconds: 0.19, Power: 1.12, Writes: 0},
			Bootstrap:         {Fixed: 8, Seconds: 1.58, Power: 1.26, Writes: 0},
		},
	}
}
