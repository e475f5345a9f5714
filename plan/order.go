package plan

import (
	"fmt"
	"slices"
	"strings"
)

// order is in what order kubeadm's phases and the components are started.
type order struct {
	kind orderKind
	// first are the components that are waited for as soon as the kubelet runs.
	first []string
	// staged are those that are released then, in this order.
	staged []string
	// beside says that kubeadm's remaining phases run while the staged ones start,
	// and last are those that are waited for after these phases.
	beside bool
	last   []string
}

type orderKind int

const (
	// ownOrder is one kubeadm process, as its owner would start it.
	ownOrder orderKind = iota
	// patchedOrder is kubeadm's own order, with the manifests changed before the
	// kubelet sees them.
	patchedOrder
	// stagedOrder has components wait for others.
	stagedOrder
)

// stages reports whether a component is staged.
func (o order) stages(component string) bool { return slices.Contains(o.staged, component) }

// split reports whether kubeadm's phases run in more than one process.
func (m *maker) split() bool { return m.slow || m.saving() || m.f.Board.ARM32() }

// decideOrder decides the order of a plan. A fast board stages the controller-manager
// alone.
func (m *maker) decideOrder() {
	wrapped := !m.skipped(kubeletPhase) && !m.skipped("control-plane") && !m.skipped("etcd")
	switch components := m.controlPlane(); {
	case m.slow && wrapped:
		m.order = m.stageAll(components)
	case m.slow:
		m.leave(GroupStart, StagedStart, "off", "the owner skips a phase that staging would have to wrap")
	case m.saving() && wrapped && slices.Contains(components, ControllerManager):
		m.order = m.stageControllerManager(components)
	default:
		m.leave(GroupStart, StagedStart, "off", "the board is fast enough for kubeadm's own order and timeouts")
		if m.split() {
			m.order.kind = patchedOrder
		}
	}
}

func (m *maker) stageControllerManager(components []string) order {
	m.decide(GroupStart, StagedStart, ControllerManager,
		"it exits when the API server is not healthy within ten seconds of its own start; no flag changes that, and a "+
			"busy moment is enough on any board")
	first := slices.DeleteFunc(slices.Clone(components), func(c string) bool { return c == ControllerManager })
	o := order{kind: stagedOrder, first: append(m.localEtcd(), first...), staged: []string{ControllerManager},
		beside: !m.finalizes()}
	o.last = o.staged
	if o.beside && slices.Contains(o.first, Scheduler) { // nothing waits for it
		o.first = slices.DeleteFunc(o.first, func(c string) bool { return c == Scheduler })
		o.last = []string{Scheduler, ControllerManager}
	}
	m.decideLaterStarts(o, "the API server may be late then, too")
	return o
}

func (m *maker) stageAll(components []string) order {
	o := order{kind: stagedOrder, first: m.localEtcd(), beside: m.together()}
	m.decide(GroupStart, StagedStart, "on",
		fmt.Sprintf("with an API server start of about %s, scheduler and controller-manager would load it with retries, "+
			"and kubeadm's first API call gives up after 1 minute", m.apiServerStart))
	for _, c := range components {
		if o.beside && c == APIServer {
			o.first = append(o.first, c)
		} else {
			o.staged = append(o.staged, c)
		}
	}
	o.last = o.staged
	if o.beside {
		m.decide(GroupStart, "release order", strings.Join(o.first, " and ")+", then "+strings.Join(o.staged, " and "),
			"there is a core for each of two; what starts before the API server is healthy only crashes and retries, at "+
				"the cost of CPU time")
	} else {
		m.decide(GroupStart, "release order", strings.Join(slices.Concat(o.first, o.staged), ", "),
			"each needs the one before it; what starts early only crashes and retries, at the cost of CPU time")
	}
	if slices.Contains(components, APIServer) {
		m.decideStarting()
	}
	m.decideLaterStarts(o, "all four at once slow each other down")
	return o
}

// decideStarting says what is done while a slow API server starts.
func (m *maker) decideStarting() {
	m.decide(GroupStart, "kubelet while the API server starts", "paused",
		"nothing that it tries then can succeed, and on one slow core it takes a third of the CPU")
	m.decide(GroupStart, "API server timer slack", "raised while it starts",
		"it connects to itself eighty times at once, with RSA keys: one handshake after the other, the first is enough; "+
			"in turns of 10 ms, all time out")
}

func (m *maker) decideLaterStarts(o order, why string) {
	m.decide(GroupStart, "start after a reboot", "staged, too", why+"; a systemd unit puts "+strings.Join(o.staged,
		", ")+" back in this order")
}

// together reports whether etcd and the API server start side by side, and later
// the others. A quota of less than two cores counts as one core.
//
// kubelet-finalize among the phases that run beside their start would end
// scheduler and controller-manager while they are being made.
func (m *maker) together() bool {
	measured := m.f.Speed.Cores
	return !m.finalizes() && m.cores() >= enoughForTwo && (measured == 0 || measured >= enoughForTwo)
}

// finalizes reports whether kubeadm starts the kubelet a second time.
func (m *maker) finalizes() bool {
	return slices.Contains(m.f.Kubeadm.Phases(m.p.Command), finalize) && !m.skipped(finalize) && !m.rotatable()
}

// enoughForTwo is in cores; what else runs on a board takes a part of them.
const enoughForTwo = 1.6
