package plan

// Calibrated is the model with the coefficients that were fitted to the
// 19 bootstraps in testdata/calibration (kubeadm v1.37.2).
// Written by go run ./plan/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: 0.7,
		Parallel:   0.9,
		Starts: map[string]Start{
			Etcd:              {Fixed: 2, Seconds: 0.326, Power: 0.997, Writes: 0},
			APIServer:         {Fixed: 1, Seconds: 1.85, Power: 0.952, Writes: 40},
			Scheduler:         {Fixed: 0, Seconds: 0.228, Power: 1.18, Writes: 0},
			ControllerManager: {Fixed: 0, Seconds: 0.208, Power: 0.986, Writes: 0},
			Bootstrap:         {Fixed: 6, Seconds: 2.64, Power: 1.03, Writes: 160},
		},
	}
}
