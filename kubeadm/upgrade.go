package kubeadm

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HasUpgradeConfig reports whether `kubeadm upgrade` reads an UpgradeConfiguration, the
// only place of its timeouts.
func (b Behaviour) HasUpgradeConfig() bool { return b.Has(UpgradeConfig) }

// NamesPatches reports whether a config API has a field for the folder of patches. Beside a
// configuration kubeadm refuses the flag (since v1.23).
func NamesPatches(api string) bool { return api != "v1beta1" && api != "v1beta2" }

// A NodeOfUpgrade is what the control-plane manifests of a node say that the cluster's
// configuration does not.
type NodeOfUpgrade struct {
	Name, AdvertiseAddress string
	BindPort               int
}

// ManifestsConfig is the configuration with which `kubeadm init phase` writes the
// manifests that `kubeadm upgrade apply` would: the cluster's own, as its ConfigMap
// kubeadm-config has it, with another version, and what kubeadm reads of the node
// (util/config/cluster.go). startup is the timeout that the startup probes follow, 0 for
// kubeadm's; before v1beta4 it stands in the cluster's own. patches is the folder of patches,
// empty for none.
func ManifestsConfig(cluster *Config, to Version, n NodeOfUpgrade, startup time.Duration, patches string) ([]byte,
	error) {
	c, err := cluster.Clone()
	if err != nil {
		return nil, err
	}
	api := c.API()
	if c.doc(kindCluster) == nil || api == "" {
		return nil, fmt.Errorf("the cluster's configuration has no %s", kindCluster)
	}
	c.SetCluster(api, to.String(), "kubernetesVersion")
	c.SetOwn(api, n.Name, "nodeRegistration", "name")
	// In no manifest, and looked for if missing, which fails beside a second runtime.
	c.SetOwn(api, "unix:///run/containerd/containerd.sock", "nodeRegistration", "criSocket")
	c.SetOwn(api, n.AdvertiseAddress, "localAPIEndpoint", "advertiseAddress")
	put(c.ensure(kindInit, api), number(strconv.Itoa(n.BindPort)), "localAPIEndpoint", "bindPort")
	if startup > 0 && HasTimeouts(api) {
		c.RaiseOwn(api, startup, "timeouts", "controlPlaneComponentHealthCheck")
	}
	if patches != "" && NamesPatches(api) {
		c.SetOwn(api, patches, "patches", "directory")
	}
	return c.Bytes()
}

// ManifestsCommands write the manifests into kubeadm's manifests folder, less etcd's
// where that is not this cluster's own. cluster's is the API that config is written in.
func (b Behaviour) ManifestsCommands(cluster *Config, config, patches string, etcd bool) [][]string {
	phases := []string{"control-plane all"}
	if etcd {
		phases = append(phases, "etcd local")
	}
	var all [][]string
	for _, phase := range phases {
		args := append([]string{"init", "phase"}, strings.Fields(phase)...)
		args = append(args, "--config="+config)
		if flag, ok := b.PatchesFlag(); ok && patches != "" && !NamesPatches(cluster.API()) {
			args = append(args, "--"+flag+"="+patches)
		}
		all = append(all, args)
	}
	return all
}

// upgradeFields maps the flags of an upgrade to fields of UpgradeConfiguration
// (apis/kubeadm/v1beta4/types.go).
func upgradeFields(v Verb) map[string]flagField {
	all := map[string]flagField{
		"certificate-renewal": {false, []string{v.Section(), "certificateRenewal"}, asSwitch},
		"etcd-upgrade":        {false, []string{v.Section(), "etcdUpgrade"}, asSwitch},
		"patches":             {false, []string{v.Section(), "patches", "directory"}, asText},
	}
	if v == UpgradeApply {
		all["allow-experimental-upgrades"] = flagField{false, []string{"apply", "allowExperimentalUpgrades"}, asSwitch}
		all["allow-release-candidate-upgrades"] = flagField{false, []string{"apply", "allowRCUpgrades"}, asSwitch}
		all["force"] = flagField{false, []string{"apply", "forceUpgrade"}, asSwitch}
		all["print-config"] = flagField{false, []string{"apply", "printConfig"}, asSwitch}
	}
	return all
}

// An Upgrade is what kubeadm-arm has an upgrade of kubeadm's do beside what its owner asked for.
type Upgrade struct {
	Verb Verb
	// Version is empty where the verb takes none.
	Version string
	// Patches is the folder of patches; empty for the owner's.
	Patches string
	// EtcdDone says that etcd is to be left alone: kubeadm would copy its data once more.
	EtcdDone bool
	// Ignore are preflight checks to ignore beside the owner's, Skip the phases that the owner skips.
	Ignore, Skip []string
}

// UpgradeConfigOf is the owner's UpgradeConfiguration, or their flags as one, with what u adds.
// Only for kubeadms with [Behaviour.HasUpgradeConfig].
func UpgradeConfigOf(owner *Config, a Args, b Behaviour, u Upgrade) (*Config, error) {
	c, err := owner.Clone()
	if err != nil {
		return nil, err
	}
	m := c.For(u.Verb).ensure(kindUpgrade, cmp.Or(c.API(), b.ConfigWrite()))
	for _, f := range a.Flags {
		field, ok := upgradeFields(u.Verb)[f.Name]
		if !ok {
			continue
		}
		value, err := field.write(f.Value)
		if err != nil {
			return nil, fmt.Errorf("flag --%s: %w", f.Name, err)
		}
		put(m, value, field.path...)
	}
	if u.Patches != "" {
		put(m, text(u.Patches), u.Verb.Section(), "patches", "directory")
	}
	if u.EtcdDone {
		put(m, boolean("false"), u.Verb.Section(), "etcdUpgrade")
	}
	return c, nil
}

// UpgradeArgs is the call of an upgrade that runs the phases in keep alone,
// all without any. config is the file that [UpgradeConfigOf] is written to; empty has the
// flags take its place.
func (b Behaviour) UpgradeArgs(a Args, u Upgrade, config string, keep []string) []string {
	drop := []string{"yes", "config", "skip-phases"}
	if config != "" {
		for name := range upgradeFields(u.Verb) {
			drop = append(drop, name)
		}
	}
	if config == "" && u.Patches != "" {
		drop = append(drop, "patches", "experimental-patches")
	}
	if config == "" && u.EtcdDone {
		drop = append(drop, "etcd-upgrade")
	}
	args := u.Verb.Words()
	if u.Verb == UpgradeApply {
		args = append(args, u.Version, "--yes") // upgrade node takes what the cluster says, and does not ask
	}
	args = append(args, a.Without(drop...)...)
	if config != "" {
		args = append(args, "--config="+config)
	} else {
		if flag, ok := b.PatchesFlag(); ok && u.Patches != "" {
			args = append(args, "--"+flag+"="+u.Patches)
		}
		if u.EtcdDone {
			args = append(args, "--etcd-upgrade=false")
		}
	}
	if ignore := a.List("ignore-preflight-errors"); len(u.Ignore) > 0 && !slices.Contains(ignore, "all") {
		args = append(args, "--ignore-preflight-errors="+strings.Join(u.Ignore, ","))
	}
	skip := slices.Clone(u.Skip)
	if len(keep) > 0 {
		for _, phase := range b.Phases(u.Verb) {
			if !slices.Contains(keep, phase) && !slices.Contains(skip, phase) {
				skip = append(skip, phase)
			}
		}
	}
	if len(skip) > 0 {
		args = append(args, "--skip-phases="+strings.Join(skip, ","))
	}
	return args
}

// FitsUpgrade looks for what `kubeadm upgrade` refuses in a configuration that is
// well-formed. The error is a [*ConfigError] about file.
func (c *Config) FitsUpgrade(b Behaviour, file string) error {
	if c == nil {
		return nil
	}
	if !b.HasUpgradeConfig() {
		return &ConfigError{File: file, Err: fmt.Errorf("kubeadm %s has no configuration of an upgrade", b.Version),
			Help: "give its flags instead, such as --patches"}
	}
	for _, d := range c.docs {
		if err := c.readable(d, b, file); err != nil {
			return err
		}
	}
	if c.count(kindUpgrade) == 0 {
		return &ConfigError{File: file, Err: fmt.Errorf("no %s in it", kindUpgrade),
			Help: "an upgrade takes the cluster's own configuration from the cluster; of the file it reads only a document " +
				"with kind: " + kindUpgrade}
	}
	return nil
}
