package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// maxFile bounds what is read; the largest of these files, a kubeconfig, has a few
// kilobytes.
const maxFile = 1 << 20

// The places that are fixed in kubeadm and the kubelet.
const (
	kubernetesDir = "/etc/kubernetes"
	defaultPKI    = "/etc/kubernetes/pki"
	kubeletConf   = "/etc/kubernetes/kubelet.conf"
	// KubeletPKI is the kubelet's folder of certificates (its --cert-dir).
	KubeletPKI = "/var/lib/kubelet/pki"
	// KubeletClient is the link to the client certificate that the kubelet uses
	// (k8s.io/client-go/util/certificate/certificate_store.go).
	KubeletClient    = KubeletPKI + "/kubelet-client-current.pem"
	currentServerPEM = KubeletPKI + "/kubelet-server-current.pem"
	// The serving certificate that the kubelet makes and signs itself.
	servingCert = KubeletPKI + "/kubelet.crt"
	servingKey  = KubeletPKI + "/kubelet.key"
)

// Form is how a certificate and its key are stored.
type Form string

// The forms.
const (
	// Pair is two PEM files, NAME.crt and NAME.key.
	Pair Form = "pair"
	// Kubeconfig is a kubeconfig file that holds both.
	Kubeconfig Form = "kubeconfig"
	// Bundle is one PEM file with both, which the kubelet finds through a link.
	Bundle Form = "bundle"
)

// Leaf is a certificate that signs no others.
type Leaf struct {
	// Name is kubeadm's name for it, or the kubelet's file.
	Name string
	Form Form
	// File is the board's path of the certificate, Key of its key.
	File, Key string
	// Authority is the name of the CA that should have signed it; empty for one that
	// signs itself or is not signed on this board.
	Authority string
	// Stops says what no longer works when it has expired.
	Stops string
	// Certificate is nil where Problem says why it cannot be read. Beside a certificate it
	// says what is wrong with the key.
	Certificate *x509.Certificate
	Problem     string
}

// Authority is a certificate authority. HasKey reports whether it can sign here.
type Authority struct {
	Name, File  string
	Certificate *x509.Certificate
	Problem     string
	HasKey      bool
}

// Seen is what a look has found.
type Seen struct {
	// ControlPlane reports whether the node has a control plane; Node whether a kubelet
	// has been set up at all.
	ControlPlane, Node bool
	// Dir is kubeadm's certificatesDir.
	Dir string
	// AdvertiseAddress is the API server's, where its manifest has it.
	AdvertiseAddress string
	Authorities      []Authority
	Leaves           []Leaf
}

// Authority finds one by its name.
func (s Seen) Authority(name string) (Authority, bool) {
	i := slices.IndexFunc(s.Authorities, func(a Authority) bool { return a.Name == name })
	if i < 0 {
		return Authority{}, false
	}
	return s.Authorities[i], true
}

// Leaf finds one by its name.
func (s Seen) Leaf(name string) (Leaf, bool) {
	i := slices.IndexFunc(s.Leaves, func(l Leaf) bool { return l.Name == name })
	if i < 0 {
		return Leaf{}, false
	}
	return s.Leaves[i], true
}

// The certificates of kubeadm's own folder (cmd/kubeadm/app/phases/certs/certlist.go),
// the kubeconfigs (phases/kubeconfig) and the kubelet's.
func leaves(dir string) []Leaf {
	pair := func(name, base, authority, stops string) Leaf {
		base = path.Join(dir, base)
		return Leaf{Name: name, Form: Pair, File: base + ".crt", Key: base + ".key", Authority: authority, Stops: stops}
	}
	conf := func(name, stops string) Leaf {
		file := path.Join(kubernetesDir, name)
		return Leaf{Name: name, Form: Kubeconfig, File: file, Key: file, Authority: "ca", Stops: stops}
	}
	return []Leaf{
		pair("apiserver", "apiserver", "ca", "every connection to the API server"),
		pair("apiserver-kubelet-client", "apiserver-kubelet-client", "ca", "kubectl logs, exec, port-forward"),
		pair("front-proxy-client", "front-proxy-client", "front-proxy-ca", "aggregated APIs such as metrics"),
		pair("apiserver-etcd-client", "apiserver-etcd-client", "etcd-ca", "the API server: it loses etcd"),
		pair("etcd-server", "etcd/server", "etcd-ca", "every connection to etcd"),
		pair("etcd-peer", "etcd/peer", "etcd-ca", "connections among etcd members"),
		pair("etcd-healthcheck-client", "etcd/healthcheck-client", "etcd-ca", "etcdctl; etcd's probe up to v1.16"),
		conf("admin.conf", "kubectl and kubeadm"),
		conf("super-admin.conf", "the emergency account"),
		conf("controller-manager.conf", "the controller-manager"),
		conf("scheduler.conf", "the scheduler"),
		conf("kubelet.conf", "the kubelet and every static pod"),
		{Name: "kubelet-client", Form: Bundle, File: KubeletClient, Key: KubeletClient, Authority: "ca",
			Stops: "the kubelet and every static pod"},
		{Name: "kubelet-server", Form: Bundle, File: currentServerPEM, Key: currentServerPEM,
			Stops: "kubectl logs, exec, port-forward"},
		{Name: "kubelet", Form: Pair, File: servingCert, Key: servingKey,
			Stops: "nothing: nobody verifies it"},
	}
}

// Kubelet reports whether the kubelet owns it. kubeadm renews none of those.
func (l Leaf) Kubelet() bool { return strings.HasPrefix(l.Name, "kubelet") }

// Look reads the certificates of the node whose root folder is given. A file that
// is not there is left out; one that cannot be read is listed with its problem.
func Look(root safefile.Root) (Seen, error) {
	s := Seen{Dir: defaultPKI}
	s.look(root)
	authorities := []Authority{
		{Name: "ca", File: "ca.crt"},
		{Name: "front-proxy-ca", File: "front-proxy-ca.crt"},
		{Name: "etcd-ca", File: "etcd/ca.crt"},
	}
	for _, a := range authorities {
		a.File = path.Join(s.Dir, a.File)
		text, err := root.Read(a.File, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			a.Certificate, err = firstCertificate(text)
		}
		if err != nil {
			a.Problem = err.Error()
		}
		_, err = root.Stat(strings.TrimSuffix(a.File, ".crt") + ".key")
		a.HasKey = err == nil
		s.Authorities = append(s.Authorities, a)
	}
	for _, l := range leaves(s.Dir) {
		cert, problem, err := readLeaf(root, l)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNoCertificate):
			continue
		case err != nil:
			problem = err.Error()
		}
		l.Certificate, l.Problem = cert, problem
		s.Leaves = append(s.Leaves, l)
	}
	return s, nil
}

// look finds what the node is: by the API server's static pod, which may be staged,
// and by kubelet.conf.
func (s *Seen) look(root safefile.Root) {
	_, err := root.Stat(kubeletConf)
	s.Node = err == nil
	for _, dir := range []string{"manifests", "kubeadm-arm/staged", "manifests/.kubeadm-arm-staged"} {
		dir = path.Join(kubernetesDir, dir)
		text, err := root.Read(dir+"/kube-apiserver.yaml", maxFile)
		if err != nil {
			continue
		}
		s.ControlPlane = true
		if ca := flagOf(text, "client-ca-file"); path.IsAbs(ca) {
			s.Dir = path.Dir(ca)
		}
		s.AdvertiseAddress = flagOf(text, "advertise-address")
	}
}

// flagOf is a flag's value in a static pod's command.
func flagOf(manifest []byte, name string) string {
	var pod struct {
		Spec struct {
			Containers []struct{ Command, Args []string }
		}
	}
	if yaml.Unmarshal(manifest, &pod) != nil {
		return ""
	}
	for _, c := range pod.Spec.Containers {
		for _, a := range slices.Concat(c.Command, c.Args) {
			if value, ok := strings.CutPrefix(a, "--"+name+"="); ok {
				return value
			}
		}
	}
	return ""
}

// readLeaf reads a certificate, and says what is wrong with its key. kubeadm writes one after
// the other in place, so a power cut can leave a key beside another one's certificate.
func readLeaf(root safefile.Root, l Leaf) (cert *x509.Certificate, problem string, err error) {
	text, err := root.Read(l.File, maxFile)
	if err != nil {
		return nil, "", err
	}
	key := text
	var keyErr error
	switch l.Form {
	case Kubeconfig:
		c, err := readCredentials(text)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", l.File, err)
		}
		text, key = c.cert, c.key
		if c.user[kubeconfig.KeyFile] != nil {
			keyErr = fs.ErrPermission // an owner's own choice
		}
	case Pair:
		key, keyErr = root.Read(l.Key, maxFile)
	case Bundle:
	}
	if cert, err = firstCertificate(text); err != nil {
		return nil, "", fmt.Errorf("%s: %w", l.File, err)
	}
	_, pairErr := tls.X509KeyPair(text, key)
	switch {
	case errors.Is(keyErr, fs.ErrPermission):
		return cert, "", nil // not for this user to know
	case keyErr != nil:
		return cert, fmt.Sprintf("its key cannot be read: %v", keyErr), nil
	case pairErr != nil:
		return cert, fmt.Sprintf("%s does not hold its key: %v", l.Key, pairErr), nil
	}
	return cert, "", nil
}

// errNoCertificate is of a kubeconfig that is whole and holds none: it names a file,
// or a token.
var errNoCertificate = errors.New("no client certificate in it")

// credentials are what a kubeconfig's current user shows.
type credentials struct {
	user      kubeconfig.Entry
	cert, key []byte
}

// readCredentials finds the certificate and key of a kubeconfig's current user. The
// error is [errNoCertificate] where it has none of its own.
func readCredentials(text []byte) (c credentials, err error) {
	conf, err := kubeconfig.Parse(text)
	if err != nil {
		return c, err
	}
	if c.user, err = conf.User(); err != nil {
		return c, err
	}
	if c.cert, c.key, err = c.user.KeyPair(); err == nil && len(c.cert) == 0 {
		err = errNoCertificate
	}
	return c, err
}
