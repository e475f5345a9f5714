package kubeadm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// joinFlags are the flags of `kubeadm join` over all versions (cmd/join.go, addJoinConfigFlags
// and addJoinOtherFlags).
func joinFlags() []FlagSpec {
	return append(specs(false,
		"apiserver-advertise-address", "apiserver-bind-port", "certificate-key", "config", "cri-socket", "discovery-file",
		"discovery-token", "discovery-token-ca-cert-hash", "experimental-kustomize/k", "experimental-patches",
		"feature-gates", "ignore-preflight-errors", "node-name", "patches", "rootfs", "skip-phases", "tls-bootstrap-token",
		"token", "v/v", "vmodule", "log-file", "log-dir", "log-file-max-size", "log-backtrace-at", "stderrthreshold"),
		specs(true, "control-plane", "experimental-control-plane", "discovery-token-unsafe-skip-ca-verification", "dry-run",
			"help/h", "add-dir-header", "alsologtostderr", "logtostderr", "one-output", "skip-headers", "skip-log-headers")...)
}

// joinFields maps the flags of `kubeadm join` to fields of JoinConfiguration. The paths are
// the same from v1beta1 to v1beta4.
func joinFields() map[string]flagField {
	token := []string{"discovery", "bootstrapToken"}
	return map[string]flagField{
		"node-name":                    {false, []string{"nodeRegistration", "name"}, asText},
		"cri-socket":                   {false, []string{"nodeRegistration", "criSocket"}, asText},
		"patches":                      {false, []string{"patches", "directory"}, asText},
		"discovery-file":               {false, []string{"discovery", "file", "kubeConfigPath"}, asText},
		"discovery-token":              {false, append(token, "token"), asText},
		"discovery-token-ca-cert-hash": {false, []string{"discovery", "bootstrapToken", "caCertHashes"}, asTexts},
		"discovery-token-unsafe-skip-ca-verification": {false,
			[]string{"discovery", "bootstrapToken", "unsafeSkipCAVerification"}, asSwitch},
		"tls-bootstrap-token": {false, []string{"discovery", "tlsBootstrapToken"}, asText},
	}
}

func asSwitch(v string) (valueNode, error) {
	on, err := strconv.ParseBool(v)
	if err != nil {
		return nil, fmt.Errorf("%q is neither true nor false", v)
	}
	return boolean(strconv.FormatBool(on)), nil
}

// translateJoin writes what of a join's arguments is no flag with a field of its own.
func (c *Config) translateJoin(a Args, api string) (taken []string) {
	m := c.ensure(kindJoin, api)
	if len(a.Words) > 0 {
		put(m, text(a.Words[0]), "discovery", "bootstrapToken", "apiServerEndpoint")
	}
	c.translateControlPlane(m, a)
	token, given := a.Get("token")
	if !given {
		return nil
	}
	for _, path := range [][]string{{"discovery", "tlsBootstrapToken"}, {"discovery", "bootstrapToken", "token"}} {
		file := find(m, "discovery", "file") != nil && path[1] == "bootstrapToken"
		if scalar(find(m, path...)) == "" && !file {
			put(m, text(token), path...)
		}
	}
	return []string{"token"}
}

// controlPlaneFlags are a join's flags with fields below controlPlane, whose being there makes
// the board a control plane. Without --control-plane kubeadm takes no notice of them.
func controlPlaneFlags() map[string]flagField {
	return map[string]flagField{
		"apiserver-advertise-address": {false, []string{"localAPIEndpoint", "advertiseAddress"}, asText},
		"apiserver-bind-port":         {false, []string{"localAPIEndpoint", "bindPort"}, asNumber},
		"certificate-key":             {false, []string{"certificateKey"}, asText},
	}
}

// translateControlPlane writes those flags, whose values doctor has passed by [Args.BadFlag].
func (c *Config) translateControlPlane(m *yaml.Node, a Args) {
	if !asksForControlPlane(a) {
		return
	}
	part := find(m, "controlPlane")
	if part == nil || part.Kind != yaml.MappingNode {
		part = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		put(m, part, "controlPlane")
	}
	for _, f := range a.Flags {
		field, ok := controlPlaneFlags()[f.Name]
		if !ok {
			continue
		}
		if n, err := field.write(f.Value); err == nil {
			put(part, n, field.path...)
		}
	}
}

// Discovery is how a board is to find the cluster that it joins, and to be sure of it.
type Discovery struct {
	// Endpoint is the API server's host:port, empty with File.
	Endpoint string
	// Token has the form ID.SECRET; it is secret.
	Token string
	// Hashes are those that the CA's public key may have, "sha256:…" of its SPKI; with
	// AnyCA none is asked for.
	Hashes []string
	AnyCA  bool
	// File is a kubeconfig's path or URL.
	File string
	// BootstrapToken is what the kubelet asks for its certificate with; it is secret.
	BootstrapToken string
}

// ArgumentError says which argument of a command is wrong.
type ArgumentError struct {
	Err  error
	Help string
}

func (e *ArgumentError) Error() string { return e.Err.Error() }
func (e *ArgumentError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *ArgumentError) Hint() string { return e.Help }

// askAgain is how a correct join command is had.
const askAgain = "on a control-plane node, this prints a join command that is complete and fresh: " +
	"kubeadm token create --print-join-command"

// DiscoveryOf reads it from a join's arguments or its --config, and refuses what kubeadm
// would (apis/kubeadm/validation/validation.go): with an [*ArgumentError] or, about file, a
// [*ConfigError]. No error holds a token.
func DiscoveryOf(c *Config, a Args, file string) (Discovery, error) {
	from := c
	if c == nil {
		from = (&Config{}).For(Join)
		known := Args{Words: a.Words}
		for _, f := range a.Flags {
			if _, ok := joinFields()[f.Name]; ok || f.Name == "token" {
				known.Flags = append(known.Flags, f)
			}
		}
		if err := from.writeFlags(known, "v1beta4"); err != nil {
			return Discovery{}, &ArgumentError{err, askAgain}
		}
		from.translateJoin(a, "v1beta4")
	}
	m := from.doc(kindJoin)
	d := find(m, "discovery")
	one := func(path ...string) string { return scalar(find(d, path...)) }
	found := Discovery{
		Endpoint: one("bootstrapToken", "apiServerEndpoint"), Token: one("bootstrapToken", "token"),
		File: one("file", "kubeConfigPath"), BootstrapToken: one("tlsBootstrapToken"),
		AnyCA: one("bootstrapToken", "unsafeSkipCAVerification") == "true",
	}
	if list := find(d, "bootstrapToken", "caCertHashes"); list != nil {
		for _, item := range list.Content {
			found.Hashes = append(found.Hashes, scalar(item))
		}
	}
	if found.BootstrapToken == "" {
		found.BootstrapToken = found.Token
	}
	w := found.wrong(len(a.Words))
	if w == nil {
		return found, nil
	}
	if c == nil {
		return found, &ArgumentError{fmt.Errorf("%s: %w", w.flag, w.err), w.help}
	}
	line := 0
	for n, path := m, append([]string{"discovery"}, w.path...); n != nil; path = path[1:] {
		line = n.Line
		if len(path) == 0 {
			break
		}
		n = find(n, path[0])
	}
	return found, &ConfigError{File: file, Line: line, Field: strings.Join(append([]string{kindJoin, "discovery"},
		w.path...), "."), Err: w.err, Help: w.help}
}

// wrong is one thing that is wrong with a Discovery: which flag, or which field below
// "discovery", and why.
type wrong struct {
	flag string
	path []string
	err  error
	help string
}

func (d Discovery) wrong(words int) *wrong {
	flag := func(name string, err error, help string, path ...string) *wrong { return &wrong{name, path, err, help} }
	switch {
	case words > 1:
		return flag("join", errors.New("more than one address of an API server"), askAgain)
	case d.File != "" && (d.Endpoint != "" || d.Token != ""):
		return flag("flag --discovery-file", errors.New("a discovery file and a discovery token exclude each other"),
			"leave one of the two out", "file")
	case d.File != "":
		if d.BootstrapToken != "" {
			return badToken("flag --tls-bootstrap-token", d.BootstrapToken, "tlsBootstrapToken")
		}
		return nil
	case d.Endpoint == "":
		return flag("join", errors.New("the API server's address is missing"), askAgain, "bootstrapToken",
			"apiServerEndpoint")
	}
	if err := endpoint(d.Endpoint); err != nil {
		return flag("join", err, "write it as HOST:PORT, such as 192.168.1.5:6443", "bootstrapToken", "apiServerEndpoint")
	}
	if d.Token == "" {
		return flag("flag --token", errors.New("it is missing"), askAgain, "bootstrapToken", "token")
	}
	if w := badToken("flag --token", d.Token, "bootstrapToken", "token"); w != nil {
		return w
	}
	if w := badToken("flag --tls-bootstrap-token", d.BootstrapToken, "tlsBootstrapToken"); w != nil {
		return w
	}
	if len(d.Hashes) == 0 && !d.AnyCA {
		return flag("flag --discovery-token-ca-cert-hash", errors.New("it is missing: without it anybody could pose as "+
			"the API server"), askAgain, "bootstrapToken", "caCertHashes")
	}
	for _, h := range d.Hashes {
		if err := keyHash(h); err != nil {
			return flag("flag --discovery-token-ca-cert-hash", err, askAgain, "bootstrapToken", "caCertHashes")
		}
	}
	return nil
}

func badToken(where, token string, path ...string) *wrong {
	if IsToken(token) {
		return nil
	}
	why := "it has not the form of a bootstrap token: six letters and digits, a dot, sixteen letters and digits"
	if IsToken(strings.ToLower(token)) {
		why = "a bootstrap token has no capital letters"
	}
	return &wrong{where, path, errors.New(why), askAgain}
}

// keyHash checks one hash (cmd/kubeadm/app/util/pubkeypin).
func keyHash(h string) error {
	format, value, ok := strings.Cut(h, ":")
	switch raw, err := hex.DecodeString(value); {
	case !ok || !strings.EqualFold(format, "sha256"):
		return fmt.Errorf("%q is not sha256: and 64 digits", brief(h))
	case err != nil:
		return fmt.Errorf("%q has letters that are none of 0 to 9 and a to f", brief(h))
	case len(raw) != 32:
		return fmt.Errorf("%q has %d digits after sha256:, not 64: was it cut off?", brief(h), len(value))
	}
	return nil
}

func brief(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// CheckEndpoint says what is wrong with an API server's host:port.
func CheckEndpoint(text string) error { return endpoint(text) }

// SplitEndpoint takes an API server's host:port apart; port is empty where there is none.
func SplitEndpoint(text string) (host, port string) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return text, ""
	}
	return host, port
}

// endpoint checks a host:port as kubeadm does with a join's.
func endpoint(text string) error {
	if strings.Contains(text, "://") {
		return fmt.Errorf("%q is a URL, not an address", brief(text))
	}
	host, number, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return fmt.Errorf("%q is not of the form HOST:PORT", brief(text))
	}
	if err := port(number, false); err != nil {
		return fmt.Errorf("%q: %w", brief(text), err)
	}
	return hostPort(text, false)
}

// IsURL reports whether a discovery file lies on a server.
func IsURL(file string) bool {
	return strings.HasPrefix(file, "https://") || strings.HasPrefix(file, "http://")
}

// TokenID is the part of a bootstrap token that is no secret.
func TokenID(token string) string {
	id, _, _ := strings.Cut(token, ".")
	return id
}

// JoinsControlPlane reports whether a join is that of another control plane.
func JoinsControlPlane(c *Config, a Args) bool {
	n := find(c.doc(kindJoin), "controlPlane")
	return asksForControlPlane(a) || n != nil && n.Kind == yaml.MappingNode
}

func asksForControlPlane(a Args) bool {
	return a.Bool("control-plane") || a.Bool("experimental-control-plane")
}

// WithCluster is a join's configuration, which may be nil, beside the cluster's own as its
// ConfigMap kubeadm-config has it.
func (c *Config) WithCluster(cluster *Config) (*Config, error) {
	all, err := c.Clone()
	if err != nil {
		return nil, err
	}
	all.For(Join)
	for _, d := range cluster.docs {
		if cluster.kind(d) == kindCluster {
			all.docs = append(slices.DeleteFunc(all.docs, func(old *yaml.Node) bool { return all.kind(old) == kindCluster }), d)
		}
	}
	return all, nil
}

// CertificateKey is the key that a joining control plane gets the cluster's certificates with,
// and where the owner gave it; both are empty without one. It is secret. The error, an
// [*ArgumentError] or a [*ConfigError] about file, is for one that is none: 32 bytes in
// hexadecimal (phases/copycerts).
func CertificateKey(c *Config, a Args, file string) (string, error) {
	if key, given := a.Get("certificate-key"); given && c == nil {
		if wrong := badCertificateKey(key); wrong != nil {
			return "", &ArgumentError{fmt.Errorf("flag --certificate-key: %w", wrong), FreshCertificateKey}
		}
		return key, nil
	}
	n := find(c.doc(kindJoin), "controlPlane", "certificateKey")
	key := scalar(n)
	if key == "" {
		return "", nil
	}
	if wrong := badCertificateKey(key); wrong != nil {
		return "", &ConfigError{File: file, Line: n.Line, Field: kindJoin + ".controlPlane.certificateKey", Err: wrong,
			Help: FreshCertificateKey}
	}
	return key, nil
}

// FreshCertificateKey is how one is had.
const FreshCertificateKey = "on a control-plane node, this uploads the certificates again and prints a key for two " +
	"hours: kubeadm init phase upload-certs --upload-certs"

func badCertificateKey(key string) error {
	switch raw, err := hex.DecodeString(key); {
	case err != nil && len(key)%2 == 0:
		return errors.New("it has letters that are none of 0 to 9 and a to f")
	case err != nil || len(raw) != 32:
		return fmt.Errorf("it has %d digits, not 64: was it cut off?", len(key))
	}
	return nil
}
