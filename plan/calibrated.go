package plan

// Calibrated is the model with the coefficients that were fitted to the
// 19 bootstraps in testdata/calibration (kubeadm v1.37.2).
// Written by go run ./plan/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: 0.5,
		Parallel:   0.9,
		Starts: map[string]Start{
			Etcd:              {Fixed: 2, Seconds: 0.223, Power: 1.14, Writes: 0},
			APIServer:         {Fixed: 1, Seconds: 1.59, Power: 1.05, Writes: 0},
			Scheduler:         {Fixed: 0, Seconds: 0.201, Power: 1.31, Writes: 0},
			ControllerManager: {Fixed: 0, Seconds: 0.186, Power: 1.1, Writes: 0},
			Bootstrap:         {Fixed: 6, Seconds: 2.24, Power: 1.15, Writes: 0},
		},
	}
}
