package kubeadm

// CertificatesDir is kubeadm's folder of certificates: certificatesDir of the
// owner's configuration, --cert-dir, or kubeadm's own. The configuration may be
// nil.
func CertificatesDir(c *Config, args InitArgs) string {
	dir := c.Cluster("certificatesDir")
	if dir == "" {
		dir, _ = args.Get("cert-dir")
	}
	if dir == "" {
		dir = "/etc/kubernetes/pki"
	}
	return dir
}
