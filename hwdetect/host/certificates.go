package host

import (
	"crypto/x509"
	"encoding/pem"
	"path"

	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
)

// kubeletClient is where the kubelet keeps its current client certificate
// (pkg/kubelet/certificate).
const kubeletClient = "/var/lib/kubelet/pki/kubelet-client-current.pem"

// readCertificates looks at all certificates that kubeadm makes in its folder and
// in kubeconfigs, and at the kubelet's (kubeadm's phases/certs/certlist.go and
// phases/kubeconfig).
func readCertificates(f files, pki string) (all []Certificate, none []string) {
	if pki == "" {
		pki = "/etc/kubernetes/pki"
	}
	add := func(name string, text []byte) {
		if cert, ok := parseCertificate(text); ok {
			cert.Path = name
			cert.Kubelet = name == kubeletClient || path.Base(name) == "kubelet.conf"
			all = append(all, cert)
		} else if info, there := f.Stat(name); there && (path.Ext(name) != ".conf" || info.Size() == 0) {
			none = append(none, name) // a kubeconfig may do without
		}
	}
	for _, name := range []string{
		"ca.crt", "apiserver.crt", "apiserver-kubelet-client.crt", "apiserver-etcd-client.crt", "front-proxy-ca.crt",
		"front-proxy-client.crt",
		"etcd/ca.crt", "etcd/server.crt", "etcd/peer.crt", "etcd/healthcheck-client.crt",
	} {
		add(path.Join(pki, name), f.Read(path.Join(pki, name)))
	}
	for _, name := range []string{"admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf",
		"kubelet.conf"} {
		add("/etc/kubernetes/"+name, parseKubeconfig(f.Read("/etc/kubernetes/"+name)))
	}
	add(kubeletClient, f.Read(kubeletClient))
	return all, none
}

// parseCertificate reads the first certificate of a PEM text.
func parseCertificate(text []byte) (Certificate, bool) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return Certificate{}, false
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return Certificate{}, false
		}
		return Certificate{NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, CA: cert.IsCA}, true
	}
}

// parseKubeconfig is the client certificate in a kubeconfig, in PEM; nil when it
// has none, or names a file that has it.
func parseKubeconfig(text []byte) []byte {
	file, err := kubeconfig.Parse(text)
	if err != nil {
		return nil
	}
	user, err := file.User()
	if err != nil {
		return nil
	}
	cert, _, err := user.KeyPair()
	if err != nil {
		return nil
	}
	return cert
}
