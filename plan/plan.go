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
	Args    kubeadm.InitArgs
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
	// Validity is how long the owner wants certificates to be valid; 0 is kubeadm's year.
	Validity time.Duration
}

// Plan is what `kubeadm-arm init` is going to do.
type Plan struct {
	Decisions []Decision `json:"decisions"`
	Warnings  []string   `json:"warnings,omitempty"`
	// Config lists what is added to kubeadm's configuration; nil means that
	// the owner's arguments are passed on as they are.
	Config *ConfigPlan `json:"config,omitempty"`
	Steps  []Step      `json:"steps"`
}
