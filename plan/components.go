package plan

// The control-plane components, in the order in which they are started: etcd and
// the API server are what the others need. The controller-manager comes last,
// because from its start on it reads and makes objects of all kinds, and
// whatever starts beside it takes longer.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
)

// Components returns the four in start order.
func Components() []string { return []string{Etcd, APIServer, Scheduler, ControllerManager} }
