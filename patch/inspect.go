package patch

import (
	"strconv"
	"time"

	yaml "go.yaml.in/yaml/v3"
)

// About is what a manifest says of a component.
type About struct {
	// Component is such as "kube-apiserver".
	Component string
	// Probes by name: "startupProbe", "livenessProbe", "readinessProbe". A
	// probe that the manifest has not is not in it.
	Probes map[string]Effective
}

// Effective is a probe with the kubelet's defaults filled in.
type Effective struct {
	InitialDelay, Period, Timeout time.Duration
	FailureThreshold              int
	// Endpoint is where it asks; nil for a probe that runs a command, as
	// etcd's did in kubeadm v1.13.
	Endpoint *Endpoint
}

// Endpoint is an address that a probe asks.
type Endpoint struct {
	// Scheme is HTTP or HTTPS, Path begins with a slash and may hold a query.
	Scheme, Host string
	Port         int
	Path         string
}

// Inspect reads a manifest's probes. Its errors are those of [Apply].
func Inspect(manifest []byte) (About, error) {
	d, err := parse(manifest)
	if err != nil {
		return About{}, err
	}
	about := About{Component: d.component, Probes: map[string]Effective{}}
	for _, name := range []string{startupProbe, livenessProbe, readinessProbe} {
		p := d.probe(name)
		if p == nil || p.Kind != yaml.MappingNode {
			continue
		}
		seconds := func(field string) time.Duration { return time.Duration(numberOf(p, field)) * time.Second }
		about.Probes[name] = Effective{
			InitialDelay: seconds(initialDelay), Period: seconds(period), Timeout: seconds(timeout),
			FailureThreshold: numberOf(p, failureThreshold), Endpoint: d.endpoint(p),
		}
	}
	return about, nil
}

// numberOf is a probe's number, or its default.
func numberOf(probe *yaml.Node, field string) int {
	if n := child(probe, field); n != nil {
		if v, ok := number(n); ok && v > 0 {
			return v
		}
	}
	return fallback(field)
}

// endpoint resolves an httpGet, whose port may be the name of a container port
// (kubeadm since v1.34: probe-port).
func (d *document) endpoint(probe *yaml.Node) *Endpoint {
	get := child(probe, "httpGet")
	if get == nil {
		return nil
	}
	e := Endpoint{Scheme: value(get, "scheme"), Host: value(get, "host"), Path: value(get, "path"),
		Port: d.port(value(get, "port"))}
	if e.Port < 1 || e.Port > 65535 {
		return nil
	}
	if e.Scheme == "" {
		e.Scheme = "HTTP"
	}
	if e.Host == "" {
		e.Host = "127.0.0.1" // the kubelet asks the pod's address, and these pods use the host's network
	}
	if e.Path == "" {
		e.Path = "/"
	}
	return &e
}

// port resolves a port's number or name, 0 when it cannot.
func (d *document) port(port string) int {
	if n, err := strconv.Atoi(port); err == nil {
		return n
	}
	ports := child(d.container, "ports")
	if ports == nil || ports.Kind != yaml.SequenceNode {
		return 0
	}
	for _, p := range ports.Content {
		if value(p, "name") == port {
			n, _ := strconv.Atoi(value(p, "containerPort"))
			return n
		}
	}
	return 0
}
