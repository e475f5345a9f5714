package plan

// Calibrated is the model with the coefficients that were fitted to the
// 19 bootstraps in testdata/calibration (kubeadm v1.37.2).
// Written by go run ./plan/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: 0.2,
		Parallel:   0.9,
		Starts: map[string]Start{
			Etcd:              {Fixed: 1.5, Seconds: 1.22, Power: 0.705, Writes: 0},
			APIServer:         {Fixed: 1, Seconds: 2.11, Power: 1.08, Writes: 0},
			Scheduler:         {Fixed: 0, Seconds: 0.333, Power: 1.23, Writes: 0},
			ControllerManager: {Fixed: 0, Seconds: 0.274, Power: 1.12, Writes: 0},
			Bootstrap:         {Fixed: 7, Seconds: 2.79, Power: 1.17, Writes: 160},
		},
	}
}
