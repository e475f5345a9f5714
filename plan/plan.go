package plan

import (
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// Facts are all that a plan is made from.
type Facts struct {
	Board   hwdetect.Board
	Speed   Speed
	Kubeadm kubeadm.Behaviour
	Args    kubeadm.Args
	// Config is the owner's --config, nil without one.
	Config *kubeadm.Config
	// Profile is the owner's choice; empty is Responsive.
	Profile Profile
	// Cores is the CPU quota in cores, 0 without one.
	Cores float64
	// Owned is what the owner's folder of kubeadm patches sets.
	Owned patch.Owned
	// HasCA says that certificates are there already, whose key algorithm
	// is kept.
	HasCA bool
	// NoConfig, when not empty, says why no configuration can be written in place of
	// the owner's flags: they do not all have a place in one.
	NoConfig string
	// Members are how many members the cluster's etcd has that a control plane joins, 0 if
	// that is not known.
	Members int
	// Tick is what these members have, zero if that is not known.
	Tick EtcdTick
	// Validity is how long the owner wants certificates to be valid; 0 is kubeadm's year.
	Validity time.Duration
}

// EtcdTick is how often the leader of etcd says that it is there, and for how long a member
// does without before it asks for an election. All members are to have the same.
type EtcdTick struct{ Heartbeat, Election time.Duration }

// Plan is what a command of kubeadm-arm's is going to do.
type Plan struct {
	// Command is kubeadm's command that the plan carries out; GoesBack says that the plan
	// takes back what it has done.
	Command   kubeadm.Verb `json:"command"`
	GoesBack  bool         `json:"goesBack,omitempty"`
	Decisions []Decision   `json:"decisions"`
	Warnings  []string     `json:"warnings,omitempty"`
	// Config lists what is added to kubeadm's configuration; nil means that
	// the owner's arguments are passed on as they are.
	Config *ConfigPlan `json:"config,omitempty"`
	Steps  []Step      `json:"steps"`
}

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

// A Decision is one thing decided, with its reason in a sentence.
type Decision struct {
	Group  Group  `json:"group,omitempty"`
	Name   string `json:"name"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
	// Default says that kubeadm's default, or the owner's own choice, stays.
	Default bool `json:"default,omitempty"`
}

// A Group is what a decision is about.
type Group string

// The groups of decisions.
const (
	GroupBoard     Group = "board"
	GroupStart     Group = "start order"
	GroupConfig    Group = "kubeadm configuration"
	GroupManifests Group = "manifests"
	GroupKubelet   Group = "kubelet"
	GroupProfile   Group = "profile"
	// GroupUpgrade is about an upgrade alone.
	GroupUpgrade Group = "upgrade"
)

// Groups are all groups in the order in which they are shown.
func Groups() []Group {
	return []Group{GroupBoard, GroupUpgrade, GroupStart, GroupConfig, GroupManifests, GroupKubelet, GroupProfile}
}

// The names of decisions that are shown before a run, too.
const (
	StagedStart  = "staged start"
	KeyAlgorithm = "key algorithm"
	Validity     = "certificates are valid for"
)

// decide notes what will differ from kubeadm's defaults, or was found out about the board.
func (m *maker) decide(g Group, name, value, reason string) {
	m.p.Decisions = append(m.p.Decisions, Decision{Group: g, Name: name, Value: value, Reason: reason})
}

// leave notes what stays as kubeadm or the owner has it.
func (m *maker) leave(g Group, name, value, reason string) {
	m.p.Decisions = append(m.p.Decisions, Decision{Group: g, Name: name, Value: value, Reason: reason, Default: true})
}
