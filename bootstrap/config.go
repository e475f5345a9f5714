package bootstrap

import (
	"fmt"
	"regexp"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// writeConfig writes the copy of the configuration that kubeadm gets.
func (r *run) writeConfig() error {
	var c *kubeadm.Config
	var err error
	if r.Plan.Command.Upgrades() {
		c, err = r.upgradeConfig()
	} else {
		c, err = MakeConfig(r.Plan.Command, r.Plan.Config, r.Config, r.Args, r.Behaviour)
	}
	if err != nil {
		return err
	}
	return r.storeConfig(c)
}

// upgradeConfig is the copy for an upgrade.
func (r *run) upgradeConfig() (*kubeadm.Config, error) {
	c, err := kubeadm.UpgradeConfigOf(r.Config, r.Args, r.Behaviour, r.upgrade())
	if err != nil {
		return nil, err
	}
	for _, e := range r.Plan.Config.Edits {
		e.Apply(c, r.Plan.Config.API)
	}
	return c, nil
}

// keepClusterConfig keeps the cluster's own configuration for an upgrade that is resumed
// while no API server answers.
func (r *run) keepClusterConfig() error {
	text, err := r.Cluster.Bytes()
	if err == nil {
		err = r.layout.FS.WriteFile(r.layout.ClusterConfig(), text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keep the cluster's configuration: %w", err)
	}
	return nil
}

// configCopy reads the copy.
func (r *run) configCopy() (*kubeadm.Config, error) {
	f, err := safefile.Open(r.layout.ConfigCopy())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return kubeadm.ReadConfig(f, r.layout.ConfigCopy())
}

// storeConfig writes it.
func (r *run) storeConfig(c *kubeadm.Config) error {
	text, err := c.Bytes()
	if err != nil {
		return err
	}
	// It may hold tokens and keys: nobody but root reads it, also while it is
	// being written.
	if err := r.layout.FS.WriteFile(r.layout.ConfigCopy(), text, 0o600); err != nil {
		return fmt.Errorf("write kubeadm's configuration: %w", err)
	}
	return nil
}

// MakeConfig merges the plan's additions, the owner's configuration and, where
// there is none, the owner's flags.
func MakeConfig(v kubeadm.Verb, p *plan.ConfigPlan, owner *kubeadm.Config, args kubeadm.Args,
	b kubeadm.Behaviour) (*kubeadm.Config, error) {
	c, err := owner.Clone()
	if err != nil {
		return nil, err
	}
	c.For(v)
	if owner == nil && p.Translate {
		if _, err := c.Translate(args, b, p.API); err != nil {
			return nil, err
		}
	}
	for _, e := range p.Edits {
		e.Apply(c, p.API)
	}
	if p.PinToken && !c.HasTokens() {
		token, err := kubeadm.NewToken()
		if err != nil {
			return nil, err
		}
		c.AddToken(p.API, token)
	}
	return c, nil
}

// imageTag is the image of a kubeadm manifest.
var imageTag = regexp.MustCompile(`(?m)^\s*image:\s*["']?\S*?:(v\d+\.\d+\.\d+\S*?)["']?\s*$`)

// pinnedVersion is the Kubernetes version that the head wrote into the API
// server's manifest. kubeadm would look "stable-1" up anew in every process,
// and could find another answer the second time.
func (r *run) pinnedVersion() string {
	for _, path := range r.manifestPlaces(plan.APIServer) {
		text, err := safefile.Read(path, state.MaxFile)
		if err != nil {
			continue
		}
		if m := imageTag.FindSubmatch(text); m != nil {
			return string(m[1])
		}
	}
	return ""
}

func (r *run) manifestPlaces(component string) []string {
	places := []string{r.layout.Manifest(component)}
	if staged := manifests.StagedAt(r.layout, component); staged != "" {
		places = append(places, staged)
	}
	return places
}

// pinVersion writes that version into our copy of the configuration.
func (r *run) pinVersion() error {
	if r.journal.Plan.Config == nil {
		return nil
	}
	v := r.pinnedVersion()
	if v == "" {
		return nil
	}
	c, err := r.configCopy()
	if err != nil {
		return fmt.Errorf("pin the Kubernetes version: %w", err)
	}
	if was := c.Cluster("kubernetesVersion"); was == v || kubeadm.IsExact(was) {
		return nil
	}
	c.SetCluster(r.journal.Plan.Config.API, v, "kubernetesVersion")
	return r.storeConfig(c)
}
