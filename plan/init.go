package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// fastEnough is the predicted API server start up to which kubeadm's own order
// and clocks leave room: its tightest deadline is the one minute of its first
// API call, and a quarter of it is a fair margin, as in kubeadm's order three others
// start beside it. A board with a tenth of a core, which is beyond, is Ready after the
// same time either way and spends less CPU time staged.
const fastEnough = 15 * time.Second

// MakeInit plans `kubeadm-arm init`.
func MakeInit(f Facts) Plan {
	m := maker{f: f}
	var why string
	m.slowdown, why = f.Speed.Slowdown()
	m.start = m.expect(APIServer)
	m.slow = m.start > fastEnough
	m.decide(GroupBoard, "slowdown", fmt.Sprintf("%.1f", m.slowdown), why)
	m.decide(GroupBoard, "expected API server start", m.start.String(), Calibrated().describe(APIServer, f.Speed))
	if m.slow {
		m.decide(GroupBoard, "expected bootstrap", m.expect(Bootstrap).String(), Calibrated().describe(Bootstrap, f.Speed))
	}
	if f.Kubeadm.Nearest {
		m.warn(fmt.Sprintf("kubeadm %s is newer than this program knows; it is treated as v1.%d", f.Kubeadm.Version, kubeadm.NewestMinor))
	}
	m.skip = slices.Concat(f.Args.List("skip-phases"))
	if _, given := f.Args.Get("skip-phases"); !given {
		// The flag overrides the config's list, and we always give the flag.
		m.skip = f.Config.InitList("skipPhases")
	}
	m.config()
	m.steps()
	return m.p
}

type maker struct {
	f        Facts
	slowdown float64
	start    time.Duration
	slow     bool
	// ecdsa says that the cluster's keys are ECDSA, by our choice or the owner's.
	ecdsa bool
	skip  []string
	p     Plan
}

func (m *maker) warn(text string) { m.p.Warnings = append(m.p.Warnings, text) }

// skipped tells whether the owner skips a phase.
func (m *maker) skipped(phase string) bool {
	parent, _, _ := strings.Cut(phase, "/")
	return slices.Contains(m.skip, phase) || slices.Contains(m.skip, parent) || slices.Contains(m.skip, "all")
}

// split tells whether kubeadm's phases run in more than one process.
func (m *maker) split() bool { return m.slow || m.saving() || m.f.Board.ARM32() }

// steps lays out the walk.
func (m *maker) steps() {
	b := m.f.Kubeadm
	head := []string{"preflight", "certs", "kubeconfig", "etcd", "control-plane"}
	kubelet := []string{"kubelet-start"}
	staged := m.stagedComponents()
	staging := (m.slow || m.saving() && slices.Contains(staged, ControllerManager)) &&
		!m.skipped("kubelet-start") && !m.skipped("control-plane") && !m.skipped("etcd")
	if !staging && !m.slow && m.split() {
		// kubeadm's own order and clocks, with the manifests changed before the
		// kubelet sees them.
		m.leave(GroupStart, StagedStart, "off", "the board is fast enough for kubeadm's own order and clocks")
		m.services()
		m.add(RunPhases{Name: "head", What: "run kubeadm's phases up to the manifests", Keep: head, Attempts: 1})
		done := append(m.kubeletCertificates(), head...)
		m.add(
			m.patches(),
			RunPhases{Name: "rest", What: "run kubeadm's other phases", Keep: b.AllBut(done...), Attempts: 1},
		)
		return
	}
	if !staging {
		why := "the board is fast enough for kubeadm's own order and clocks"
		if m.slow {
			why = "the owner skips a phase that staging would have to wrap"
		}
		m.leave(GroupStart, StagedStart, "off", why)
		m.add(RunPhases{Name: "all", What: "run kubeadm init", Keep: b.Phases(), Attempts: 1})
		return
	}
	early, staged, beside := m.order(staged)
	if m.slow && slices.Contains(slices.Concat(early, staged), APIServer) {
		m.decide(GroupStart, "kubelet while the API server starts", "paused", "nothing that it does then can succeed, and on one slow core it takes a third of the CPU")
		m.decide(GroupStart, "API server timer slack", "raised while it starts", "it dials itself eighty times at once, with RSA keys: one handshake after the other, the first serves all; in turns of 10 ms all are late")
	}
	why := "all four at once wear each other down"
	if !m.slow {
		why = "the API server may be late then, too"
	}
	m.decide(GroupStart, "start after a reboot", "staged, too", why+"; a systemd unit puts "+strings.Join(staged, ", ")+" back in this order")
	m.services()
	m.add(RunPhases{Name: "head", What: "run kubeadm's phases up to the manifests", Keep: head, Attempts: 1})
	done := slices.Concat(head, kubelet, m.kubeletCertificates(), []string{"wait-control-plane"})
	m.add(
		m.patches(),
		StageManifests{Components: staged},
		RunPhases{Name: "kubelet", What: "start the kubelet", Keep: kubelet, Attempts: 2},
	)
	awaited := slices.Clone(staged)
	for _, c := range early {
		if c == Scheduler && beside { // nothing waits for it
			awaited = append([]string{c}, awaited...)
			continue
		}
		m.add(m.await(c))
	}
	// kubeadm's own wait comes after ours and would add its one-minute call
	// and a round of handshakes only to learn what is known.
	tail := b.AllBut(done...)
	m.decide(GroupStart, "phase wait-control-plane", "skipped", "own waiting by progress shows every component healthy")
	const attempts = 5
	m.decide(GroupStart, "attempts for the remaining phases", fmt.Sprint(attempts), "a request has 10 s in kubeadm's client whatever the config says; all these phases create or update")
	rest := RunPhases{Name: "tail", What: "run kubeadm's remaining phases", Keep: tail, Attempts: attempts}
	if beside {
		m.decide(GroupStart, "start of the remaining phases", "while "+strings.Join(awaited, " and ")+" start", "they mostly wait for answers")
		for _, c := range staged {
			m.add(ReleaseManifest{Component: c})
		}
		m.add(rest)
		for _, c := range awaited {
			m.add(m.await(c))
		}
		return
	}
	for _, c := range staged {
		m.add(ReleaseManifest{Component: c}, m.await(c))
		if c == APIServer {
			m.decide(GroupStart, "start of the remaining phases", "as soon as the API server is healthy", "they need nothing else, and take longer beside a controller-manager that reads all the cluster has")
			m.add(rest)
		}
	}
	if !slices.Contains(staged, APIServer) {
		m.add(rest) // the owner skips its phase
	}
}

// order decides which components the kubelet finds when it starts, which are staged and
// released one after the other, and whether kubeadm's remaining phases run beside
// the start of these. A fast board stages the controller-manager alone.
func (m *maker) order(components []string) (early, staged []string, beside bool) {
	early = m.local(Etcd)
	if !m.slow {
		m.decide(GroupStart, StagedStart, ControllerManager, "it ends itself when the API server is not healthy within ten seconds of its own start, which no flag changes and a busy moment brings about on any board")
		early = append(early, slices.DeleteFunc(slices.Clone(components), func(c string) bool { return c == ControllerManager })...)
		return early, []string{ControllerManager}, !m.finalizes()
	}
	m.decide(GroupStart, StagedStart, "on", fmt.Sprintf("with an API server start of about %s, scheduler and controller-manager would load it with retries, and kubeadm's first API call gives up after 1 minute", m.start))
	if !m.together() {
		m.decide(GroupStart, "release order", strings.Join(append(slices.Clone(early), components...), ", "), "each needs the one before it; what starts early only crashes, retries and costs CPU time")
		return early, components, false
	}
	for _, c := range components {
		if c == APIServer {
			early = append(early, c)
		} else {
			staged = append(staged, c)
		}
	}
	m.decide(GroupStart, "release order", strings.Join(early, " and ")+", then "+strings.Join(staged, " and "), "there is a core for each of two; what starts before the API server is healthy only crashes, retries and costs CPU time")
	return early, staged, true
}

// together tells whether etcd and the API server start side by side, and later
// the others. It gained little on an emulated Cortex-A7, whose two cores are busy
// either way: 2 of 171 s. A quota of less than two cores is as one core.
//
// kubelet-finalize among the phases that run beside their start would end
// scheduler and controller-manager while they are being made.
func (m *maker) together() bool {
	measured := m.f.Speed.Cores
	return !m.finalizes() && m.cores() >= enoughForTwo && (measured == 0 || measured >= enoughForTwo)
}

// finalizes tells whether kubeadm starts the kubelet a second time.
func (m *maker) finalizes() bool {
	return slices.Contains(m.f.Kubeadm.Phases(), finalize) && !m.skipped(finalize) && !m.rotatable()
}

// enoughForTwo is in cores; what else runs on a board takes a part of them.
const enoughForTwo = 1.6

func (m *maker) add(s ...Step) { m.p.Steps = append(m.p.Steps, s...) }

// local returns c when it runs on this board as a static pod.
func (m *maker) local(c string) []string {
	if c == Etcd && m.f.Config.HasExternalEtcd() {
		return nil
	}
	return []string{c}
}

func (m *maker) stagedComponents() []string {
	var all []string
	for phase, c := range map[string]string{
		"control-plane/apiserver": APIServer, "control-plane/controller-manager": ControllerManager, "control-plane/scheduler": Scheduler,
	} {
		if !m.skipped(phase) {
			all = append(all, c)
		}
	}
	order := Components()
	slices.SortFunc(all, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	return all
}

func (m *maker) await(c string) AwaitHealthy {
	// Half a minute without one tick of CPU time or one log line is odd even on
	// a busy board; the slower the board, the longer such gaps get.
	quiet := max(60*time.Second, roundUp(seconds(10*m.slowdown), 10*time.Second))
	patience := max(5*time.Minute, roundUp(6*m.start, 30*time.Second))
	return AwaitHealthy{
		Component: c, Expect: m.expect(c),
		Quiet: quiet, Patience: patience, Restarts: 5, HoldKubelet: m.slow && c == APIServer,
		Poll: m.poll(),
	}
}

// poll is the time between two looks: a fiftieth of the API server's start, so that
// looking costs little and half of that, 1 %, is waited too long.
func (m *maker) poll() time.Duration {
	return min(max(roundUp(m.start/50, 100*time.Millisecond), 250*time.Millisecond), 5*time.Second)
}

func short(s float64) string {
	return seconds(s).Round(10 * time.Microsecond).String()
}

// Patches are the manifest settings alone, for a control plane that is there
// already. A board that is fast enough needs none.
func Patches(f Facts) map[string]patch.Settings {
	m := maker{f: f}
	m.slowdown, _ = f.Speed.Slowdown()
	m.start = m.expect(APIServer)
	if m.start <= fastEnough {
		if env := m.etcdEnv(); env != nil {
			return map[string]patch.Settings{Etcd: {Env: env}}
		}
		return map[string]patch.Settings{}
	}
	return m.patches().Settings
}
