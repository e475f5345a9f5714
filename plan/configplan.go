package plan

import (
	"encoding/json"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// ConfigPlan is what is written into the copy of the configuration that
// kubeadm is given.
type ConfigPlan struct {
	// API is the config API version, such as "v1beta4".
	API   string      `json:"api"`
	Edits ConfigEdits `json:"edits,omitempty"`
	// Translate says that the owner's flags are written into the config too,
	// because kubeadm refuses most of them beside --config.
	Translate bool `json:"translate"`
	// PinToken says that a bootstrap token is made before the first try, so
	// that a repeated step does not leave a second one in the cluster.
	PinToken bool `json:"pinToken"`
}

// A ConfigEdit sets one field of kubeadm's configuration. Its types are those below.
type ConfigEdit interface {
	// Apply sets the field in documents of an API version.
	Apply(c *kubeadm.Config, api string)
	json() editJSON
}

// A RaisedTimeout sets a duration unless the owner's is longer.
type RaisedTimeout struct {
	// Cluster says ClusterConfiguration instead of InitConfiguration.
	Cluster bool
	Path    []string
	AtLeast time.Duration
}

// Apply implements ConfigEdit.
func (e RaisedTimeout) Apply(c *kubeadm.Config, api string) {
	if e.Cluster {
		c.RaiseCluster(api, e.AtLeast, e.Path...)
		return
	}
	c.RaiseInit(api, e.AtLeast, e.Path...)
}

// A TextField sets a text.
type TextField struct {
	// Cluster says ClusterConfiguration instead of InitConfiguration.
	Cluster bool
	Path    []string
	Text    string
}

// Apply implements ConfigEdit.
func (e TextField) Apply(c *kubeadm.Config, api string) {
	if e.Cluster {
		c.SetCluster(api, e.Text, e.Path...)
		return
	}
	c.SetInit(api, e.Text, e.Path...)
}

// A FeatureGate of ClusterConfiguration is switched on.
type FeatureGate struct{ Name string }

// Apply implements ConfigEdit.
func (e FeatureGate) Apply(c *kubeadm.Config, api string) { c.SetClusterGate(api, e.Name, true) }

// A KubeletFlag is a flag of the kubelet in InitConfiguration.
type KubeletFlag struct{ Name, Value string }

// Apply implements ConfigEdit.
func (e KubeletFlag) Apply(c *kubeadm.Config, api string) { c.SetKubeletExtraArg(api, e.Name, e.Value) }

// ConfigEdits are edits in the order in which they are made.
type ConfigEdits []ConfigEdit

// editJSON is an edit of any type in JSON.
type editJSON struct {
	Cluster  bool          `json:"cluster,omitempty"`
	Path     []string      `json:"path"`
	Duration time.Duration `json:"durationNanoseconds,omitempty"`
	Text     string        `json:"text,omitempty"`
	Gate     bool          `json:"gate,omitempty"`
	// KubeletArg says that the path's last word is a flag of the kubelet.
	KubeletArg bool `json:"kubeletArg,omitempty"`
}

func (e RaisedTimeout) json() editJSON {
	return editJSON{Cluster: e.Cluster, Path: e.Path, Duration: e.AtLeast}
}

func (e TextField) json() editJSON { return editJSON{Cluster: e.Cluster, Path: e.Path, Text: e.Text} }

func (e FeatureGate) json() editJSON {
	return editJSON{Cluster: true, Path: []string{"featureGates", e.Name}, Gate: true}
}

func (e KubeletFlag) json() editJSON {
	return editJSON{Path: []string{"nodeRegistration", "kubeletExtraArgs", e.Name}, Text: e.Value, KubeletArg: true}
}

// edit is the typed form.
func (e editJSON) edit() ConfigEdit {
	last := ""
	if n := len(e.Path); n > 0 {
		last = e.Path[n-1]
	}
	switch {
	case e.Gate:
		return FeatureGate{last}
	case e.KubeletArg:
		return KubeletFlag{last, e.Text}
	case e.Text != "":
		return TextField{e.Cluster, e.Path, e.Text}
	}
	return RaisedTimeout{e.Cluster, e.Path, e.Duration}
}

// MarshalJSON writes the form that journals have.
func (all ConfigEdits) MarshalJSON() ([]byte, error) {
	out := make([]editJSON, len(all))
	for i, e := range all {
		out[i] = e.json()
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (all *ConfigEdits) UnmarshalJSON(text []byte) error {
	var in []editJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*all = nil
	for _, e := range in {
		*all = append(*all, e.edit())
	}
	return nil
}
