package plan

import (
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// RenderManifests has the real kubeadm write the manifests of another version into a folder.
type RenderManifests struct {
	plain
	// To is that folder, Version the one that the manifests are of.
	To      string `json:"to"`
	Version string `json:"version"`
	// Node is what the configuration of the cluster does not have.
	Node kubeadm.NodeOfUpgrade `json:"node"`
	// Startup is the timeout that the startup probes follow, 0 for kubeadm's.
	Startup time.Duration `json:"startupNanoseconds,omitempty"`
	All     []string      `json:"components"`
	// Anew says that the board's own patches are made anew, of Settings, and not kept.
	Anew     bool                      `json:"anew,omitempty"`
	Settings map[string]patch.Settings `json:"settings,omitempty"`
}

// Kind implements Step.
func (RenderManifests) Kind() string           { return "renderManifests" }
func (s RenderManifests) Title() string        { return "have kubeadm write the manifests of " + s.Version }
func (s RenderManifests) Components() []string { return s.All }
func (s RenderManifests) Detail() string       { return strings.Join(s.All, ", ") }

// Check implements Step.
func (s RenderManifests) Check() error {
	if err := absolutePath(s.To); err != nil {
		return err
	}
	return inRange("startup", s.Startup)
}
