package main

import (
	"fmt"
	"strings"
)

// config is one configuration of kubeadm, written in the config API of the
// kubeadm that reads it.
type config struct {
	name string
	text func(f form) string
	// externalEtcd says that no etcd manifest comes of it.
	externalEtcd bool
}

func configs() []config {
	return []config{
		{name: "plain", text: plain},
		{name: "article", text: article},
		{name: "rich", text: rich},
		{name: "external", text: external, externalEtcd: true},
	}
}

// form is what differs between the config APIs.
type form struct {
	version string
	minor   int
}

func (f form) api() string {
	switch {
	case f.minor <= 14:
		return "v1beta1"
	case f.minor <= 21:
		return "v1beta2"
	case f.minor <= 30:
		return "v1beta3"
	}
	return "v1beta4"
}

// initDocument begins every config. The socket is named so that kubeadm does not
// look for one.
func (f form) initDocument(address string) string {
	return fmt.Sprintf(`apiVersion: kubeadm.k8s.io/%s
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: %s
  bindPort: 6443
nodeRegistration:
  name: board
  criSocket: unix:///run/containerd/containerd.sock
`, f.api(), address)
}

func (f form) clusterDocument() string {
	return fmt.Sprintf(`---
apiVersion: kubeadm.k8s.io/%s
kind: ClusterConfiguration
kubernetesVersion: %s
`, f.api(), f.version)
}

// args are extraArgs: a map to v1beta3, a list from v1beta4 on.
func (f form) args(indent string, pairs ...string) string {
	var text strings.Builder
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		if f.api() == "v1beta4" {
			fmt.Fprintf(&text, "%s- name: %s\n%s  value: %q\n", indent, name, indent, value)
		} else {
			fmt.Fprintf(&text, "%s%s: %q\n", indent, name, value)
		}
	}
	return text.String()
}

// envs are extraEnvs, which v1beta4 brought.
func (f form) envs(indent, name, value string) string {
	if f.api() != "v1beta4" {
		return ""
	}
	return fmt.Sprintf("%sextraEnvs:\n%s- name: %s\n%s  value: %q\n", indent, indent, name, indent, value)
}

func plain(f form) string { return f.initDocument("10.0.0.10") + f.clusterDocument() }

// article is the address in the article that this project began with.
func article(f form) string { return f.initDocument("192.168.1.155") + f.clusterDocument() }

// rich sets much of what can be set, among it values that a slow board would
// raise too: longer ones here, a shorter one there.
func rich(f form) string {
	text := f.initDocument("10.0.0.10")
	if f.api() == "v1beta4" {
		text += "timeouts:\n  controlPlaneComponentHealthCheck: 15m0s\n"
	}
	text += f.clusterDocument() + `clusterName: garden
certificatesDir: /srv/pki
imageRepository: registry.example.org/mirror
apiServer:
`
	if f.api() != "v1beta4" {
		text += "  timeoutForControlPlane: 15m0s\n"
	}
	text += `  certSANs:
  - garden.example.org
  extraArgs:
` + f.args("    ",
		"audit-log-path=/var/log/kubernetes/audit.log",
		"audit-policy-file=/etc/kubernetes/audit/policy.yaml",
		"feature-gates=ExampleOne=true,ExampleTwo=false",
		"oidc-groups-prefix=group: ",
		"request-timeout=5m0s",
	) + f.envs("  ", "GOGC", "150") + `  extraVolumes:
  - name: audit-policy
    hostPath: /etc/kubernetes/audit
    mountPath: /etc/kubernetes/audit
    readOnly: true
    pathType: Directory
  - name: audit-log
    hostPath: /mnt/ssd/log
    mountPath: /var/log/kubernetes
    pathType: DirectoryOrCreate
controllerManager:
  extraArgs:
` + f.args("    ",
		"leader-elect-lease-duration=3m0s",
		"leader-elect-renew-deadline=2m0s",
		"node-monitor-grace-period=2m0s",
	) + f.envs("  ", "GOMEMLIMIT", "200MiB") + `scheduler:
  extraArgs:
` + f.args("    ", "leader-elect=false", "v=2") + `etcd:
  local:
    dataDir: /mnt/ssd/etcd
    extraArgs:
` + f.args("      ", "heartbeat-interval=250", "quota-backend-bytes=1073741824") +
		f.envs("    ", "ETCD_UNSUPPORTED_ARCH", "arm")
	text += "networking:\n  dnsDomain: garden.local\n"
	if f.minor >= 16 {
		// Two address families came with v1.16, behind a gate up to v1.20.
		text += "  podSubnet: 10.244.0.0/16,fd00:10:244::/56\n  serviceSubnet: 10.96.0.0/16,fd00:10:96::/112\n"
	} else {
		text += "  podSubnet: 10.244.0.0/16\n  serviceSubnet: 10.96.0.0/16\n"
	}
	return text + f.gate()
}

// gate is a feature gate of kubeadm's own. Those before v1.16 are not settable.
func (f form) gate() string {
	switch {
	case f.minor < 16:
		return ""
	case f.minor <= 21:
		return "featureGates:\n  IPv6DualStack: true\n"
	}
	// Runs the components as users of their own, which changes their manifests.
	return "featureGates:\n  RootlessControlPlane: true\n"
}

// external has etcd elsewhere and a load balancer before the API servers.
func external(f form) string {
	return f.initDocument("10.0.0.10") + f.clusterDocument() + `controlPlaneEndpoint: control.example.org:8443
etcd:
  external:
    endpoints:
    - https://10.0.0.21:2379
    - https://10.0.0.22:2379
    caFile: /etc/etcd/ca.crt
    certFile: /etc/etcd/client.crt
    keyFile: /etc/etcd/client.key
networking:
  podSubnet: 10.244.0.0/16
`
}
