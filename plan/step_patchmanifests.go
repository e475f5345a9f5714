package plan

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// PatchManifests rewrites the manifests that kubeadm wrote.
type PatchManifests struct {
	plain
	Settings map[string]patch.Settings `json:"settings"`
}

// Kind implements Step.
func (PatchManifests) Kind() string           { return "patchManifests" }
func (PatchManifests) Title() string          { return "patch the manifests" }
func (s PatchManifests) Detail() string       { return strings.Join(s.Components(), ", ") }
func (s PatchManifests) Components() []string { return slices.Sorted(maps.Keys(s.Settings)) }

// patchManifests sets what the settings decide.
func (m *maker) patchManifests() []Step { return []Step{PatchManifests{Settings: m.settings()}} }

// Patches are the manifest settings alone, for a control plane that is there
// already. A board that is fast enough needs none.
func Patches(f Facts) map[string]patch.Settings {
	m := newMaker(kubeadm.Init, f)
	if m.slow {
		return m.settings()
	}
	if env := m.etcdEnv(); env != nil {
		return map[string]patch.Settings{Etcd: {Env: env}}
	}
	return map[string]patch.Settings{}
}

// settings decides what the manifests should reach.
func (m *maker) settings() map[string]patch.Settings {
	budget := m.startBudget()
	period := m.probePeriod()
	timeout := m.probeTimeout()
	startup := patch.Probe{
		Period: whole(period), FailureThreshold: int(math.Ceil(budget.Seconds() / period.Seconds())), Timeout: whole(timeout),
		Reason: fmt.Sprintf("%s to start, six times the expected API server start of %s", budget, m.apiServerStart),
	}
	handshake := m.handshakeCost()
	steady := patch.Probe{Period: whole(max(period, m.steadyPeriod())), Timeout: whole(timeout), Reason: handshake}
	liveness, readiness := steady, steady
	liveness.FailureThreshold, readiness.FailureThreshold = livenessThreshold, readinessThreshold
	m.profile()
	m.decide(GroupManifests, "startup probe budget", budget.String(),
		"six times the expected API server start: a component that is still starting must not be killed")
	if !m.single() && len(m.localEtcd()) > 0 {
		m.decide(GroupManifests, "etcd startup probe budget", quorumPatience.String(), quorumReason)
	}
	m.decide(GroupManifests, "probe period", max(period, m.steadyPeriod()).String(), handshake)
	m.decide(GroupManifests, "probe timeout", timeout.String(),
		"a probe's handshake and answer queue behind the work of a starting control plane")
	all := map[string]patch.Settings{}
	for _, c := range append(m.localEtcd(), m.controlPlane()...) {
		s, l, r := m.respect(c, "startupProbe", startup), m.respect(c, "livenessProbe", liveness), m.respect(c,
			"readinessProbe", readiness)
		settings := patch.Settings{Startup: &s, Liveness: &l, Readiness: &r,
			NoStartupProbe: !m.f.Kubeadm.KubeletHeedsStartupProbes()}
		switch c {
		case Etcd:
			settings.Flags, settings.Env = m.etcdTimings(), m.etcdEnv()
			if !m.single() {
				s.FailureThreshold = int(math.Ceil(quorumPatience.Seconds() / period.Seconds()))
				s.Reason = quorumPatience.String() + " to start: " + quorumReason
			}
		case ControllerManager, Scheduler:
			settings.Flags = m.leases(c)
		}
		m.save(c, &settings)
		all[c] = settings
	}
	return all
}

// quorumPatience is how long an etcd that is one of several may take to start. Its startup
// probe asks /readyz, which is not fine while it only learns (etcd 3.6), or while the others
// are off; killing it brings nobody back.
const quorumPatience = time.Hour

const quorumReason = "it is ready only once it votes and most members are up, which depends on other boards; " +
	"restarting it would not help"

// kubeadm's own failure thresholds (util/staticpod/utils.go): a slower period asks
// as often before it gives up.
const (
	livenessThreshold  = 8
	readinessThreshold = 3
)

func whole(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// probePeriod keeps what all probes cost together small: three components are
// asked for readiness and four for liveness, each time with a new handshake.
func (m *maker) probePeriod() time.Duration {
	return min(max(10*time.Second, roundUp(seconds(m.slowdown), 5*time.Second)), 30*time.Second)
}

// probeTimeout is long enough for an answer that queues behind other work. The
// prober's own handshake bound of 10 s cannot be raised.
func (m *maker) probeTimeout() time.Duration {
	return min(max(15*time.Second, roundUp(m.apiServerStart/5, 5*time.Second)), 60*time.Second)
}

func (m *maker) handshakeCost() string {
	return fmt.Sprintf("every probe is a new TLS handshake, up to %s of CPU time for the server alone with RSA keys, "+
		"%s with ECDSA keys; kubeadm asks for readiness every second",
		short(m.f.Speed.ServerRSA), short(m.f.Speed.ServerECDSA))
}

// leases gives leader election the time that a slow API server needs. The
// ratios are Kubernetes' own: 15 s, 10 s, 2 s
// (k8s.io/component-base/config/v1alpha1/defaults.go).
func (m *maker) leases(component string) []patch.Flag {
	if m.alone() {
		return nil // there is no election
	}
	lease := min(max(15*time.Second, roundUp(4*m.apiServerStart/5, 5*time.Second)), 2*time.Minute)
	why := fmt.Sprintf("a renewal is an API call, and calls take long while the API server has an expected start of "+
		"%s; a component that fails to renew exits and starts again", m.apiServerStart)
	if m.saving() && lease < sharedLease {
		lease, why = sharedLease, "each renewal waits for most members of etcd, which may be on slower boards; a component "+
			"that fails to renew exits and starts again"
	}
	if lease == 15*time.Second {
		return nil
	}
	if component == ControllerManager {
		m.decide(GroupManifests, "leader election lease", lease.String(), why)
	}
	flag := func(name string, d time.Duration) patch.Flag {
		return patch.Flag{Name: name, Value: d.String(), Policy: patch.AtLeast, UserSet: m.userSet(component, name),
			Reason: why}
	}
	return []patch.Flag{
		flag("leader-elect-lease-duration", lease),
		flag("leader-elect-renew-deadline", (lease * 2 / 3).Truncate(time.Second)),
		flag("leader-elect-retry-period", max(2*time.Second, lease/8).Round(time.Second)),
	}
}

// sharedLease is the least lease, and sharedHeartbeat the least heartbeat interval of etcd, where
// other control planes may be on slower boards than this one. At 6 % of a core, leases of 15 s
// and elections after 1 s were lost while a member joined; another leader takes that much longer.
const (
	sharedLease     = time.Minute
	sharedHeartbeat = 500 * time.Millisecond
)

// etcdTimings follow the disk: etcd's own advice is an election timeout of ten
// heartbeats, and a heartbeat that a slow fsync cannot miss
// (etcd.io/docs/latest/tuning).
func (m *maker) etcdTimings() []patch.Flag {
	if m.alone() {
		return nil // there is nobody to send a heartbeat to
	}
	if t := m.f.Tick; t.Heartbeat > 0 && t.Election > 0 {
		return m.etcdTickOf(t)
	}
	disk := seconds(2 * m.f.Speed.FsyncP99)
	cpu := seconds(m.slowdown * 0.02)
	heartbeat := min(max(usualTick, roundUp(max(disk, cpu), 100*time.Millisecond)), 5*time.Second)
	why := fmt.Sprintf("twice the fsync p99 of %s, or 20 ms times the slowdown of %.1f, whichever is longer",
		short(m.f.Speed.FsyncP99), m.slowdown)
	if m.saving() && heartbeat < sharedHeartbeat {
		heartbeat, why = sharedHeartbeat, "other members may be on slower boards, and all need the same"
	}
	if heartbeat == usualTick {
		return nil
	}
	m.decide(GroupManifests, "etcd heartbeat interval", heartbeat.String(), why)
	return m.etcdTick(heartbeat, 10*heartbeat, why)
}

// usualTick is etcd's own (go.etcd.io/etcd/server/v3/embed/config.go).
const usualTick, usualElection = 100 * time.Millisecond, time.Second

// etcdTickOf has a member tick as those do that are there: one that waits less long than
// their heartbeats take would ask for elections without end.
func (m *maker) etcdTickOf(t EtcdTick) []patch.Flag {
	if t.Heartbeat == usualTick && t.Election == usualElection {
		return nil
	}
	const why = "the same as the other members: a different one would cause needless elections"
	m.decide(GroupManifests, "etcd heartbeat interval", t.Heartbeat.String(), why)
	flags := m.etcdTick(t.Heartbeat, t.Election, why)
	for i := range flags {
		flags[i].Policy = patch.Set
	}
	return flags
}

// etcdTick sets etcd's heartbeat interval and election timeout. etcd does not start when its election
// timeout is less than five heartbeats, so an owner's own election timeout
// leaves the heartbeat alone, too (go.etcd.io/etcd/server/v3/embed/config.go).
func (m *maker) etcdTick(heartbeat, election time.Duration, why string) []patch.Flag {
	if m.userSet(Etcd, "election-timeout") {
		return nil
	}
	flag := func(name string, d time.Duration) patch.Flag {
		return patch.Flag{Name: name, Value: fmt.Sprint(d.Milliseconds()), Policy: patch.AtLeast, UserSet: m.userSet(Etcd,
			name), Reason: why}
	}
	return []patch.Flag{flag("heartbeat-interval", heartbeat), flag("election-timeout", election)}
}

// respect marks the fields of a probe that the owner's patches set.
func (m *maker) respect(component, probe string, p patch.Probe) patch.Probe {
	for _, field := range []string{"initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"} {
		if m.f.Owned.Field(component, probe, field) != "" {
			p.UserSet = append(p.UserSet, field)
		}
	}
	return p
}

// userSet reports whether the owner's config or patches set a component's flag.
func (m *maker) userSet(component, flag string) bool {
	if m.f.Owned.Flag(component, flag) != "" {
		return true
	}
	path := map[string][]string{
		Etcd: {"etcd", "local"}, APIServer: {"apiServer"}, ControllerManager: {"controllerManager"}, Scheduler: {"scheduler"},
	}[component]
	return m.f.Config.HasExtraArg(flag, path...)
}
