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
	// HasCA tells that certificates are there already, whose key algorithm
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

// ConfigPlan is what is written into the copy of the configuration that
// kubeadm is given.
type ConfigPlan struct {
	// API is the config API version, such as "v1beta4".
	API   string       `json:"api"`
	Edits []ConfigEdit `json:"edits,omitempty"`
	// Translate says that the owner's flags are written into the config too,
	// because kubeadm refuses most of them beside --config.
	Translate bool `json:"translate"`
	// PinToken says that a bootstrap token is made before the first try, so
	// that a repeated step does not leave a second one in the cluster.
	PinToken bool `json:"pinToken"`
}

// A ConfigEdit sets one field of a kubeadm document unless the owner's value
// is longer (durations) or there at all (text).
type ConfigEdit struct {
	// Cluster says ClusterConfiguration instead of InitConfiguration.
	Cluster  bool          `json:"cluster,omitempty"`
	Path     []string      `json:"path"`
	Duration time.Duration `json:"durationNanoseconds,omitempty"`
	Text     string        `json:"text,omitempty"`
	Gate     bool          `json:"gate,omitempty"`
	// KubeletArg says that the path's last word is a flag of the kubelet.
	KubeletArg bool `json:"kubeletArg,omitempty"`
}

// A Step is one thing to do. The list of its types is closed: bootstrap knows
// how to carry out each of them and nothing else.
type Step interface {
	// Title names the step for people, in the form "patch the manifests".
	Title() string
	step()
}

// RunPhases runs phases of the real `kubeadm init` in one process: the owner's
// arguments with every phase skipped that is not in Keep.
type RunPhases struct {
	Name string   `json:"name"`
	What string   `json:"what"`
	Keep []string `json:"keep"`
	// Attempts is how often the phases may run; they are all create-or-update.
	Attempts int `json:"attempts"`
}

// PatchManifests rewrites the manifests that kubeadm wrote.
type PatchManifests struct {
	Settings map[string]patch.Settings `json:"settings"`
}

// StageManifests moves manifests out of the kubelet's sight.
type StageManifests struct {
	Components []string `json:"components"`
}

// ReleaseManifest moves one manifest back.
type ReleaseManifest struct {
	Component string `json:"component"`
}

// AwaitHealthy waits until a component is healthy, for as long as something
// moves.
type AwaitHealthy struct {
	Component string `json:"component"`
	// Expect is the predicted time, shown to the owner; no deadline.
	Expect time.Duration `json:"expectNanoseconds"`
	// Quiet, Patience and Restarts are the limits of bootstrap's watch.
	Quiet    time.Duration `json:"quietNanoseconds"`
	Patience time.Duration `json:"patienceNanoseconds"`
	Restarts int           `json:"restarts"`
	// HoldKubelet says to stop the kubelet meanwhile, and to give the component's
	// threads long turns.
	HoldKubelet bool `json:"holdKubelet,omitempty"`
	// Poll is the time between two looks.
	Poll time.Duration `json:"pollNanoseconds"`
}

// Title implements Step.
func (s RunPhases) Title() string       { return s.What }
func (s PatchManifests) Title() string  { return "patch the manifests" }
func (s StageManifests) Title() string  { return "stage the control plane" }
func (s ReleaseManifest) Title() string { return "release " + s.Component }
func (s AwaitHealthy) Title() string    { return "wait for " + s.Component }

func (RunPhases) step()       {}
func (PatchManifests) step()  {}
func (StageManifests) step()  {}
func (ReleaseManifest) step() {}
func (AwaitHealthy) step()    {}
