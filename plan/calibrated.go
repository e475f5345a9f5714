package plan

// Calibrated is the model with the coefficients that were fitted to the
// 10 bootstraps in testdata/calibration (kubeadm v1.37.2).
// Written by go run ./plan/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: 1,
		Parallel:   0.6,
		Starts: map[string]Start{
			Etcd:              {Fixed: 3, Seconds: 0.8, Power: 0.898, Writes: 0},
			APIServer:         {Fixed: 3.5, Seconds: 1.4, Power: 1.39, Writes: 160},
			ControllerManager: {Fixed: 0.5, Seconds: 0.505, Power: 1.1, Writes: 0},
			Scheduler:         {Fixed: 1, Seconds: 0.471, Power: 1.31, Writes: 0},
			Bootstrap:         {Fixed: 8, Seconds: 4.87, Power: 1.2, Writes: 240},
		},
	}
}
