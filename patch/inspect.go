package patch

import (
	"strconv"
	"time"

	yaml "go.yaml.in/yaml/v3"
)

// About is what a manifest tells of a component.
type About struct {
	Component string
	// Probes by name: "startupProbe", "livenessProbe", "readinessProbe".
	Probes map[string]Effective
}

// Effective is a probe with the kubelet's defaults filled in.
type Effective struct {
	InitialDelay, Period, Timeout time.Duration
	FailureThreshold              int
	// Endpoint is where it asks; nil for a probe that runs a command.
	Endpoint *Endpoint
}

// Endpoint is an address that a probe asks.
type Endpoint struct {
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
	for _, name := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		p := child(d.container, name)
		if p == nil || p.Kind != yaml.MappingNode {
			continue
		}
		e := Effective{
			InitialDelay: secondsOf(p, "initialDelaySeconds", 0), Period: secondsOf(p, "periodSeconds", 10),
			Timeout: secondsOf(p, "timeoutSeconds", 1), FailureThreshold: numberOf(p, "failureThreshold", 3),
		}
		e.Endpoint = d.endpoint(p)
		about.Probes[name] = e
	}
	return about, nil
}

func numberOf(m *yaml.Node, key string, fallback int) int {
	n, err := strconv.Atoi(value(m, key))
	if err != nil || n <= 0 {
		return fallback
	}
	return n
}

func secondsOf(m *yaml.Node, key string, fallback int) time.Duration {
	return time.Duration(numberOf(m, key, fallback)) * time.Second
}

// endpoint resolves an httpGet, whose port may be the name of a container port
// (kubeadm since v1.34: probe-port).
func (d *document) endpoint(probe *yaml.Node) *Endpoint {
	get := child(probe, "httpGet")
	if get == nil {
		return nil
	}
	e := &Endpoint{Scheme: value(get, "scheme"), Host: value(get, "host"), Path: value(get, "path")}
	if e.Scheme == "" {
		e.Scheme = "HTTP"
	}
	if e.Host == "" {
		e.Host = "127.0.0.1" // the pods use the host's network
	}
	if e.Path == "" {
		e.Path = "/"
	}
	port := value(get, "port")
	n, err := strconv.Atoi(port)
	if err != nil {
		ports := child(d.container, "ports")
		if ports == nil {
			return nil
		}
		for _, p := range ports.Content {
			if value(p, "name") == port {
				n = numberOf(p, "containerPort", 0)
			}
		}
	}
	if n < 1 || n > 65535 {
		return nil
	}
	e.Port = n
	return e
}

// Kill is how long a component that gives no healthy answer lives until its
// kubelet begins to end it, at least and at most; the grace period of up to
// 30 s comes on top. It follows pkg/kubelet/prober/worker.go: the first probe
// comes after the initial delay, the next ones every period or, when an attempt
// takes longer than that, right after it, with up to one period of jitter.
type Kill struct{ Min, Max time.Duration }

// probeHandshake is the prober's own bound of a TLS handshake, whatever the
// timeout says (net/http's default transport as used in pkg/probe/http).
const probeHandshake = 10 * time.Second

// FailingFast is for connections that are refused at once.
func (e Effective) FailingFast() Kill { return e.kill(0) }

// Hanging is for TLS handshakes that are never answered.
func (e Effective) Hanging() Kill { return e.kill(min(probeHandshake, e.Timeout)) }

// Slow is for answers that come later than the timeout.
func (e Effective) Slow() Kill { return e.kill(e.Timeout) }

func (e Effective) kill(attempt time.Duration) Kill {
	between := max(e.Period, attempt)
	least := e.InitialDelay + time.Duration(e.FailureThreshold-1)*between + attempt
	return Kill{least, least + e.Period}
}
