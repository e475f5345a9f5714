package await

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"sigs.k8s.io/yaml"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// credentials is what a kubeconfig holds for talking to its API server.
type credentials struct {
	Server string
	Config *tls.Config
}

// readKubeconfig reads server, CA and client certificate of the first cluster
// and user in a kubeconfig that kubeadm wrote (all data inline).
func readKubeconfig(path string) (credentials, error) {
	text, err := safefile.Read(path, state.MaxFile)
	if err != nil {
		return credentials{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	var file struct {
		Clusters []struct {
			Cluster struct {
				Server string `json:"server"`
				CA     string `json:"certificate-authority-data"`
			} `json:"cluster"`
		} `json:"clusters"`
		Users []struct {
			User struct {
				Cert string `json:"client-certificate-data"`
				Key  string `json:"client-key-data"`
			} `json:"user"`
		} `json:"users"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return credentials{}, fmt.Errorf("read kubeconfig %s: %w", path, err)
	}
	if len(file.Clusters) == 0 || len(file.Users) == 0 {
		return credentials{}, fmt.Errorf("read kubeconfig %s: no cluster or no user in it", path)
	}
	ca, err := base64.StdEncoding.DecodeString(file.Clusters[0].Cluster.CA)
	if err != nil {
		return credentials{}, fmt.Errorf("read kubeconfig %s: CA: %w", path, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return credentials{}, fmt.Errorf("read kubeconfig %s: no CA certificate in it", path)
	}
	config := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	cert, err := base64.StdEncoding.DecodeString(file.Users[0].User.Cert)
	if err == nil && len(cert) > 0 {
		key, err := base64.StdEncoding.DecodeString(file.Users[0].User.Key)
		if err != nil {
			return credentials{}, fmt.Errorf("read kubeconfig %s: client key: %w", path, err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return credentials{}, fmt.Errorf("read kubeconfig %s: client certificate: %w", path, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials{Server: file.Clusters[0].Cluster.Server, Config: config}, nil
}
