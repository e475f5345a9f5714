package bootstrap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// StuckError says that waiting for a component was given up, and what was seen.
type StuckError struct {
	Component string
	Why       string
	// Log holds the last lines that the component itself wrote.
	Log     []string
	LogFile string
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("wait for %s: gave up: %s", e.Component, e.Why)
}

// Hint says what can be done.
func (e *StuckError) Hint() string {
	if e.LogFile != "" {
		return "read the rest of its log in " + e.LogFile + " and the kubelet's with: journalctl -u kubelet"
	}
	return "its container was never started: read the kubelet's log with: journalctl -u kubelet"
}

// awaitHealthy waits for one component, looking again and again, until it is healthy
// or nothing moves any more.
func (r *run) awaitHealthy(ctx context.Context, s plan.AwaitHealthy, w *work) error {
	w.waited = s.Component
	return r.await(ctx, s, w.tell)
}

func (r *run) await(ctx context.Context, s plan.AwaitHealthy, tell func(string)) error {
	p, err := r.proberFor(s.Component, patienceOf(s))
	if err != nil {
		return err
	}
	defer p.close()
	still := &stillness{layout: r.layout, tell: func(detail string) {
		r.Tell(Event{Time: r.now(), Kind: Note, Number: r.number, Step: s.Title(), Detail: detail})
	}}
	if s.PauseKubelet {
		still.hold, still.longTurns = r.Hold, true
	}
	defer still.end()
	limits := Limits{Quiet: s.Quiet, Patience: s.Patience, Restarts: s.Restarts}
	began := r.now()
	w := newWatch(limits, began, r.look(ctx, s.Component, p, Observation{}, true))
	for n := 1; ; n++ {
		still.renew()
		o, whole := w.last, wholeLook(n, w.last, still.wanted())
		if !whole {
			o.Health = p.ask(ctx)
			whole = o.Health.Reach < w.last.Health.Reach // something has happened to it
		}
		if whole {
			o = r.look(ctx, s.Component, p, w.last, scanNow(n, w.last, still.wanted()))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r.restarts[s.Component] = w.restarts(o)
		switch w.judge(r.now(), o) {
		case Healthy:
			return nil
		case GiveUp:
			log := r.podLog(s.Component)
			return &StuckError{Component: s.Component, Why: w.why, Log: lastLines(log.Newest, 12), LogFile: log.Newest}
		case KeepWaiting:
		}
		if whole {
			still.see(o.Running, o.PID)
		}
		tell(w.describe())
		wait := untilNextLook(s, r.now().Sub(began))
		if still.wanted() {
			wait = s.Poll // the kubelet is to be held as soon as the process is there
		}
		if err := r.sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// untilNextLook is the plan's time between two looks, and twice as much while the
// expected end is far: each look takes CPU time from what is waited for. Not more, as
// a board that was busy while it was measured is done in a third of what is expected.
func untilNextLook(s plan.AwaitHealthy, waited time.Duration) time.Duration {
	return min(max(s.Poll, (s.Predicted-waited)/10), 2*s.Poll)
}

// wholeLook tells whether look n is for all that a component leaves, or only asks for
// its health. The latter is enough three times of four once its process is known.
func wholeLook(n int, last Observation, hold bool) bool {
	return !last.Running || hold || n%4 == 0
}

// patienceOf is how long one health request may take: on the slowest board a
// handshake alone can take ten seconds and more.
func patienceOf(s plan.AwaitHealthy) time.Duration {
	return min(max(15*time.Second, s.Predicted/2), 2*time.Minute)
}

// scanNow tells whether look n reads all of /proc for a component's process. That
// costs more than all else, and but for hold the process only tells people something.
// Without a log the component is not there, since the runtime makes the log before the
// program runs; but where that lies is the kubelet's choice (podLogsDir), so it is
// looked for now and then.
func scanNow(n int, last Observation, hold bool) bool {
	switch {
	case last.Instances == 0:
		return n%8 == 0
	case hold, last.Health.Reach > ReachNothing: // it runs, then
		return true
	}
	return n%4 == 0
}

// look makes one observation. While the process is not there, nobody is asked.
func (r *run) look(ctx context.Context, component string, p *prober, last Observation, scan bool) Observation {
	var o Observation
	log := r.podLog(component)
	o.Instances, o.LogBytes = log.Instances, log.Bytes
	find := func(last Observation) {
		if proc, ok := r.processes.Again(component, linux.Process{PID: last.PID, Started: last.Started}); ok {
			o.Running, o.PID, o.Started, o.CPU = true, proc.PID, proc.Started, proc.CPU
		}
	}
	if scan || last.Running {
		find(last)
	}
	if o.Running || o.Instances > 0 {
		asked := r.now()
		o.Health = p.ask(ctx)
		if o.Running && r.now().Sub(asked) > time.Second {
			find(o) // an answer can take a minute, and the CPU time was of before
		}
	}
	return o
}

// podLog is what the logs of a component tell of this bootstrap.
func (r *run) podLog(component string) podLog {
	return readPodLog(r.layout.PodLogs(), component, r.logsBefore())
}

func (r *run) logsBefore() map[string]int {
	if r.journal == nil {
		return nil
	}
	return r.journal.LogsBefore
}

// proberFor builds the health prober of a component from its manifest: the
// same port and path that the kubelet will ask.
func (r *run) proberFor(component string, patience time.Duration) (*prober, error) {
	text, err := safefile.Read(r.layout.Manifest(component), maxFile)
	if err != nil {
		return nil, fmt.Errorf("find the health endpoint of %s: %w", component, err)
	}
	about, err := patch.Inspect(text)
	if err != nil {
		return nil, fmt.Errorf("find the health endpoint of %s: %w", component, err)
	}
	end, ok := healthEndpoint(about)
	if !ok {
		return r.etcdByClientPort(component, patience)
	}
	url := strings.ToLower(end.Scheme) + "://" + net.JoinHostPort(end.Host, strconv.Itoa(end.Port)) + end.Path
	if !strings.Contains(url, "?") {
		url += "?verbose"
	}
	if strings.ToLower(end.Scheme) != "https" {
		return newProber(url, nil, patience), nil
	}
	if component != plan.APIServer {
		// Controller-manager and scheduler make a certificate of their own at
		// every start and listen on the loopback address: nothing to verify.
		return newProber(url, &tls.Config{InsecureSkipVerify: true}, patience), nil
	}
	for _, path := range []string{r.layout.SuperAdminConf(), r.layout.AdminConf()} {
		creds, err := readKubeconfig(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return newProber(url, creds.Config, patience), nil
	}
	return nil, fmt.Errorf("find the health endpoint of %s: neither %s nor %s is there", component, r.layout.SuperAdminConf(), r.layout.AdminConf())
}

// etcdByClientPort serves etcd before v1.17 or so, whose probe is a command
// and not an address: its client port is asked with the certificate that
// kubeadm makes for health checks.
func (r *run) etcdByClientPort(component string, patience time.Duration) (*prober, error) {
	if component != plan.Etcd {
		return nil, fmt.Errorf("find the health endpoint of %s: its manifest has no HTTP probe", component)
	}
	dir := filepath.Join(r.layout.Certificates(r.Config, r.Args), "etcd")
	pair, err := loadKeyPair(filepath.Join(dir, "healthcheck-client.crt"), filepath.Join(dir, "healthcheck-client.key"))
	if err != nil {
		return nil, fmt.Errorf("find the health endpoint of etcd: %w", err)
	}
	return newProber("https://127.0.0.1:2379/health", &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}, patience), nil
}

// healthEndpoint picks the probe that says most: readiness where there is one.
func healthEndpoint(about patch.About) (patch.Endpoint, bool) {
	for _, name := range []string{"readinessProbe", "startupProbe", "livenessProbe"} {
		if p, ok := about.Probes[name]; ok && p.Endpoint != nil {
			return *p.Endpoint, true
		}
	}
	return patch.Endpoint{}, false
}
