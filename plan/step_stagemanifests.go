package plan

import (
	"slices"
	"strings"
)

// StageManifests moves manifests out of the kubelet's sight.
type StageManifests struct {
	plain
	Staged []string `json:"components"`
}

// Kind implements Step.
func (StageManifests) Kind() string           { return "stageManifests" }
func (StageManifests) Title() string          { return "stage the control plane" }
func (s StageManifests) Detail() string       { return strings.Join(s.Staged, ", ") }
func (s StageManifests) Components() []string { return s.Staged }

// stageManifests holds back what starts later.
func (m *maker) stageManifests() []Step { return []Step{StageManifests{Staged: m.order.staged}} }

// controlPlane are the components, etcd left out, whose manifests kubeadm writes.
func (m *maker) controlPlane() []string {
	var all []string
	for phase, c := range map[string]string{
		"control-plane/apiserver":          APIServer,
		"control-plane/controller-manager": ControllerManager,
		"control-plane/scheduler":          Scheduler,
	} {
		if !m.skipped(phase) {
			all = append(all, c)
		}
	}
	order := Components()
	slices.SortFunc(all, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	return all
}

// localEtcd returns etcd where it runs on this board as a static pod.
func (m *maker) localEtcd() []string {
	if m.f.Config.HasExternalEtcd() {
		return nil
	}
	return []string{Etcd}
}

// ReleaseManifest moves one manifest back.
type ReleaseManifest struct {
	plain
	Component string `json:"component"`
}

// Kind implements Step.
func (ReleaseManifest) Kind() string           { return "releaseManifest" }
func (s ReleaseManifest) Title() string        { return "release " + s.Component }
func (s ReleaseManifest) Components() []string { return []string{s.Component} }

// release puts components back at the same time.
func (m *maker) release(components ...string) (steps []Step) {
	for _, c := range components {
		steps = append(steps, ReleaseManifest{Component: c})
	}
	return steps
}

// start puts components back one after the other, each once the one before it is
// healthy.
func (m *maker) start(components ...string) (steps []Step) {
	for _, c := range components {
		steps = append(steps, ReleaseManifest{Component: c}, m.awaitHealthy(c))
	}
	return steps
}
