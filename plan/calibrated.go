package plan

// Calibrated is the model with the coefficients that were fitted to the
// 18 bootstraps in testdata/calibration (kubeadm v1.37.2).
// Written by go run ./plan/fit; not edited by hand.
func Calibrated() Model {
	return Model{
		Handshakes: 0.1,
		Parallel:   0,
		Starts: map[string]Start{
			Etcd:              {Fixed: 1.5, Seconds: 0.842, Power: 0.764, Writes: 40},
			APIServer:         {Fixed: 1, Seconds: 2.37, Power: 0.986, Writes: 0},
			Scheduler:         {Fixed: 0, Seconds: 0.364, Power: 1.14, Writes: 0},
			ControllerManager: {Fixed: 0, Seconds: 0.324, Power: 1.01, Writes: 0},
			Bootstrap:         {Fixed: 3, Seconds: 5.58, Power: 0.917, Writes: 0},
		},
	}
}
