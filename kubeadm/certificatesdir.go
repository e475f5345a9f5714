package kubeadm

// CertificatesDir is kubeadm's folder of certificates: certificatesDir of the
// owner's configuration, --cert-dir, or kubeadm's own. The configuration may be
// nil.
func CertificatesDir(c *Config, args Args) string {
	dir := c.Cluster("certificatesDir")
	if dir == "" {
		dir, _ = args.Get("cert-dir")
	}
	if dir == "" {
		dir = "/etc/kubernetes/pki"
	}
	return dir
}

// CertificateFiles are the files that kubeadm reads or writes in its folder of
// certificates, by their paths in it.
func CertificateFiles() []string {
	all := []string{"sa.key", "sa.pub"}
	for _, pair := range []string{
		"ca", "apiserver", "apiserver-kubelet-client", "front-proxy-ca", "front-proxy-client",
		"etcd/ca", "etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client",
	} {
		all = append(all, pair+".crt", pair+".key")
	}
	return all
}
