package plan

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
