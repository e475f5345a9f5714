package kubeadm

import (
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// A Renewal is what kubeadm has to know to renew certificates as they are. It
// takes names and addresses from the old certificates and everything else from its
// configuration; without one it falls back to RSA-2048 and a year, and says so in a
// line of its output only (cmd/certs.go, getInternalCfg).
type Renewal struct {
	// Names are the certificates, in kubeadm's words; All says that they are all that
	// kubeadm knows.
	Names []string
	All   bool
	// Algorithm is the kind of key, such as "ECDSA-P256".
	Algorithm string
	// Period is how long the new ones are valid.
	Period time.Duration
	// NodeName and AdvertiseAddress are looked up if empty, which needs a network.
	NodeName, AdvertiseAddress string
}

// kubeadmPeriod and kubeadmAlgorithm are what kubeadm makes unless it is told
// otherwise.
const (
	kubeadmPeriod    = 365 * 24 * time.Hour
	kubeadmAlgorithm = "RSA-2048"
)

// RenewsAs reports whether this kubeadm can make certificates with such a key and such a
// validity.
func (b Behaviour) RenewsAs(algorithm string, period time.Duration) bool {
	fields := b.ConfigWrite() == "v1beta4"
	known := algorithm == kubeadmAlgorithm
	switch b.KeyChoice() {
	case ByField:
		known = known || algorithm == "ECDSA-P256" || algorithm == "RSA-3072" || algorithm == "RSA-4096"
	case ByFeatureGate:
		known = known || algorithm == "ECDSA-P256"
	}
	return known && (fields || period == kubeadmPeriod)
}

// RenewalConfig is the configuration for a renewal in the folder /etc/kubernetes/pki.
func (b Behaviour) RenewalConfig(r Renewal) ([]byte, error) {
	api := apiGroup + b.ConfigWrite()
	node := map[string]any{"criSocket": "unix:///run/containerd/containerd.sock"} // not used, and looked for if missing
	if r.NodeName != "" {
		node["name"] = r.NodeName
	}
	first := map[string]any{"apiVersion": api, "kind": kindInit, "nodeRegistration": node}
	if r.AdvertiseAddress != "" {
		first["localAPIEndpoint"] = map[string]any{"advertiseAddress": r.AdvertiseAddress}
	}
	cluster := map[string]any{
		"apiVersion": api, "kind": kindCluster,
		"kubernetesVersion": b.Version.String(), "certificatesDir": "/etc/kubernetes/pki",
	}
	if r.Algorithm != kubeadmAlgorithm {
		switch b.KeyChoice() {
		case ByField:
			cluster["encryptionAlgorithm"] = r.Algorithm
		case ByFeatureGate:
			cluster["featureGates"] = map[string]bool{ECDSAGate: true}
		}
	}
	if r.Period != kubeadmPeriod {
		cluster["certificateValidityPeriod"] = r.Period.String()
	}
	var texts []string
	for _, doc := range []any{first, cluster} {
		text, err := yaml.Marshal(doc)
		if err != nil {
			return nil, fmt.Errorf("write a configuration: %w", err)
		}
		texts = append(texts, string(text))
	}
	return []byte(strings.Join(texts, "---\n")), nil
}

// RenewalCommands are the arguments of kubeadm for a renewal with the configuration in
// a file. Where some are missing, or are not to be renewed, each has a process of its
// own: before v1.18 kubeadm stops at the first one that is missing.
func (b Behaviour) RenewalCommands(r Renewal, config string) [][]string {
	words := strings.Fields(b.Value(RenewCerts))
	words = words[:len(words)-1]
	names := r.Names
	if r.All {
		names = []string{"all"}
	}
	var all [][]string
	for _, name := range names {
		args := append(append([]string{}, words...), name, "--config="+config)
		// v1.13 and v1.14 look for the CA by the flag, whatever the configuration says.
		if !b.Has(RenewKubeconfigs) {
			args = append(args, "--cert-dir=/etc/kubernetes/pki")
		}
		all = append(all, args)
	}
	return all
}
