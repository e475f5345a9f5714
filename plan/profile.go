package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// Profile is what the owner gives up of a control plane's quick reactions for a
// lighter load. Most of a small cluster's load is not work but watching: the
// figures are in docs/results.
type Profile string

// The profiles.
const (
	// Responsive changes only what a slow board's bootstrap needs.
	Responsive Profile = "responsive"
	// Balanced leaves out what a cluster with one control-plane node has no use
	// for. It is the default.
	Balanced Profile = "balanced"
	// Frugal looks less often, too: failures are noticed later.
	Frugal Profile = "frugal"
)

// Profiles returns all profiles, the heaviest first.
func Profiles() []Profile { return []Profile{Responsive, Balanced, Frugal} }

// ParseProfile reads a profile's name; empty is the default.
func ParseProfile(name string) (Profile, error) {
	if name == "" {
		return Balanced, nil
	}
	if p := Profile(name); slices.Contains(Profiles(), p) {
		return p, nil
	}
	return "", fmt.Errorf("%q is not responsive, balanced or frugal", name)
}

// saving reports whether the profile leaves out anything. A Kubernetes newer than
// the version table is left as it is: a flag that a component no longer knows
// would keep it from starting.
func (m *maker) saving() bool {
	return (m.f.Profile == Balanced || m.f.Profile == Frugal) && !m.f.Kubeadm.Nearest
}

// single reports whether the cluster can only ever have this one control-plane
// node: kubeadm lets no second one join without a controlPlaneEndpoint
// (cmd/kubeadm/app/cmd/join.go).
func (m *maker) single() bool {
	if m.p.Command == kubeadm.Join {
		return false // there is another one
	}
	_, given := m.f.Args.Get("control-plane-endpoint")
	return !given && !m.f.Config.Means("controlPlaneEndpoint")
}

// alone reports whether the profile may leave out what several control-plane
// nodes need of each other.
func (m *maker) alone() bool { return m.saving() && m.single() }

// profile decides what the profile leaves out, for the plan's reader.
func (m *maker) profile() {
	switch {
	case m.f.Profile == "" || m.f.Profile == Responsive:
		m.leave(GroupProfile, "profile", string(Responsive), "only what the bootstrap needs is changed")
		return
	case m.f.Kubeadm.Nearest:
		m.leave(GroupProfile, "profile", string(Responsive),
			fmt.Sprintf("%s would set flags that this newer Kubernetes may not know any more", m.f.Profile))
		return
	}
	m.decide(GroupProfile, "profile", string(m.f.Profile),
		"a control plane's idle load is watching, not work; --profile=responsive leaves it as it is")
	m.decide(GroupProfile, "GOMAXPROCS of etcd, controller-manager, scheduler", "1", oneThread)
	if !m.single() {
		return
	}
	m.decide(GroupProfile, "leader election", "off", noElection)
	m.decide(GroupProfile, "API server watch cache", "off", noWatchCache)
	m.decide(GroupProfile, "API priority and fairness", "off", noFairness)
	m.decide(GroupManifests, "etcd heartbeat interval", m.aloneTick().String(), etcdAlone)
}

// Why a profile leaves something out.
const (
	oneThread  = "this program mostly waits; with one thread its runtime does not wake others that find nothing to do"
	noElection = "without a controlPlaneEndpoint no second control-plane node can join, so there is nobody to elect " +
		"against; each renewal is an API call and a write to disk every 2 s"
	noWatchCache = "the cache serves many clients of one kind of object; a small cluster has few, and pays for a " +
		"hundred caches, each with a timer that fires every second"
	noProxy = "it is for several API servers of different versions; while the server starts, it asks the server " +
		"ten times a second whether it is ready"
	noFairness = "it shares an overloaded API server out among many clients; without it --max-requests-inflight is " +
		"the only bound, and every request and every start costs less"
	batch = "etcd's log is on the disk before an answer is given, whatever this says; its database file follows " +
		"this much later, and takes ten writes in one"
	lazyGC = "a server that starts with a small heap collects garbage all the time; GOMEMLIMIT keeps it from " +
		"taking the board's memory"
	sharedCert = "without a certificate it makes one at every start, which nobody can verify and which takes two RSA " +
		"keys; this one lies in a folder that it reads anyway"
	progress  = "etcd tells every one of the API server's hundred watches this often that nothing has happened"
	etcdAlone = "etcd's clock ticks this often; with one member there is nobody to send a heartbeat to: its first " +
		"start waits for up to five ticks, and a request has 5 s and ten"
)

// aloneTick is the heartbeat interval of an etcd with one member; etcd's own is
// 100 ms. The election timeout is five of it. A start waits for one to five, which
// cost a fast board a second when they were half of one; and a request may take 5 s
// and two election timeouts (go.etcd.io/etcd/server/v3/config, ReqTimeout), which
// were too short at 2 % of a core when a tick was 200 ms.
func (m *maker) aloneTick() time.Duration {
	return min(max(200*time.Millisecond, roundUp(seconds(0.020*m.slowdown), 100*time.Millisecond)), 2*time.Second)
}

// save adds to a component's settings what the profile leaves out.
func (m *maker) save(component string, s *patch.Settings) {
	if !m.saving() {
		return
	}
	flag := func(policy patch.Policy, name, value, reason string) {
		s.Flags = append(s.Flags, patch.Flag{Name: name, Value: value, Policy: policy, UserSet: m.userSet(component, name),
			Reason: reason})
	}
	env := func(name, value, reason string) {
		s.Env = append(s.Env, patch.Env{Name: name, Value: value, Reason: reason})
	}
	switch component {
	case Etcd:
		env("GOMAXPROCS", "1", oneThread)
		flag(patch.IfPresent, "watch-progress-notify-interval", "1m", progress)
		flag(patch.IfPresent, "experimental-watch-progress-notify-interval", "1m", progress)
		if m.f.Kubeadm.Has(kubeadm.EtcdBatching) {
			flag(patch.IfAbsent, "backend-batch-interval", "2s", batch)
		}
		if m.alone() {
			s.Flags = append(s.Flags, m.etcdTick(m.aloneTick(), 5*m.aloneTick(), etcdAlone)...)
		}
	case APIServer:
		if m.alone() {
			flag(patch.IfAbsent, "watch-cache", "false", noWatchCache)
			if m.f.Kubeadm.Has(kubeadm.Fairness) {
				flag(patch.IfAbsent, "enable-priority-and-fairness", "false", noFairness)
			}
			if m.f.Kubeadm.Has(kubeadm.InteroperabilityProxy) {
				flag(patch.IfAbsent, "feature-gates", "UnknownVersionInteroperabilityProxy=false", noProxy)
			}
		}
		if limit, ok := m.apiMemory(); ok {
			env("GOGC", "400", lazyGC)
			env("GOMEMLIMIT", limit, lazyGC)
		}
		if m.cores() <= 1 {
			env("GOMAXPROCS", "1", "there is one core's worth of CPU")
		}
	case ControllerManager, Scheduler:
		env("GOMAXPROCS", "1", oneThread)
		if base := m.sharedCertificate(); component == ControllerManager && base != "" && !m.userSet(component,
			"tls-cert-file") && !m.userSet(component, "tls-private-key-file") {
			flag(patch.IfAbsent, "tls-cert-file", base+".crt", sharedCert)
			flag(patch.IfAbsent, "tls-private-key-file", base+".key", sharedCert)
		}
		if m.alone() {
			flag(patch.Set, "leader-elect", "false", noElection)
		}
	}
}

// cores is what a program can use at once, a quota counted in.
func (m *maker) cores() float64 {
	n := float64(max(1, m.f.Board.CPU.Count))
	if q := m.f.Cores; q > 0 && q < n {
		return q
	}
	return n
}

// steadyPeriod is the least time between two looks of a probe.
func (m *maker) steadyPeriod() time.Duration {
	switch {
	case !m.saving():
		return 0
	case m.f.Profile == Frugal:
		return 30 * time.Second
	}
	return 10 * time.Second
}

// apiMemory is what the API server's heap may take before its garbage collector
// works harder: a fifth of the board's memory, and never less than what a small
// cluster's server holds anyway. Only a slow board is worth that memory: there the start
// takes a fifth longer without it, and a fast one starts in seconds either way.
func (m *maker) apiMemory() (limit string, ok bool) {
	const least, mib = 256, 1 << 20
	total := m.f.Board.MemoryTotal / mib
	if !m.slow || total < 900 {
		return "", false
	}
	return fmt.Sprintf("%dMiB", max(least, total/5)), true
}
