package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// kind is how a cluster of one version was made.
type kind struct {
	version, kubeadm string
	ecdsa            bool
	dir              string
}

func (k kind) String() string {
	algorithm := "RSA-2048"
	if k.ecdsa {
		algorithm = "ECDSA-P256"
	}
	return k.version + " " + algorithm + " " + k.dir
}

// minor is the 37 of v1.37.2.
func (k kind) minor() int {
	n, _ := strconv.Atoi(strings.Split(k.version, ".")[1])
	return n
}

// allVersions renews expired certificates that the real kubeadm of each version has made,
// in namespaces of their own on this machine, with both kinds of keys and two places.
func (t *trial) allVersions(ctx context.Context) error {
	for _, v := range t.versions {
		kubeadm, err := t.lab.BuildHere(ctx, v, "kubeadm")
		if err != nil {
			return err
		}
		for _, ecdsa := range []bool{false, true} {
			for _, dir := range []string{"/etc/kubernetes/pki", "/etc/elsewhere/pki"} {
				k := kind{v, kubeadm, ecdsa, dir}
				if ecdsa && k.minor() < 18 {
					continue // these kubeadms make RSA keys only
				}
				if err := t.oneVersion(ctx, k); err != nil {
					return fmt.Errorf("%s: %w", k, err)
				}
			}
		}
	}
	return nil
}

func (t *trial) oneVersion(ctx context.Context, k kind) error {
	dir, err := os.MkdirTemp("", "drawer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(k.config()), 0o600); err != nil {
		return err
	}
	const phases = `for p in "certs all" "kubeconfig all" "control-plane all" "etcd local"; do
	"$KUBEADM" init phase $p --config "$DIR/config.yaml" >"$DIR/made.log" 2>&1 || { tail -5 "$DIR/made.log" >&2; exit 1; }
done
mkdir -p /etc/elsewhere`
	if _, err := k.in(ctx, dir, t.armBinary, phases); err != nil {
		return err
	}
	if err := expire(filepath.Join(dir, "etc")); err != nil {
		return err
	}
	out, err := k.in(ctx, dir, t.armBinary, `"$ARM" certs renew >"$DIR/renewed.log" 2>&1 || { cat "$DIR/renewed.log" >&2; exit 1; }
"$ARM" certs status -o json
find /etc/kubernetes /etc/elsewhere -name '*.key' -o -name '*.conf' | xargs stat -c '%a %n' | grep -v '^600 ' >&2 && exit 1
! grep -rl 'PRIVATE KEY' "$DIR/renewed.log" >&2`)
	if err != nil {
		return err
	}
	return t.judge(k, out)
}

// judge checks that every certificate is valid for a year again, with a key of the same kind.
func (t *trial) judge(k kind, status string) error {
	var s struct {
		Certificates []struct {
			Name, Key string
			DaysLeft  int
		}
		Dir string `json:"certificatesDir"`
	}
	if err := json.Unmarshal([]byte(status), &s); err != nil {
		return err
	}
	if s.Dir != k.dir || len(s.Certificates) < 7 {
		return fmt.Errorf("%d certificates in %s", len(s.Certificates), s.Dir)
	}
	keys := map[string]int{}
	for _, c := range s.Certificates {
		if c.DaysLeft < 363 || c.DaysLeft > 365 {
			return fmt.Errorf("%s has %d days left", c.Name, c.DaysLeft)
		}
		pki := !strings.HasSuffix(c.Name, ".conf")
		if want := map[bool]string{true: "ECDSA-P256", false: "RSA-2048"}[k.ecdsa]; pki && c.Key != want {
			return fmt.Errorf("%s has a key %s", c.Name, c.Key)
		}
		keys[c.Key]++
	}
	t.log.Printf("    %-40s renewed: %d certificates, keys %v", k, len(s.Certificates), keys)
	return nil
}

// config is a configuration for the version.
func (k kind) config() string {
	api, extra := "v1beta4", ""
	switch {
	case k.minor() < 15:
		api = "v1beta1"
	case k.minor() < 22:
		api = "v1beta2"
	case k.minor() < 31:
		api = "v1beta3"
	}
	if k.ecdsa {
		extra = "featureGates: {PublicKeysECDSA: true}\n"
		if api == "v1beta4" {
			extra = "encryptionAlgorithm: ECDSA-P256\n"
		}
	}
	return fmt.Sprintf(`apiVersion: kubeadm.k8s.io/%[1]s
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: 10.88.0.2}
nodeRegistration: {name: shed, criSocket: "unix:///run/containerd/containerd.sock"}
---
apiVersion: kubeadm.k8s.io/%[1]s
kind: ClusterConfiguration
kubernetesVersion: %[2]s
certificatesDir: %[3]s
%[4]s`, api, k.version, k.dir, extra)
}

// in runs a script in namespaces of its own, where /etc and /var/lib are this machine's below
// what earlier scripts of this folder have written there.
func (k kind) in(ctx context.Context, dir, arm, script string) (string, error) {
	const board = `mount --make-rprivate /
for f in etc lib; do mkdir -p "$DIR/$f" "$DIR/.$f"; done
mount -t overlay o -o "lowerdir=/etc,upperdir=$DIR/etc,workdir=$DIR/.etc" /etc
mount -t tmpfs o /var/lib && mkdir -p /var/lib/kubelet
mount -t tmpfs o /run
`
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--net", "--uts", "--fork", "--mount-proc",
		"sh", "-ec", board+script)
	cmd.Env = append(os.Environ(), "DIR="+dir, "ARM="+arm,
		"KUBEADM="+k.kubeadm, "KUBEADM_ARM_KUBEADM="+k.kubeadm)
	return drive.Output(cmd)
}

var credential = regexp.MustCompile(`client-(certificate|key)-data: (\S+)`)

// expire replaces every leaf certificate below folders by one that has expired, signed by
// the authority that signed the old one.
func expire(dirs ...string) error {
	authorities := map[string]string{}
	var leaves []string
	var err error
	for _, dir := range dirs {
		err = errors.Join(err, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			switch {
			case err != nil || d.IsDir():
				return err
			case strings.HasSuffix(path, "ca.crt"):
				cert, err := readCertificate(path)
				if err != nil {
					return err
				}
				authorities[cert.Subject.CommonName] = strings.TrimSuffix(path, ".crt")
			case strings.HasSuffix(path, ".crt"), strings.HasSuffix(path, ".conf"),
				strings.HasSuffix(path, ".pem") && d.Type().IsRegular():
				leaves = append(leaves, path)
			}
			return nil
		}))
	}
	for _, path := range leaves {
		if strings.HasSuffix(path, "kubelet.conf") && !hasCredential(path) {
			continue // it names the .pem file
		}
		err = errors.Join(err, expireOne(path, authorities))
	}
	return err
}

func expireOne(path string, authorities map[string]string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	conf := credential.FindSubmatch(text)
	if conf != nil {
		decoded, err := base64.StdEncoding.DecodeString(string(conf[2]))
		if err != nil {
			return err
		}
		block, _ = pem.Decode(decoded)
	}
	if block == nil {
		return fmt.Errorf("%s: no certificate", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	base, ok := authorities[cert.Issuer.CommonName]
	if !ok {
		return nil // self-signed
	}
	ca, err := readCertificate(base + ".crt")
	if err != nil {
		return err
	}
	key, err := readKey(base + ".key")
	if err != nil {
		return err
	}
	// Nothing is signed with its own key, so the certificate alone is replaced.
	old := *cert
	cert.NotAfter = time.Now().Add(-time.Hour)
	cert.NotBefore = cert.NotAfter.AddDate(-1, 0, 0)
	if old.NotBefore.Equal(ca.NotBefore) {
		cert.NotBefore = ca.NotBefore // kubeadm before v1.28
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, ca, cert.PublicKey, key)
	if err != nil {
		return err
	}
	fresh := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if strings.HasSuffix(path, ".pem") {
		_, key := pem.Decode(text)
		fresh = append(fresh, key...)
	}
	if conf != nil {
		fresh = []byte(strings.Replace(string(text), string(conf[2]), base64.StdEncoding.EncodeToString(fresh), 1))
	}
	return os.WriteFile(path, fresh, 0o600)
}

func hasCredential(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && credential.Match(text)
}

func readCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no certificate", path)
	}
	return x509.ParseCertificate(block.Bytes)
}

func readKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: no key", path)
	}
	if block.Type == "EC PRIVATE KEY" {
		return x509.ParseECPrivateKey(block.Bytes)
	}
	return x509.ParsePKCS1PrivateKey(block.Bytes)
}
