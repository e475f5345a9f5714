package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// rsaSlow is the wall time in seconds of one mutual handshake with RSA keys from which
// ECDSA keys are chosen. Kubelet, controllers, probes and kubeadm make hundreds of
// handshakes in a bootstrap.
const rsaSlow = 0.010

// rsaSlowWhenSaving is the same for the profiles that save: kubeadm makes eleven key
// pairs, which with RSA-2048 take a tenth of a whole bootstrap on the reference board.
const rsaSlowWhenSaving = 0.001

// config decides what is added to kubeadm's configuration.
func (m *maker) config() {
	before := *m
	b := m.f.Kubeadm
	api := m.f.Config.API()
	if api == "" {
		api = b.ConfigWrite()
	}
	c := &ConfigPlan{API: api, Translate: true}
	if kubeadm.IsExperimental(api) {
		// Nothing of it is decided, so that no decision says what is not done.
		m.warn("the config is kubeadm.k8s.io/v1, which is experimental: it is passed on as it is, without longer timeouts " +
			"or smaller keys")
		m.p.Config = c
		return
	}
	m.algorithm(c)
	m.validity(c)
	m.housekeeping(c)
	if m.slow {
		m.timeouts(c)
	}
	if len(c.Edits) == 0 && m.f.Config == nil {
		return
	}
	if m.f.NoConfig != "" {
		*m = before // nothing of it can be done
		m.warn("kubeadm's own timeouts and key algorithm stay as they are: " + m.f.NoConfig)
		return
	}
	c.PinToken = m.split() && !m.f.Config.HasTokens()
	m.p.Config = c
}

func (m *maker) algorithm(c *ConfigPlan) {
	const name = KeyAlgorithm
	s := m.f.Speed
	cost := fmt.Sprintf("a mutual TLS handshake takes %s with RSA-2048 keys and %s with ECDSA P-256 keys",
		short(s.HandshakeRSA), short(s.HandshakeECDSA))
	limit := rsaSlow
	if m.saving() {
		limit = rsaSlowWhenSaving
	}
	cheap := s.HandshakeRSA < limit || s.HandshakeRSA <= s.HandshakeECDSA
	if s.HandshakeRSA <= 0 || s.HandshakeECDSA <= 0 {
		cost, cheap = "handshakes were not measured in time", !m.slow
	}
	chosen := m.f.Config.Cluster("encryptionAlgorithm")
	gates, _ := m.f.Args.Get("feature-gates")
	m.ecdsa = strings.HasPrefix(chosen, "ECDSA")
	switch {
	case chosen != "":
		m.leave(GroupConfig, name, chosen, "the owner's config says so")
	case m.f.HasCA:
		m.leave(GroupConfig, name, "that of the certificates", "there is a CA already")
	case m.f.Config.Cluster("featureGates", "PublicKeysECDSA") != "" || strings.Contains(gates, "PublicKeysECDSA"):
		m.leave(GroupConfig, name, "by the owner's feature gate", "PublicKeysECDSA is set")
	case cheap:
		m.leave(GroupConfig, name, "kubeadm's default", cost+": cheap enough")
	case kubeadm.HasTimeouts(c.API):
		m.ecdsa = true
		m.decide(GroupConfig, name, "ECDSA-P256", cost)
		c.Edits = append(c.Edits, TextField{Cluster: true, Path: []string{"encryptionAlgorithm"}, Text: "ECDSA-P256"})
	case m.f.Kubeadm.KeyChoice() == kubeadm.ByFeatureGate:
		m.ecdsa = true
		m.decide(GroupConfig, name, "ECDSA by feature gate", cost+"; kubeconfig keys stay RSA in this version")
		c.Edits = append(c.Edits, FeatureGate{kubeadm.ECDSAGate})
	default:
		m.leave(GroupConfig, name, "RSA-2048", cost+", but this kubeadm or its config has no choice")
	}
}

// caPeriod is kubeadm's validity of an authority (cmd/kubeadm/app/constants).
const caPeriod = 10 * 365 * 24 * time.Hour

// validity has certificates be valid for as long as the owner wants. The authority lives
// twice as long, so that one renewal is still worth it.
func (m *maker) validity(c *ConfigPlan) {
	period := m.f.Validity
	switch {
	case period == 0:
		return
	case !HasValidity(c.API):
		m.warn("certificates are valid for a year: " + c.API + " has no field for more")
		return
	}
	edit := func(field string, d time.Duration) {
		c.Edits = append(c.Edits, TextField{Cluster: true, Path: []string{field}, Text: d.String()})
	}
	edit("certificateValidityPeriod", period)
	own, err := time.ParseDuration(m.f.Config.Cluster("caCertificateValidityPeriod"))
	if longer := err == nil && own >= 2*period; 2*period > caPeriod && !longer {
		edit("caCertificateValidityPeriod", 2*period)
	}
	m.decide(GroupConfig, Validity, fmt.Sprintf("%.0f days", period.Hours()/24),
		"set by --certificate-validity; a stolen key can be used for as long")
}

// HasValidity reports whether an API version that is written to has fields for the validity
// of certificates.
func HasValidity(api string) bool { return kubeadm.HasTimeouts(api) && !kubeadm.IsExperimental(api) }

// housekeeping has the kubelet's cAdvisor look at the containers less often than
// every 10 s (cmd/kubelet/app/options/globalflags_linux.go). Evictions do not wait
// for it: they read the node's memory and disks at once.
func (m *maker) housekeeping(c *ConfigPlan) {
	if !m.saving() {
		return
	}
	const name, flag = "kubelet housekeeping interval", "housekeeping-interval"
	if was := m.f.Config.KubeletExtraArg(flag); was != "" {
		m.leave(GroupKubelet, name, was, "the owner's config says so")
		return
	}
	every := 30 * time.Second
	if m.f.Profile == Frugal {
		every = time.Minute
	}
	c.Edits = append(c.Edits, KubeletFlag{flag, short(every.Seconds())})
	m.decide(GroupKubelet, name, short(every.Seconds()),
		"it reads a dozen files for every container each time; the figures of kubectl top are up to this old")
}

// timeouts raises kubeadm's own timeouts where the config has them.
func (m *maker) timeouts(c *ConfigPlan) {
	budget := m.startBudget()
	if !kubeadm.HasTimeouts(c.API) {
		m.timeout(m.f.Config, c, RaisedTimeout{Cluster: true, Path: []string{"apiServer", "timeoutForControlPlane"},
			AtLeast: budget}, "several times the expected start; this config API has no other timeout, so kubeadm-arm waits "+
			"before kubeadm does")
		return
	}
	for _, t := range m.timeoutsOf(kubeadm.Init) {
		m.timeout(m.f.Config, c, RaisedTimeout{Path: []string{"timeouts", t.field}, AtLeast: t.value}, t.why)
	}
}

// timeoutValue is what a field of timeouts is raised to.
type timeoutValue struct {
	field string
	value time.Duration
	why   string
}

// timeoutsOf are those that a command of kubeadm's reads.
func (m *maker) timeoutsOf(command kubeadm.Verb) []timeoutValue {
	budget := m.startBudget()
	call := max(time.Minute, roundUp(2*m.apiServerStart, time.Minute))
	kubelet := max(4*time.Minute, roundUp(2*m.apiServerStart, time.Minute))
	all := []timeoutValue{
		{"controlPlaneComponentHealthCheck", budget,
			"several times the expected API server start; the startup probe follows it"},
		{"kubernetesAPICall", call,
			"twice the expected API server start in whole minutes: a call may have to wait for a restart"},
		{"kubeletHealthCheck", kubelet,
			"the kubelet starts while nothing else does, so twice the expected API server start is ample"},
		{"etcdAPICall", max(2*time.Minute, call), "as long as an API call"},
		{"tlsBootstrap", max(5*time.Minute, budget), "as long as the control plane may take"},
		{"discovery", max(5*time.Minute, budget), "as long as the control plane may take"},
		{"upgradeManifests", max(5*time.Minute, budget), "an upgrade restarts each component"},
	}
	reads := kubeadm.TimeoutsOf(command)
	return slices.DeleteFunc(all, func(t timeoutValue) bool { return !slices.Contains(reads, t.field) })
}

// timeout adds a timeout unless the owner's own is at least as long.
func (m *maker) timeout(owner *kubeadm.Config, c *ConfigPlan, e RaisedTimeout, why string) {
	name := strings.Join(e.Path, ".")
	old := owner.Own(e.Path...)
	if e.Cluster {
		old = owner.Cluster(e.Path...)
	}
	if was, err := time.ParseDuration(old); err == nil && was >= e.AtLeast {
		m.leave(GroupConfig, name, was.String(), "the owner's value is longer and stays")
		return
	}
	c.Edits = append(c.Edits, e)
	m.decide(GroupConfig, name, e.AtLeast.String(), why)
}

// startBudget is how long a component may take to start before it is killed.
func (m *maker) startBudget() time.Duration {
	return max(4*time.Minute, roundUp(6*m.apiServerStart, time.Minute))
}

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
	c.RaiseOwn(api, e.AtLeast, e.Path...)
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
	c.SetOwn(api, e.Text, e.Path...)
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
