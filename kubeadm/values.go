package kubeadm

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// A valueCheck is a rule for one value that every kubeadm of the version table
// enforces before it does anything (apis/kubeadm/validation/validation.go at v1.13.1,
// v1.21.14 and v1.36.3), with the flag that sets the same; sizes says whether the sizes
// of networks are checked, too.
type valueCheck struct {
	kind, field, flag string
	check             func(value string, sizes bool) error
}

func valueChecks() []valueCheck {
	return []valueCheck{
		{kindCluster, "networking.podSubnet", "pod-network-cidr", podSubnet},
		{kindCluster, "networking.serviceSubnet", "service-cidr", serviceSubnet},
		{kindCluster, "networking.dnsDomain", "service-dns-domain", dnsName},
		{kindCluster, "controlPlaneEndpoint", "control-plane-endpoint", hostPort},
		{kindCluster, "certificatesDir", "cert-dir", absolute},
		{kindCluster, "etcd.local.dataDir", "", absolute},
		{kindInit, "localAPIEndpoint.advertiseAddress", "apiserver-advertise-address", address},
		{kindInit, "localAPIEndpoint.bindPort", "apiserver-bind-port", port},
	}
}

// badValue is the first value of a configuration that kubeadm refuses, nil without one.
func (c *Config) badValue(b Behaviour, file string) error {
	ownNodes := slices.ContainsFunc([]string{"allocate-node-cidrs", "node-cidr-mask-size", "node-cidr-mask-size-ipv4",
		"node-cidr-mask-size-ipv6"}, func(flag string) bool { return c.HasExtraArg(flag, "controllerManager") })
	for _, v := range valueChecks() {
		n := find(c.doc(v.kind), strings.Split(v.field, ".")...)
		if value := scalar(n); value != "" {
			sizes := b.Has(SubnetSizes) && !(ownNodes && v.field == "networking.podSubnet")
			if err := v.check(value, sizes); err != nil {
				return &ConfigError{File: file, Line: n.Line, Field: v.kind + "." + v.field, Err: err,
					Help: "kubeadm refuses it; write it in that form"}
			}
		}
	}
	etcd := find(c.doc(kindCluster), "etcd")
	if local := find(etcd, "local"); find(etcd, "external") != nil && local != nil && local.ShortTag() != "!!null" {
		return &ConfigError{File: file, Line: local.Line, Field: kindCluster + ".etcd",
			Err:  errors.New("has both local and external, of which kubeadm takes one"),
			Help: "remove local to use the etcd that external names, or external to have kubeadm start one"}
	}
	return nil
}

// BadFlag is the first flag whose value kubeadm refuses, nil without one. cert-dir is
// left to kubeadm, which takes a relative one in some versions.
func (a Args) BadFlag(b Behaviour) error {
	for _, v := range valueChecks() {
		value, given := a.Get(v.flag)
		if v.flag == "" || v.flag == "cert-dir" || !given || value == "" {
			continue
		}
		if err := v.check(value, b.Has(SubnetSizes)); err != nil {
			return fmt.Errorf("--%s: %w", v.flag, err)
		}
	}
	return nil
}

// subnets reads a network in CIDR notation, or one of each address family.
func subnets(value string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, s := range strings.Split(value, ",") {
		p, err := netip.ParsePrefix(s)
		if err == nil {
			all = append(all, p)
			continue
		}
		example := "10.244.0.0/16"
		if a, err := netip.ParseAddr(strings.TrimSpace(s)); err == nil && a.Is6() {
			example = "fd00:10:244::/56"
		}
		what := "is no network with its prefix length, such as "
		if _, err := netip.ParseAddr(s); err == nil {
			what = "has no prefix length; write it as in "
		}
		return nil, fmt.Errorf("%q %s%s", s, what, example)
	}
	if len(all) > 2 || len(all) == 2 && all[0].Addr().Is4() == all[1].Addr().Is4() {
		return nil, fmt.Errorf("%q: kubeadm takes one network, or one of IPv4 and one of IPv6", value)
	}
	for _, p := range all {
		if p.Addr().BitLen()-p.Bits() < 4 {
			return nil, fmt.Errorf("%q is too small: kubeadm wants ten addresses and more", p)
		}
	}
	return all, nil
}

// nodeBits is the prefix length of a node's network, unless flags of the
// controller-manager set another.
func nodeBits(p netip.Prefix) int {
	if p.Addr().Is4() {
		return 24
	}
	return 64
}

// podSubnet is checked against the networks that nodes get, of the default size.
func podSubnet(value string, sizes bool) error {
	all, err := subnets(value)
	if err != nil || !sizes {
		return err
	}
	for _, p := range all {
		switch bits := nodeBits(p); {
		case p.Bits() > bits:
			return fmt.Errorf("%q is smaller than the /%d that each node gets of it", p, bits)
		case bits-p.Bits() > 16:
			return fmt.Errorf("%q is too large: kubeadm takes /%d and smaller", p, bits-16)
		}
	}
	return nil
}

// serviceSubnet may have 20 bits for services.
func serviceSubnet(value string, sizes bool) error {
	all, err := subnets(value)
	if err != nil || !sizes {
		return err
	}
	for _, p := range all {
		if p.Addr().BitLen()-p.Bits() > 20 {
			return fmt.Errorf("%q is too large: kubeadm takes /%d and smaller", p, p.Addr().BitLen()-20)
		}
	}
	return nil
}

func dnsName(value string, _ bool) error {
	if len(validation.IsDNS1123Subdomain(value)) > 0 {
		return fmt.Errorf("%q is no DNS name: it may have lower-case letters, digits, hyphens and dots", value)
	}
	return nil
}

// hostPort is an address or a DNS name, with or without a port
// (util/endpoint.go, ParseHostPort).
func hostPort(value string, sizes bool) error {
	host, number, err := net.SplitHostPort(value)
	if err != nil {
		host, number = value, ""
	}
	if number != "" {
		if err := port(number, sizes); err != nil {
			return err
		}
	}
	if net.ParseIP(host) == nil && len(validation.IsDNS1123Subdomain(host)) > 0 {
		return fmt.Errorf("%q is no address and no DNS name, with or without a port, such as k8s.example.org:6443", value)
	}
	return nil
}

func absolute(value string, _ bool) error {
	if !path.IsAbs(value) {
		return fmt.Errorf("%q has to be an absolute path", value)
	}
	return nil
}

func address(value string, _ bool) error {
	if net.ParseIP(value) == nil {
		return fmt.Errorf("%q is no IP address", value)
	}
	return nil
}

func port(value string, _ bool) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > 65535 {
		return fmt.Errorf("%s is no port: it has to be 1 to 65535", value)
	}
	return nil
}
