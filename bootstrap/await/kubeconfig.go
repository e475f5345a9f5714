package await

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/kubeconfig"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// readKubeconfig reads what a kubeconfig that kubeadm wrote (all data inline) holds for
// talking to its API server.
func readKubeconfig(path string) (*tls.Config, error) {
	text, err := safefile.Read(path, state.MaxFile)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	config, err := parseKubeconfig(text)
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", path, err)
	}
	return config, nil
}

func parseKubeconfig(text []byte) (*tls.Config, error) {
	file, err := kubeconfig.Parse(text)
	if err != nil {
		return nil, err
	}
	cluster, err := file.Cluster()
	if err != nil {
		return nil, err
	}
	user, err := file.User()
	if err != nil {
		return nil, err
	}
	ca, err := cluster.CAs()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !config.RootCAs.AppendCertsFromPEM(ca) {
		return nil, errors.New("no CA certificate in it")
	}
	cert, key, err := user.KeyPair()
	if err != nil || len(cert) == 0 {
		return config, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}
