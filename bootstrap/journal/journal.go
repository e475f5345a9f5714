package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Version is the format of the journal. A journal of another version is
// refused, not guessed at.
const Version = 2

// maxJournal is far more than any journal needs, in bytes.
const maxJournal = 4 << 20

// Journal is the durable record of one run. It holds no secret: of secret
// arguments and of the configuration only hashes.
type Journal struct {
	Version int `json:"version"`
	// Started is for people. Nothing is ordered by it: the time of a board without a
	// battery-backed clock jumps by years once it is synchronized.
	Started time.Time `json:"started"`
	// Kubeadm is the path and KubeadmVersion the version of the kubeadm that was
	// run.
	Kubeadm        string `json:"kubeadm"`
	KubeadmVersion string `json:"kubeadmVersion"`
	// Request are hashes of what the owner asked for.
	Request Request `json:"request"`
	// Args are the words of the command line, less those whose values are secret or of
	// unknown meaning, which Omitted names.
	Args    []string `json:"args,omitempty"`
	Omitted []string `json:"omitted,omitempty"`
	Board   BoardID  `json:"board"`
	// Before lists the files below /etc/kubernetes that were there before the
	// first step: they are never treated as ours.
	Before []string `json:"before,omitempty"`
	// LogsBefore tells the logs of an earlier control plane from this one's: by
	// folder below /var/log/pods the number of its next container.
	LogsBefore map[string]int `json:"logsBefore,omitempty"`
	Plan       plan.Plan      `json:"plan"`
	// Done counts the steps of the plan that are finished.
	Done int `json:"done"`
	// Begun is set while step number Done is under way.
	Begun bool `json:"begun"`
	// Staged is the folder that staged manifests wait in.
	Staged string `json:"staged,omitempty"`
	// Written are SHA-256 hashes of what the finished steps left, by path.
	Written map[string]string `json:"written,omitempty"`
	// Writer is the process that writes the journal.
	Writer state.Holder `json:"writer"`
}

// BoardID is what a board is recognised by. It holds no number that changes
// between two starts of one board.
type BoardID struct {
	Model string `json:"model,omitempty"`
	CPU   string `json:"cpu,omitempty"`
	Cores int    `json:"cores,omitempty"`
}

func (b BoardID) String() string {
	name := b.Model
	if name == "" {
		name = "a board without a name"
	}
	return fmt.Sprintf("%s (%d cores, %s)", name, b.Cores, b.CPU)
}

// Read returns the journal of an unfinished run, nil without one.
func Read(path string) (*Journal, error) {
	// It neither waits for a pipe nor follows a link out of the folder.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("read journal %s: it is a symbolic link", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read journal %s: it is not a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxJournal+1))
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	j, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	return j, nil
}

// parse reads a journal. Its errors are one line, whatever the text.
func parse(text []byte) (*Journal, error) {
	if len(text) > maxJournal {
		return nil, fmt.Errorf("it is larger than %d bytes", maxJournal)
	}
	if len(bytes.Trim(text, "\x00 \n\t\r")) == 0 {
		return nil, errors.New("it is empty")
	}
	// The version first: fields of another version may have another meaning.
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, damaged(text, err)
	}
	switch {
	case head.Version > Version:
		return nil, fmt.Errorf("a newer kubeadm-arm wrote it: version %d, this program reads version %d", head.Version,
			Version)
	case head.Version != Version:
		return nil, fmt.Errorf("version %d, this program reads version %d", head.Version, Version)
	}
	var j Journal
	if err := json.Unmarshal(text, &j); err != nil {
		return nil, damaged(text, err)
	}
	return &j, j.check()
}

// damaged says in one line what is wrong with a text that is not a journal.
func damaged(text []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		if syntax.Offset >= int64(len(text)) {
			return fmt.Errorf("it is cut off after %d bytes", len(text))
		}
		return fmt.Errorf("it is damaged at byte %d", syntax.Offset)
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		where := "all of it"
		if kind.Field != "" {
			where = "its " + printable.Brief(kind.Field)
		}
		return fmt.Errorf("it is damaged: %s is a %s", where, printable.Brief(kind.Value))
	}
	return errors.New("it is damaged: " + printable.Brief(err.Error()))
}

// check looks for what no run writes, and for numbers that would overflow. A component's name becomes a file name.
func (j *Journal) check() error {
	if len(j.Plan.Steps) == 0 {
		return errors.New("it has no steps")
	}
	if j.Done < 0 || j.Done > len(j.Plan.Steps) {
		return fmt.Errorf("%d steps done of %d", j.Done, len(j.Plan.Steps))
	}
	var names []string
	for i, s := range j.Plan.Steps {
		if err := s.Check(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		names = append(names, s.Components()...)
	}
	for _, name := range names {
		if !slices.Contains(plan.Components(), name) {
			return fmt.Errorf("it names an unknown component %q", printable.Brief(name))
		}
	}
	return nil
}

// Write makes the journal durable.
func (j *Journal) Write(l state.Layout) error {
	text, err := json.MarshalIndent(j, "", " ")
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := l.FS.WriteFile(l.Journal(), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// HashFile returns the SHA-256 of a file, empty if it cannot be read.
func HashFile(path string) string {
	text, err := safefile.Read(path, state.MaxFile)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Progress says in words how far the run got.
func (j *Journal) Progress() string {
	if j.Done >= len(j.Plan.Steps) {
		return "all steps are done"
	}
	state := "not begun"
	if j.Begun {
		state = "begun"
	}
	return fmt.Sprintf("step %d of %d, %s, was %s", j.Done+1, len(j.Plan.Steps), j.Plan.Steps[j.Done].Title(), state)
}
