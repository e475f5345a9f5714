package plan

// The control-plane components, in the order in which they can work: each needs
// the one before it.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
)

// Components returns the four in start order.
func Components() []string { return []string{Etcd, APIServer, ControllerManager, Scheduler} }
