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
	// KubeletConf is the kubelet's kubeconfig.
	KubeletConf = "/etc/kubernetes/kubelet.conf"
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
	// Chain are the certificates that follow it in its file.
	Chain []*x509.Certificate
	// Irreplaceable says why a renewal cannot put another one into its place.
	Irreplaceable string
}

// Authority is a certificate authority. HasKey reports whether a key of it is here, and
// KeyProblem why it cannot sign with that.
type Authority struct {
	Name, File  string
	Certificate *x509.Certificate
	Problem     string
	HasKey      bool
	KeyProblem  string
}

// key is the file of the authority's key.
func (a Authority) key() string { return strings.TrimSuffix(a.File, ".crt") + ".key" }

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
	// member is etcd's name for itself, which is the node's where kubeadm has set it up.
	member string
	// needed are the files that have to be there, such as the values of the static pods' flags, and why.
	needed map[string]string
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
			if a.Certificate, err = firstCertificate(text); err != nil {
				err = fmt.Errorf("%s: %w", a.File, err)
			}
		}
		if err != nil {
			a.Problem = err.Error()
		}
		a.HasKey, a.KeyProblem = readKey(root, a)
		s.Authorities = append(s.Authorities, a)
	}
	for _, l := range leaves(s.Dir) {
		err := l.read(root)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			by := s.neededBy(root, l)
			if by == "" {
				continue
			}
			l.Problem = fmt.Sprintf("%s is not there, and %s", l.File, by)
		case errors.Is(err, errNoCertificate):
			continue
		case err != nil:
			l.Problem = err.Error()
		}
		s.Leaves = append(s.Leaves, l)
	}
	return s, nil
}

// readKey reports whether an authority's key is there, and why it cannot sign with it.
func readKey(root safefile.Root, a Authority) (there bool, problem string) {
	text, err := root.Read(a.key(), maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, ""
	case errors.Is(err, fs.ErrPermission), a.Certificate == nil:
		return true, "" // not for this user to know, or nothing to compare it with
	case err != nil:
		return true, err.Error()
	}
	if _, err := parseSigner(a.Certificate, text); err != nil {
		return true, fmt.Sprintf("%s: %v", a.key(), err)
	}
	return true, ""
}

// neededBy says who needs a leaf that is not there; empty for one that need not be.
func (s Seen) neededBy(root safefile.Root, l Leaf) string {
	if by := s.needed[l.File]; by != "" {
		return by
	}
	if _, err := root.Lstat(l.File); err == nil {
		return "a link leads to it"
	}
	if l.Form == Pair {
		if _, err := root.Lstat(l.Key); err == nil {
			return "its key is"
		}
	}
	return ""
}

// staticPods are those whose flags name certificates and kubeconfigs.
var staticPods = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"}

// look finds what the node is: by the API server's static pod, which may be staged,
// and by kubelet.conf.
func (s *Seen) look(root safefile.Root) {
	s.needed = map[string]string{}
	_, err := root.Stat(KubeletConf)
	s.Node = err == nil
	if text, err := root.Read(KubeletConf, maxFile); err == nil {
		if c, err := readCredentials(text); errors.Is(err, errNoCertificate) {
			s.needed[c.user.Text(kubeconfig.CertFile)] = KubeletConf + " needs it"
		}
	}
	if _, err := root.Stat(bootstrapConf); err == nil {
		s.needed[KubeletClient] = "the kubelet asks for it with a bootstrap token"
	}
	for _, dir := range []string{"manifests", "kubeadm-arm/staged", "manifests/.kubeadm-arm-staged"} {
		for _, name := range staticPods {
			text, err := root.Read(path.Join(kubernetesDir, dir, name+".yaml"), maxFile)
			if err != nil {
				continue
			}
			flags := flagsOf(text)
			for _, value := range flags {
				s.needed[value] = name + " needs it"
			}
			switch name {
			case "kube-apiserver":
				s.ControlPlane = true
				s.needed[KubeletConf] = "the kubelet needs it"
				if ca := flags["client-ca-file"]; path.IsAbs(ca) {
					s.Dir = path.Dir(ca)
				}
				s.AdvertiseAddress = flags["advertise-address"]
			case "etcd":
				s.member = flags["name"]
			}
		}
	}
}

// flagsOf are the flags in a static pod's command, without the dashes, with their values.
func flagsOf(manifest []byte) map[string]string {
	var pod struct {
		Spec struct {
			Containers []struct{ Command, Args []string }
		}
	}
	flags := map[string]string{}
	if yaml.Unmarshal(manifest, &pod) != nil {
		return flags
	}
	for _, c := range pod.Spec.Containers {
		for _, a := range slices.Concat(c.Command, c.Args) {
			if name, value, ok := strings.Cut(a, "="); ok && strings.HasPrefix(name, "--") {
				flags[strings.TrimPrefix(name, "--")] = value
			}
		}
	}
	return flags
}

// read reads a certificate, and says what is wrong with its key. kubeadm writes one after
// the other in place, so a power cut can leave a key beside another one's certificate.
func (l *Leaf) read(root safefile.Root) error {
	text, err := root.Read(l.File, maxFile)
	if err != nil {
		return err
	}
	cert, key := text, text
	var keyErr error
	switch l.Form {
	case Kubeconfig:
		c, err := readCredentials(text)
		if err != nil {
			return fmt.Errorf("%s: %w", l.File, err)
		}
		cert, key = c.cert, c.key
		if c.user[kubeconfig.KeyFile] != nil {
			keyErr = fs.ErrPermission // an owner's own choice
		}
		if _, err := withCredentials(text, cert, key); err != nil {
			l.Irreplaceable = fmt.Sprintf("%s: %v", l.File, err)
		}
	case Pair:
		key, keyErr = root.Read(l.Key, maxFile)
	case Bundle:
	}
	all, err := certificates(cert)
	if err != nil {
		return fmt.Errorf("%s: %w", l.File, err)
	}
	l.Certificate, l.Chain = all[0], all[1:]
	_, pairErr := tls.X509KeyPair(cert, key)
	var refused *safefile.RefusedError
	switch {
	case errors.Is(keyErr, fs.ErrPermission): // not for this user to know
	case keyErr != nil:
		l.Problem = fmt.Sprintf("its key cannot be read: %v", keyErr)
		if errors.As(keyErr, &refused) {
			l.Irreplaceable = l.Problem
		}
	case pairErr != nil:
		l.Problem = fmt.Sprintf("%s does not hold its key: %v", l.Key, pairErr)
	}
	return nil
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
