package plan

import (
	"errors"
	"path/filepath"
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
