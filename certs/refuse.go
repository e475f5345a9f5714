package certs

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// What can be done about an authority's end, and about one that is damaged.
const (
	rotateCA  = "a new one is made by hand: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/"
	restoreCA = "put its certificate and key back, from a backup or another control-plane node"
)

// WorkerHint is the one command that gives a worker a new bootstrap. The token
// goes from one program's output into the other's input.
const WorkerHint = "on a control-plane node: " +
	"sudo kubeadm token create --ttl 1h | ssh THIS-NODE sudo kubeadm-arm certs renew --token-stdin"

// refuse says why a certificate cannot be renewed here, and what can be done.
func (s Seen) refuse(l Leaf, ask Ask) (why, do string) {
	a, ok := s.Authority(l.Authority)
	worker := l.Authority == "ca" && !s.ControlPlane && !a.HasKey
	clock, set := s.refuseClock(ask)
	switch {
	case l.Certificate == nil:
		return l.Problem, s.makeAgain(l, worker)
	case l.Name == "kubelet-server":
		return "the kubelet asks the API server for it",
			"sudo systemctl restart kubelet, then: kubectl get csr; kubectl certificate approve NAME"
	case l.Irreplaceable != "" && l.Form == Pair:
		return l.Irreplaceable, "remove " + shell.Quote(l.Key) + ", and run again: sudo kubeadm-arm certs renew"
	case l.Irreplaceable != "":
		return l.Irreplaceable, s.makeAgain(l, worker)
	case l.Authority == "" && !l.signsItself():
		return "it was signed by " + issuer(l),
			"have it signed again, or remove it and its key: the kubelet then makes its own"
	case l.Authority == "":
		return clock, set
	case worker:
		return "this node has no key of the cluster's authority", WorkerHint
	case !ok:
		return "the authority " + l.Authority + " is not on this node", s.withoutAuthority(l)
	case a.Certificate == nil:
		return a.Problem, restoreCA
	case l.Certificate.CheckSignatureFrom(a.Certificate) != nil:
		return "it was signed by " + issuer(l) + " and not by " + a.File, externalHint(l)
	case !a.HasKey:
		return "the key of " + a.File + " is not on this node (an external CA)", externalHint(l)
	case a.KeyProblem != "":
		return a.KeyProblem, restoreCA
	case clock != "":
		return clock, set
	case !a.Certificate.NotAfter.After(ask.Now):
		return fmt.Sprintf("the authority %s itself expired on %s, and the clock says %s",
			a.Name, date(a.Certificate.NotAfter), date(ask.Now)), rotateCA
	case !l.Certificate.NotAfter.Add(2*roundedHour).Before(a.Certificate.NotAfter) &&
		l.Certificate.NotAfter.After(ask.Now) && l.Problem == "":
		return "it is valid for as long as its authority, to " + date(a.Certificate.NotAfter), rotateCA
	}
	return "", ""
}

// refuseClock says why nothing can be signed by this clock, also what signs itself.
func (s Seen) refuseClock(ask Ask) (why, do string) {
	for _, a := range s.Authorities {
		if a.Certificate != nil && a.Certificate.NotBefore.After(ask.Now) {
			return fmt.Sprintf("the clock says %s, and the authority %s begins on %s",
				date(ask.Now), a.Name, date(a.Certificate.NotBefore)), "set the clock"
		}
	}
	if ask.Unsure {
		return "the clock may be wrong", "set it, and run again: sudo kubeadm-arm certs renew"
	}
	return "", ""
}

// signsItself reports whether nobody's key but its own is needed for a certificate
// that no authority of the cluster signs. The kubelet's is signed by an authority that it
// throws away at once (k8s.io/client-go/util/cert.GenerateSelfSignedCertKey).
func (l Leaf) signsItself() bool {
	host, _, _ := strings.Cut(l.Certificate.Subject.CommonName, "@")
	by, _, thrownAway := strings.Cut(l.Certificate.Issuer.CommonName, "-ca@")
	return l.Certificate.Issuer.String() == l.Certificate.Subject.String() || thrownAway && by == host
}

func issuer(l Leaf) string { return cmp.Or(l.Certificate.Issuer.CommonName, "somebody else") }

func externalHint(l Leaf) string {
	if l.Authority == "etcd-ca" {
		return "get " + l.File + " and its key from whoever runs etcd, and restart the API server"
	}
	return "kubeadm certs generate-csr makes requests for all; have them signed by who keeps the authority"
}

// withoutAuthority is what can be done where an authority is not on the node at all.
func (s Seen) withoutAuthority(l Leaf) string {
	if l.Authority == "etcd-ca" {
		return externalHint(l)
	}
	return restoreCA
}

// makeAgain is how a file is made that is damaged or not there, with the flags for what kubeadm
// would guess.
func (s Seen) makeAgain(l Leaf, worker bool) string {
	remove := "sudo rm -f " + shell.Quote(l.File)
	if l.Form == Pair {
		// Neither kubeadm nor the kubelet makes a certificate where its key is.
		remove += " " + shell.Quote(l.Key)
	}
	switch {
	case l.Name == "kubelet", l.Name == "kubelet-server":
		return remove + " && sudo systemctl restart kubelet"
	case worker && l.Name == "kubelet-client":
		return WorkerHint
	case worker && l.Name == "kubelet.conf":
		return "sudo kubeadm-arm reset, and join the cluster again"
	case worker:
		return "copy it again from a control-plane node"
	}
	var flags string
	if s.Dir != defaultPKI {
		flags = " --cert-dir " + shell.Quote(s.Dir)
	}
	address := ""
	if s.AdvertiseAddress != "" {
		address = " --apiserver-advertise-address " + shell.Quote(s.AdvertiseAddress)
	}
	switch {
	case l.Kubelet():
		if l.File != KubeletConf {
			remove += " " + KubeletConf
		}
		if node := s.NodeName(); node != "" {
			address += " --node-name " + shell.Quote(node)
		}
		return remove + " && sudo kubeadm init phase kubeconfig kubelet" + flags + address +
			" && sudo systemctl restart kubelet"
	case l.Form == Kubeconfig:
		return remove + " && sudo kubeadm init phase kubeconfig " + strings.TrimSuffix(l.Name, ".conf") + flags + address
	case l.Name == "apiserver":
		flags += address
	}
	return remove + " && sudo kubeadm init phase certs " + l.Name + flags
}
