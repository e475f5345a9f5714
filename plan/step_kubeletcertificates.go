package plan

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// KubeletCertificates makes the kubelet's certificates before it starts.
type KubeletCertificates struct {
	plain
	// Client moves its client certificate out of kubelet.conf into a file that it
	// can renew, as kubeadm's phase kubelet-finalize does once the kubelet has made
	// the file (cmd/kubeadm/app/cmd/phases/init/kubeletfinalize.go). In a join, kubeadm
	// makes kubelet.conf for it as in init, where the cluster's key is on the board.
	Client bool `json:"client"`
	// Serving makes the self-signed certificate that the kubelet would make, with
	// an ECDSA key where the kubelet takes two RSA keys (cmd/kubelet/app/server.go,
	// InitializeTLS).
	Serving bool `json:"serving"`
}

// Kind implements Step.
func (KubeletCertificates) Kind() string  { return "kubeletCertificates" }
func (KubeletCertificates) Title() string { return "make the kubelet's certificates" }

// Detail implements Step.
func (s KubeletCertificates) Detail() string {
	var made []string
	if s.Client {
		made = append(made, "client")
	}
	if s.Serving {
		made = append(made, "serving")
	}
	return strings.Join(made, ", ")
}

// finalize is the phase that the client certificate's part replaces.
const finalize = "kubelet-finalize"

// kubeletCertificates makes those that are worth it.
func (m *maker) kubeletCertificates() []Step {
	s := KubeletCertificates{Client: m.rotatable(), Serving: m.serving()}
	switch {
	case s.Client && m.p.Command == kubeadm.Join:
		m.decide(GroupKubelet, "kubelet client certificate", "signed on this board, before the kubelet starts",
			"the cluster's key is here; a kubelet that asks for one needs an API server and a controller-manager, and "+
				"waits longer after each failed attempt")
	case s.Client:
		m.decide(GroupKubelet, "phase "+finalize, "before the kubelet starts",
			"kubeadm does it at the end and starts the kubelet a second time for it, which costs as much as the first time")
	}
	if s.Serving {
		m.decide(GroupKubelet, "kubelet serving certificate", "ECDSA-P256, made before it starts",
			"nobody can verify the self-signed one that it makes at its first start, and for that it takes two RSA keys")
	}
	if !s.Client && !s.Serving {
		return nil
	}
	return []Step{s}
}

// replacedPhases are kubeadm's phases that kubeletCertificates stands for.
func (m *maker) replacedPhases() []string {
	if m.rotatable() {
		return []string{finalize}
	}
	return nil
}

// rotatable reports whether kubeadm writes kubelet.conf and would finalize it, and
// the kubelet rotates its certificate in its usual folder. In a join that is true of a
// control plane that is taken apart.
func (m *maker) rotatable() bool {
	switch {
	case m.f.Kubeadm.Nearest:
		return false // what a newer kubeadm does in these phases is not known
	case m.p.Command == kubeadm.Join:
		if !m.order.stages(APIServer) {
			return false
		}
	case !slices.Contains(m.f.Kubeadm.Phases(m.p.Command), finalize):
		return false
	}
	for _, phase := range []string{"kubeconfig/kubelet", "kubelet-start", finalize + "/enable-client-cert-rotation",
		finalize + "/experimental-cert-rotation"} {
		if m.skipped(phase) {
			return false
		}
	}
	return m.usualCertDir() && m.f.Config.Kubelet("rotateCertificates") != "false" &&
		m.f.Config.KubeletExtraArg("rotate-certificates") != "false"
}

// serving reports whether the kubelet would make a certificate, and an RSA key is
// worth saving.
func (m *maker) serving() bool {
	c := m.f.Config
	if !m.ecdsa || !m.usualCertDir() || m.skipped("kubelet-start") || c.Kubelet("serverTLSBootstrap") == "true" {
		return false
	}
	for _, set := range []string{c.Kubelet("tlsCertFile"), c.Kubelet("tlsPrivateKeyFile"),
		c.KubeletExtraArg("tls-cert-file"), c.KubeletExtraArg("tls-private-key-file")} {
		if set != "" {
			return false
		}
	}
	return true
}

func (m *maker) usualCertDir() bool { return m.f.Config.KubeletExtraArg("cert-dir") == "" }

// sharedCertificate returns the path, less its ending, of a certificate that the
// controller-manager can show instead of one that it makes at every start: the API
// server's, which lies in a folder that it is given anyway, with the CA's key. It
// is empty where the controller-manager may not read it.
func (m *maker) sharedCertificate() string {
	gates, _ := m.f.Args.Get("feature-gates")
	if m.f.Config.Cluster("featureGates", "RootlessControlPlane") != "" || strings.Contains(gates,
		"RootlessControlPlane") {
		return ""
	}
	return filepath.Join(kubeadm.CertificatesDir(m.f.Config, m.f.Args), "apiserver")
}
