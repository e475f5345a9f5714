package plan

import (
	"errors"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// BackUp copies what an upgrade changes on the board, but for etcd's data.
type BackUp struct {
	plain
	// To is the folder that gets the copies.
	To string `json:"to"`
}

// Kind implements Step.
func (BackUp) Kind() string     { return "backUp" }
func (BackUp) Title() string    { return "keep a copy of /etc/kubernetes" }
func (s BackUp) Detail() string { return s.To }

// Check implements Step.
func (s BackUp) Check() error { return absolutePath(s.To) }

func absolutePath(path string) error {
	if path != "" && (!filepath.IsAbs(path) || filepath.Clean(path) != path) {
		return errors.New("its folder is no absolute path")
	}
	return nil
}

// RenewCertificates renews the certificates that kubeadm renews in an upgrade. It leaves
// those of a component alone whose manifest it finds equal.
type RenewCertificates struct{ plain }

// Kind implements Step.
func (RenewCertificates) Kind() string  { return "renewCertificates" }
func (RenewCertificates) Title() string { return "renew the certificates" }

// ServeEndpoint has the API server's certificate made anew, for the cluster's endpoint as well.
// What runs takes it when it starts.
type ServeEndpoint struct {
	plain
	// Host is the endpoint's name or address.
	Host string `json:"host"`
	// Version and Node are what kubeadm asks for beside the cluster's configuration.
	Version string                `json:"version"`
	Node    kubeadm.NodeOfUpgrade `json:"node"`
}

// Kind implements Step.
func (ServeEndpoint) Kind() string     { return "serveEndpoint" }
func (ServeEndpoint) Title() string    { return "make the API server's certificate for the endpoint" }
func (s ServeEndpoint) Detail() string { return s.Host }

// SetEndpoint writes the endpoint into the cluster: for kubeadm, and for nodes that join. The
// way back has etcd's data of before.
type SetEndpoint struct {
	plain
	Endpoint string `json:"endpoint"`
}

// Kind implements Step.
func (SetEndpoint) Kind() string     { return "setEndpoint" }
func (SetEndpoint) Title() string    { return "give the cluster the endpoint" }
func (s SetEndpoint) Detail() string { return s.Endpoint }

// RestoreFiles puts back what BackUp has kept beside the manifests.
type RestoreFiles struct {
	plain
	From string `json:"from"`
}

// Kind implements Step.
func (RestoreFiles) Kind() string     { return "restoreFiles" }
func (RestoreFiles) Title() string    { return "put the kubelet's configuration back" }
func (s RestoreFiles) Detail() string { return s.From }

// Check implements Step.
func (s RestoreFiles) Check() error { return absolutePath(s.From) }
