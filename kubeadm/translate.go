package kubeadm

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// A flagField is where a flag of `kubeadm init` stands in the config.
type flagField struct {
	cluster bool
	path    []string
	write   func(value string) (n valueNode, err error)
}

type valueNode = *yaml.Node

// flagFields maps the flags of `kubeadm init` to config fields. The paths are
// the same in v1beta2, v1beta3 and v1beta4 (cmd/init.go, AddInitConfigFlags and
// AddClusterConfigFlags).
func flagFields() map[string]flagField {
	return map[string]flagField{
		"apiserver-advertise-address": {false, []string{"localAPIEndpoint", "advertiseAddress"}, asText},
		"apiserver-bind-port":         {false, []string{"localAPIEndpoint", "bindPort"}, asNumber},
		"node-name":                   {false, []string{"nodeRegistration", "name"}, asText},
		"cri-socket":                  {false, []string{"nodeRegistration", "criSocket"}, asText},
		"certificate-key":             {false, []string{"certificateKey"}, asText},
		"patches":                     {false, []string{"patches", "directory"}, asText},
		"service-cidr":                {true, []string{"networking", "serviceSubnet"}, asText},
		"pod-network-cidr":            {true, []string{"networking", "podSubnet"}, asText},
		"service-dns-domain":          {true, []string{"networking", "dnsDomain"}, asText},
		"control-plane-endpoint":      {true, []string{"controlPlaneEndpoint"}, asText},
		"kubernetes-version":          {true, []string{"kubernetesVersion"}, asText},
		"cert-dir":                    {true, []string{"certificatesDir"}, asText},
		"image-repository":            {true, []string{"imageRepository"}, asText},
		"apiserver-cert-extra-sans":   {true, []string{"apiServer", "certSANs"}, asTexts},
		"feature-gates":               {true, []string{"featureGates"}, asGates},
	}
}

func asText(v string) (valueNode, error) { return text(v), nil }

func asNumber(v string) (valueNode, error) {
	if _, err := strconv.ParseInt(v, 0, 32); err != nil {
		return nil, fmt.Errorf("%q is not a number", v)
	}
	return number(v), nil
}

func asTexts(v string) (valueNode, error) {
	var all []string
	for _, s := range strings.Split(v, ",") {
		if s = strings.TrimSpace(s); s != "" {
			all = append(all, s)
		}
	}
	return texts(all), nil
}

func asGates(v string) (valueNode, error) {
	m := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, s := range strings.Split(v, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		name, on, ok := strings.Cut(s, "=")
		if _, err := strconv.ParseBool(on); !ok || err != nil {
			return nil, fmt.Errorf("%q is not of the form Gate=true", s)
		}
		value, _ := strconv.ParseBool(on)
		put(m, boolean(strconv.FormatBool(value)), name)
	}
	return m, nil
}

// Translate writes those flags that may not stand beside --config into c, in
// the API version given, and returns the names of the flags that it took over.
// It fails, changing nothing that matters, on a flag that has no field: then
// the flags must be passed to kubeadm as they are.
func (c *Config) Translate(a Args, b Behaviour, api string) (taken []string, err error) {
	flags := a.Flags[:0:0]
	for _, f := range a.Flags {
		if !b.AllowedBesideConfig(f.Name) {
			flags = append(flags, f)
			taken = append(taken, f.Name)
		}
	}
	if err := c.writeFlags(Args{Flags: flags}, api); err != nil {
		return nil, err
	}
	if c.verb == Join {
		c.translateJoin(a, api)
		return taken, nil
	}
	token, _ := a.Get("token")
	ttl, _ := a.Get("token-ttl")
	if token == "" && ttl != "" {
		if token, err = NewToken(); err != nil {
			return nil, err
		}
	}
	if token != "" {
		c.AddToken(api, token)
		if ttl != "" {
			entry := find(c.doc(kindInit), "bootstrapTokens").Content[0]
			put(entry, text(ttl), "ttl")
		}
	}
	return taken, nil
}

// writeFlags writes flags into their fields. Tokens, which have none of their own, are
// for the caller.
func (c *Config) writeFlags(a Args, api string) error {
	fields, elsewhere := flagFields(), []string{"token", "token-ttl"}
	if c.verb == Join {
		fields = joinFields()
		elsewhere = []string{"token", "ignore-preflight-errors", "dry-run", "v", "skip-phases", "config", "rootfs",
			"control-plane", "experimental-control-plane", "apiserver-advertise-address", "apiserver-bind-port",
			"certificate-key"}
	}
	for _, f := range a.Flags {
		field, known := fields[f.Name]
		if slices.Contains(elsewhere, f.Name) {
			continue
		}
		if !known {
			return fmt.Errorf("flag --%s has no place in the %s config", f.Name, api)
		}
		value := f.Value
		if f.Name == "apiserver-cert-extra-sans" || f.Name == "discovery-token-ca-cert-hash" {
			value = strings.Join(a.List(f.Name), ",")
		}
		n, err := field.write(value)
		if err != nil {
			return fmt.Errorf("flag --%s: %w", f.Name, err)
		}
		kind := c.own()
		if field.cluster {
			kind = kindCluster
		}
		put(c.ensure(kind, api), n, field.path...)
	}
	return nil
}
