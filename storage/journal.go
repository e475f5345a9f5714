package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// journal is what is set up and how far a run came. It is on the disk before what
// it speaks of is done. What can be seen on the board itself, such as what is
// mounted, is looked at instead of believed.
type journal struct {
	Version int `json:"version"`
	// Doing is apply or undo while one is under way, empty at rest.
	Doing string `json:"doing,omitempty"`
	UUID  string `json:"uuid,omitempty"`
	// FSType and Mount are the disk's; OwnersLine says that the owner's fstab
	// mounts it.
	FSType     string `json:"fsType,omitempty"`
	Mount      string `json:"mount,omitempty"`
	OwnersLine bool   `json:"ownersLine,omitempty"`
	// WasMounted: it was mounted before us, by the owner's hand.
	WasMounted bool `json:"wasMounted,omitempty"`
	// Made are folders that were not there before, outermost first.
	Made    []string  `json:"made,omitempty"`
	Folders []*folder `json:"folders,omitempty"`
	// Backup is the copy of fstab as it was.
	Backup string `json:"fstabBackup,omitempty"`
	// Stopped are the services to start again.
	Stopped []string `json:"stopped,omitempty"`
	// Kept are copies of old data, until clean.
	Kept []string `json:"kept,omitempty"`
}

// folder is one folder that moves.
type folder struct {
	Path string `json:"path"`
	// Fresh: there was none before.
	Fresh bool `json:"fresh,omitempty"`
	// Adopted: the disk held its data before us.
	Adopted bool `json:"adopted,omitempty"`
	// Sum is the fingerprint that the folder and its copy had when they were
	// proved equal.
	Sum string `json:"sum,omitempty"`
	// Placed: the copy lies at its place on the disk.
	Placed bool `json:"placed,omitempty"`
	// Before is where the old data goes; Switched says that it is there and that
	// the guard folder lies in its place.
	Before   string `json:"before,omitempty"`
	Switched bool   `json:"switched,omitempty"`
	Etcd     bool   `json:"etcd,omitempty"`
	// Back is, while an undo is under way, the folder that will take the guard
	// folder's place, and BackSum its fingerprint.
	Back    string `json:"back,omitempty"`
	BackSum string `json:"backSum,omitempty"`
	// Done: an apply with it came to its end. What fails later does not take it
	// back.
	Done bool `json:"done,omitempty"`
	// Newer: an apply was killed before the swap, and the board has run on the
	// disk's copy since. Back then changes places with the old folder itself.
	Newer bool `json:"newer,omitempty"`
	// stale: the disk's copy is older than what is in the old place.
	stale bool
	// Restored: the data is back in its old place.
	Restored bool `json:"restored,omitempty"`
}

// copied tells whether the copy is at its place although the journal does not say
// so yet.
func (f *folder) copied(to string) bool {
	return !f.Placed && f.Sum != "" && !durable.Exists(beside(to, "copy")) && durable.Exists(to)
}

// on is where the folder's data lies on the disk.
func (j *journal) on(f *folder) string { return j.Mount + f.Path }

func (j *journal) folder(path string) *folder {
	for _, f := range j.Folders {
		if f.Path == path {
			return f
		}
	}
	return nil
}

func (j *journal) paths() []string {
	var all []string
	for _, f := range j.Folders {
		all = append(all, f.Path)
	}
	return all
}

const journalVersion = 1

// readJournal returns an empty journal when there is none.
func readJournal() (*journal, error) {
	text, err := os.ReadFile(journalPath)
	if errors.Is(err, fs.ErrNotExist) {
		return &journal{Version: journalVersion}, nil
	}
	if err != nil {
		return nil, &RefusedError{BadJournal, fmt.Errorf("the journal of what is set up cannot be read: %w", err), "look at it with: ls -ld " + journalPath}
	}
	j := &journal{}
	if err := json.Unmarshal(text, j); err != nil {
		return nil, &RefusedError{BadJournal, fmt.Errorf("read journal %s: %w", journalPath, err), "the lines in /etc/fstab tell what is set up; move the file away once that is as it should be"}
	}
	if j.Version != journalVersion {
		return nil, &RefusedError{BadJournal, fmt.Errorf("read journal %s: version %d, this program knows %d", journalPath, j.Version, journalVersion), "use the kubeadm-arm that wrote it"}
	}
	return j, nil
}

// save has the journal on the disk.
func (b Board) save(j *journal) error {
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return err
	}
	if err := b.FS.MkdirAll(stateFolder, 0o755); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	if err := b.FS.WriteFile(journalPath, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return nil
}

// drop removes the journal; the folder of the reports stays if it holds any.
func (b Board) drop() error {
	if err := b.FS.Remove(journalPath); err != nil {
		return fmt.Errorf("remove the journal: %w", err)
	}
	if emptyFolder(stateFolder) {
		return b.FS.Remove(stateFolder)
	}
	return nil
}

// keep remembers old data until clean.
func (j *journal) keep(path string) {
	if !slices.Contains(j.Kept, path) {
		j.Kept = append(j.Kept, path)
	}
}

// lock keeps two runs apart. It locks the folder /etc, so that a run that is
// refused leaves no lock file; the kernel drops it when the process ends.
func lock() (unlock func(), err error) {
	dir, err := os.Open("/etc")
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		dir.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &RefusedError{Locked, errors.New("another kubeadm-arm storage is at work on this board"), "wait for it, or end it with Ctrl-C where it runs"}
		}
		return nil, fmt.Errorf("lock /etc: %w", err)
	}
	return func() { dir.Close() }, nil
}
