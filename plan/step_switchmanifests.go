package plan

import (
	"errors"
	"path/filepath"
	"strings"
)

// SwitchManifests stops the control plane and puts other manifests in the place of its
// own, all of them in one rename, so that no start ever mixes versions. They stay staged.
type SwitchManifests struct {
	plain
	What string `json:"what"`
	// From is the folder of the manifests that come.
	From string `json:"from"`
	// All are the components that have a manifest in it.
	All []string `json:"components"`
	// Data is etcd's data folder, empty where etcd is elsewhere.
	Data string `json:"data,omitempty"`
	// Keep is the folder in Data that gets a copy of etcd's data before the switch, Back
	// the one whose data then takes its place. Either may be empty.
	Keep string `json:"keep,omitempty"`
	Back string `json:"back,omitempty"`
	// Others says that etcd has other members: an earlier state of one alone cannot be put back.
	Others bool `json:"others,omitempty"`
}

// Kind implements Step.
func (SwitchManifests) Kind() string           { return "switchManifests" }
func (s SwitchManifests) Title() string        { return s.What }
func (s SwitchManifests) Components() []string { return s.All }

// Detail implements Step.
func (s SwitchManifests) Detail() string {
	detail := strings.Join(s.All, ", ")
	if s.Keep != "" {
		detail += "; etcd's data is copied to " + filepath.Join(s.Data, s.Keep)
	}
	if s.Back != "" {
		detail += "; etcd's data comes from " + filepath.Join(s.Data, s.Back)
	}
	return detail
}

// Check implements Step.
func (s SwitchManifests) Check() error {
	if err := errors.Join(absolutePath(s.From), absolutePath(s.Data)); err != nil {
		return err
	}
	for _, name := range []string{s.Keep, s.Back} {
		if strings.ContainsRune(name, '/') || strings.HasPrefix(name, ".") || name == "member" {
			return errors.New("its folder of etcd's data has no plain name")
		}
	}
	if (s.Keep != "" || s.Back != "") && s.Data == "" {
		return errors.New("it has no folder of etcd's data")
	}
	return nil
}
