package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// journalVersion is the format of the journal. A journal of another version is
// refused, not guessed at.
const journalVersion = 1

// Journal is the durable record of one run. It holds no secret: of the
// arguments only a hash, of the configuration only its place.
type Journal struct {
	Version int       `json:"version"`
	Started time.Time `json:"started"`
	// Kubeadm is the path and version of the kubeadm that was run.
	Kubeadm        string `json:"kubeadm"`
	KubeadmVersion string `json:"kubeadmVersion"`
	// Request is a SHA-256 over the arguments and the owner's configuration.
	Request string    `json:"request"`
	Plan    plan.Plan `json:"plan"`
	// Done counts the steps of the plan that are finished.
	Done int `json:"done"`
	// Begun is set while step number Done is under way.
	Begun bool `json:"begun"`
	// PID and BootID name the process that writes the journal.
	PID    int    `json:"pid"`
	BootID string `json:"bootID"`
}

// readJournal returns the journal of an unfinished run, nil without one.
func readJournal(path string) (*Journal, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	var j Journal
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	if j.Version != journalVersion {
		return nil, fmt.Errorf("read journal %s: version %d, this program reads version %d", path, j.Version, journalVersion)
	}
	if j.Done < 0 || j.Done > len(j.Plan.Steps) {
		return nil, fmt.Errorf("read journal %s: %d steps done of %d", path, j.Done, len(j.Plan.Steps))
	}
	return &j, nil
}

// write makes the journal durable: a new file in the same folder, synced,
// renamed over the old one, and the folder synced.
func (j *Journal) write(path string) error {
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := renameio.WriteFile(path, append(text, '\n'), 0o600, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return syncDir(filepath.Dir(path))
}
