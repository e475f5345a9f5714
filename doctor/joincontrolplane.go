package doctor

import (
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// JoinControlPlane is what is known beside that where the board is to be another control plane.
type JoinControlPlane struct {
	// Key says that the owner gave a certificate key.
	Key bool
	// Copied is the hash of the authority whose certificate and key are on the board already,
	// empty without.
	Copied string
	// Cluster is the cluster's own configuration, nil where it was not shown.
	Cluster *kubeadm.Config
}

// controlPlaneChecks are those that only such a board needs beside a worker's.
func controlPlaneChecks() []func(Facts) []Finding {
	return []func(Facts) []Finding{
		flagValues, stableEndpoint, madeForOne, uploadedCertificates,
		cpus, memory, brokenCertificates, storageSet, freshDisk, copies, ownAddress, images, staticPods,
	}
}

// stableEndpoint: kubeadm lets no second control plane join without one
// (cmd/kubeadm/app/cmd/phases/join/preflight.go).
func stableEndpoint(f Facts) []Finding {
	const id = "control-plane-endpoint"
	c := f.Join.ControlPlane.Cluster
	if c == nil {
		return nil
	}
	if endpoint := c.Cluster("controlPlaneEndpoint"); endpoint != "" {
		return fine(id, endpoint)
	}
	return joinFail(id, "the cluster has no controlPlaneEndpoint, so it can have one control plane only",
		"every node asks for the first board by its own address; with several, it has to be a name that all boards "+
			"resolve, such as by a line in /etc/hosts", openUp(f)...)
}

// madeForOne: what a profile has left out of a cluster that was meant to have one control
// plane.
func madeForOne(f Facts) []Finding {
	found := f.Join.Found
	if found == nil {
		return nil
	}
	alone := found.ControlPlane.Alone()
	if c := f.Join.ControlPlane.Cluster; len(alone) == 0 || c != nil && c.Cluster("controlPlaneEndpoint") == "" {
		return nil // without an endpoint all of it is to be done
	}
	all := joinFail("made-for-one", "the cluster was made for one control plane: "+strings.Join(alone, ", "),
		"two controller-managers without an election work against each other, and two API servers without a watch cache "+
			"each read all from etcd", openUp(f)...)
	all[0].Rule = OwnRule
	return all
}

// openUp is the command that makes the first board's control plane one of several.
func openUp(f Facts) []string {
	version := "VERSION"
	if found := f.Join.Found; found != nil && found.Version != "" {
		version = found.Version
	}
	apply := "sudo kubeadm-arm upgrade apply " + version
	if c := f.Join.ControlPlane.Cluster; c != nil && c.Cluster("controlPlaneEndpoint") != "" {
		return []string{apply + " --profile balanced    # on the first board: restarts it with what several need"}
	}
	return []string{apply + " --control-plane-endpoint NAME:6443    # on the first board: the same version, for several"}
}

// uploadedCertificates: the cluster's certificates can be had.
func uploadedCertificates(f Facts) []Finding {
	const id = "certificate-key"
	upload := []string{"sudo kubeadm init phase upload-certs --upload-certs    # on a control-plane node: uploads the " +
		"certificates for two hours and prints a key", "# give that key with --certificate-key"}
	j := f.Join
	if f.Resuming {
		return nil
	}
	if !j.ControlPlane.Key {
		copied := j.ControlPlane.Copied
		switch {
		case copied != "" && j.Found != nil && len(j.Found.CAHashes) > 0 && !slices.Contains(j.Found.CAHashes, copied):
			return joinFail("other-certificates", "the certificates in the certificates folder are another cluster's: its CA "+
				"has the hash "+copied, "this board's API server would be none of the cluster's; kubeadm does not notice",
				append([]string{"sudo mv /etc/kubernetes/pki /root/pki-of-another-cluster"}, upload...)...)
		case copied != "":
			return fine(id, "the cluster's certificates are here")
		}
		return joinFail(id, "there is no certificate key, and the cluster's certificates are not on this board",
			"a control plane signs with the cluster's own authorities", upload...)
	}
	if j.Found == nil {
		return nil
	}
	switch j.Found.ControlPlane.Certificates {
	case cluster.CertificatesGone:
		return joinFail(id, "the cluster has no uploaded certificates (any more)", "they are removed after two hours",
			upload...)
	case cluster.CertificatesLocked:
		return joinFail(id, "the certificate key does not open the uploaded certificates",
			"it is of an earlier upload, or of another cluster; each upload has a key of its own", upload...)
	case cluster.CertificatesFine:
		return fine(id, "opens the uploaded certificates")
	}
	return nil
}
