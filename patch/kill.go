package patch

import "time"

// Span is a time at least and at most: the kubelet's clock ticks on its own, so
// up to one period passes before the first attempt.
type Span struct{ Min, Max time.Duration }

// Kill is how long a component lives until its kubelet begins to end it; the
// grace period of up to 30 s comes on top. The times follow
// k8s.io/kubernetes/pkg/kubelet/prober/worker.go: attempts begin with the ticks
// of a clock, and one that lasts longer than a period is followed by the next
// right away.
type Kill struct {
	// FailingFast is for connections that are refused at once.
	FailingFast Span
	// Hanging is for connections that are accepted and TLS handshakes that are
	// never answered.
	Hanging Span
	// Slow is for answers that come later than the timeout.
	Slow Span
}

// probeHandshake is the prober's own bound of a TLS handshake, whatever the
// timeout says: that of net/http's DefaultTransport, which
// k8s.io/apimachinery/pkg/util/net SetTransportDefaults takes over.
const probeHandshake = 10 * time.Second

// Starting reports how long a component may take until its first healthy answer,
// from the start of its container: that is up to the startup probe, and without
// one to the liveness probe. It is false when no probe ends the component.
func (a About) Starting() (Kill, bool) {
	e, ok := a.Probes[startupProbe]
	if !ok {
		e, ok = a.Probes[livenessProbe]
	}
	return e.kill(e.InitialDelay), ok
}

// Started reports how long a component that has been healthy may stay silent.
func (a About) Started() (Kill, bool) {
	e, ok := a.Probes[livenessProbe]
	return e.kill(0), ok
}

func (e Effective) kill(delay time.Duration) Kill {
	hanging := e.Timeout
	if e.Endpoint != nil && e.Endpoint.Scheme == "HTTPS" {
		hanging = min(probeHandshake, e.Timeout)
	}
	return Kill{FailingFast: e.span(delay, 0), Hanging: e.span(delay, hanging), Slow: e.span(delay, e.Timeout)}
}

// span adds up attempts of a length. The first begins within a period, all the
// others a period or an attempt later, whichever is longer.
func (e Effective) span(delay, attempt time.Duration) Span {
	least := delay + time.Duration(e.FailureThreshold-1)*max(e.Period, attempt) + attempt
	return Span{least, least + e.Period}
}
