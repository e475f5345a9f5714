package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// fastEnough is the predicted API server start up to which kubeadm's own order and
// timeouts leave room. Its tightest deadline is the one minute of its first API call; a
// quarter of it is a fair margin, since in kubeadm's order three other components start
// at the same time. A slower board is Ready after the same time either way and uses less
// CPU time staged.
const fastEnough = 15 * time.Second

// MakeInit plans `kubeadm-arm init`.
func MakeInit(f Facts) Plan {
	m := newMaker(kubeadm.Init, f)
	m.board()
	m.config()
	m.p.Steps = m.steps()
	return m.p
}

// board notes what is expected of the board.
func (m *maker) board() {
	f := m.f
	m.noteSlowdown()
	m.decide(GroupBoard, "expected API server start", m.apiServerStart.String(), Calibrated().describe(APIServer, f.Speed))
	if m.slow && m.p.Command != kubeadm.Join {
		m.decide(GroupBoard, "expected bootstrap", m.expect(Bootstrap).String(), Calibrated().describe(Bootstrap, f.Speed))
	}
	m.newerKubeadm()
}

func (m *maker) noteSlowdown() {
	_, why := m.f.Speed.Slowdown()
	m.decide(GroupBoard, "slowdown", fmt.Sprintf("%.1f", m.slowdown), why)
}

func (m *maker) newerKubeadm() {
	if f := m.f; f.Kubeadm.Nearest {
		m.warn(fmt.Sprintf("kubeadm %s is newer than this program knows; it is treated as v1.%d", f.Kubeadm.Version,
			kubeadm.NewestMinor))
	}
}

// steps is the list of what init does. Each function stands beside its step's type and
// decides, with reasons, what the step holds; it returns none where none is needed.
func (m *maker) steps() []Step {
	switch m.decideOrder(); m.order.kind {
	case ownOrder:
		return m.everyPhase()
	case patchedOrder:
		return slices.Concat(
			m.tuneServices(),
			m.head(),
			m.kubeletCertificates(),
			m.patchManifests(),
			m.rest(),
		)
	}
	return slices.Concat(
		m.tuneServices(),
		m.head(),
		m.kubeletCertificates(),
		m.patchManifests(),
		m.stageManifests(),
		m.startKubelet(),
		m.await(m.order.first...),
		m.startStaged(),
	)
}

// startStaged is the list of what comes once the first components are healthy.
func (m *maker) startStaged() []Step {
	staged := m.order.staged
	switch {
	case m.order.beside:
		return slices.Concat(
			m.release(staged...),
			m.remaining(),
			m.await(m.order.last...),
		)
	case m.order.stages(APIServer):
		return slices.Concat(
			m.start(APIServer),
			m.remaining(),
			m.start(staged[1:]...),
		)
	}
	return slices.Concat(
		m.start(staged...),
		m.remaining(),
	)
}

// maker is one plan in the making.
type maker struct {
	f              Facts
	slowdown       float64
	apiServerStart time.Duration
	// slow says that kubeadm's own order and timeouts leave too little room.
	slow  bool
	order order
	// ecdsa says that the cluster's keys are ECDSA, by our choice or the owner's.
	ecdsa bool
	skip  []string
	p     Plan
}

func newMaker(command kubeadm.Verb, f Facts) *maker {
	m := &maker{f: f, p: Plan{Command: command}, skip: f.Args.List("skip-phases")}
	if _, given := f.Args.Get("skip-phases"); !given {
		// The flag overrides the config's list, and we always give the flag.
		m.skip = f.Config.Skips()
	}
	m.slowdown, _ = f.Speed.Slowdown()
	m.apiServerStart = m.expect(APIServer)
	m.slow = m.apiServerStart > fastEnough
	return m
}

func (m *maker) warn(text string) { m.p.Warnings = append(m.p.Warnings, text) }

// skipped reports whether the owner skips a phase.
func (m *maker) skipped(phase string) bool {
	parent, _, _ := strings.Cut(phase, "/")
	return slices.Contains(m.skip, phase) || slices.Contains(m.skip, parent) || slices.Contains(m.skip, "all")
}
