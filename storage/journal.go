package storage

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// journal is what is set up and how far a run came. It is on the disk before what
// it speaks of is done. What can be seen on the board itself, such as what is
// mounted, is looked at instead of believed.
type journal struct {
	Version int `json:"version"`
	// Board is the identity of the board that wrote it (see boardIdentity), empty
	// where the board has none.
	Board string `json:"board,omitempty"`
	// Doing is apply or undo while one is under way, empty at rest.
	Doing string `json:"doing,omitempty"`
	UUID  string `json:"uuid,omitempty"`
	// Hardware are the IDs of the disk's device (see sysfs.HardwareIDs), empty where it has none.
	Hardware []string `json:"hardware,omitempty"`
	// FSType and Mount are the disk's; OwnersLine says that the owner's fstab
	// mounts it.
	FSType     string `json:"fsType,omitempty"`
	Mount      string `json:"mount,omitempty"`
	OwnersLine bool   `json:"ownersLine,omitempty"`
	// WasMounted says that the owner had mounted it before.
	WasMounted bool `json:"wasMounted,omitempty"`
	// Made are folders that were not there before, outermost first.
	Made    []string  `json:"made,omitempty"`
	Folders []*folder `json:"folders,omitempty"`
	// Backup is the copy of fstab as it was.
	Backup string `json:"fstabBackup,omitempty"`
	// Stopped are the services to start again.
	Stopped []string `json:"stopped,omitempty"`
	// Kept are copies that were set aside, until clean.
	Kept []kept `json:"keptCopies,omitempty"`
}

// A state is how far a folder has come on its way to the disk or back. One that
// is recorded covers the step after it, which may have been done in part.
type state string

// The states of apply, in order, and those of undo.
const (
	// planned: nothing has been done yet.
	planned state = "planned"
	// copying: a part of the copy may lie at names.Copy.
	copying state = "copying"
	// copied: the copy is proved equal; it lies at names.Copy or in its place.
	copied state = "copied"
	// placed: the copy lies in its place on the disk.
	placed state = "placed"
	// switching: the guard folder and the old one may lie at Path, names.Guard and
	// names.Before.
	switching state = "switching"
	// moved: the guard folder lies at Path, the old one at names.Before.
	moved state = "moved"
	// onDisk: an apply came to its end with it. One that fails later does not take
	// it back.
	onDisk state = "onDisk"
	// returning: a part of the copy of the disk's data may lie at names.Back.
	returning state = "returning"
	// returned: the data that goes back lies at Return, proved equal.
	returned state = "returned"
	// restoring: it and the guard folder may lie at Path, Return and names.Guard.
	restoring state = "restoring"
	// restored: the data is at Path; a copy of it may be on the disk still.
	restored state = "restored"
	// finished: that copy is gone too, or kept.
	finished state = "finished"
)

func (s state) known() bool {
	return slices.Contains([]state{planned, copying, copied, placed, switching, moved, onDisk,
		returning, returned, restoring, restored, finished}, s)
}

// names are the names that a folder and its copies have on the way. They are in
// the journal before any of them exists, and nothing else had them then.
type names struct {
	// Copy is beside the place on the disk; the others are beside the folder.
	Copy   string `json:"copy"`
	Guard  string `json:"guard"`
	Back   string `json:"back"`
	Before string `json:"before"`
}

// folder is one folder that moves.
type folder struct {
	Path  string `json:"path"`
	State state  `json:"state"`
	Names names  `json:"names"`
	// Sum is the fingerprint that the folder and its copy had when they were
	// proved equal; empty for one that was not copied.
	Sum string `json:"sum,omitempty"`
	// Guard is the guard folder, wherever it lies.
	Guard guardID `json:"guardID,omitzero"`
	// Disk is the folder on the disk when it was last known to be the right one.
	Disk guardID `json:"diskID,omitzero"`
	Etcd bool    `json:"etcd,omitempty"`
	// Return is where the data that goes back lies, ReturnSum its fingerprint.
	Return    string `json:"return,omitempty"`
	ReturnSum string `json:"returnSum,omitempty"`
	// Use is the copy that the owner chose where two differ, empty for none.
	Use string `json:"use,omitempty"`
}

// A kept copy was set aside and is removed by clean only.
type kept struct {
	Path string `json:"path"`
	// Of is the folder that it is a copy of.
	Of string `json:"of,omitempty"`
	// Why it was kept: what it is.
	Why string `json:"why,omitempty"`
	// In is the folder that it was put in. Where another one is at that path now, the
	// copy's file system is not mounted, and the copy is not gone.
	In guardID `json:"in,omitzero"`
}

// target is where the folder's data lies on the disk.
func (j *journal) target(f *folder) string { return j.Mount + f.Path }

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

// clone is a copy that shares nothing that is changed.
func (j *journal) clone() *journal {
	n := *j
	n.Folders = nil
	for _, f := range j.Folders {
		c := *f
		n.Folders = append(n.Folders, &c)
	}
	n.Made, n.Stopped, n.Kept = slices.Clone(j.Made), slices.Clone(j.Stopped), slices.Clone(j.Kept)
	n.Hardware = slices.Clone(j.Hardware)
	return &n
}

// nameFolder gives a new folder the names that it needs on the way. stamp is
// the time in the names of what is kept.
func (j *journal) nameFolder(f *folder, stamp string) {
	if f.Names.Copy != "" {
		return
	}
	f.Names = names{
		Copy: unusedName(siblingPath(j.target(f), "copy")), Guard: unusedName(siblingPath(f.Path,
			"guard")), Back: unusedName(siblingPath(f.Path, "back")),
		Before: unusedName(f.Path + ".before-storage-" + stamp),
	}
}

const (
	journalVersion = 2
	// journalLimit is far above what a hundred folders need.
	journalLimit = 1 << 20
)

// readJournal returns an empty journal when there is none.
func readJournal() (*journal, error) {
	text, err := safefile.Read(journalPath, journalLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return &journal{Version: journalVersion}, nil
	}
	if err != nil {
		return nil, &RefusedError{BadJournal, fmt.Errorf("the journal of what is set up cannot be read: %w", err),
			"look at it with: ls -ld " + journalPath}
	}
	j, err := parseJournal(text)
	if err != nil {
		help := damagedJournalHelp
		if errors.Is(err, errVersion) {
			help = "use the kubeadm-arm that wrote it"
		}
		return nil, &RefusedError{BadJournal, fmt.Errorf("read journal %s: %w", journalPath, err), help}
	}
	return j, nil
}

// Fresh tells whether there is no set-up that knows its disk.
func Fresh() bool {
	j, err := readJournal()
	return err == nil && j.UUID == ""
}

// damagedJournalHelp is the way out without a journal: fstab's marked lines say
// the same.
const damagedJournalHelp = "move it away: mv " + journalPath + " " + journalPath +
	".damaged; then build it anew from the marked lines of /etc/fstab: kubeadm-arm storage apply --rebuild"

var errVersion = errors.New("version")

// parseJournal reads a journal of this version or of the one before.
func parseJournal(text []byte) (*journal, error) {
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return nil, err
	}
	j := &journal{}
	switch version.Version {
	case 1:
		old := &journalV1{}
		if err := json.Unmarshal(text, old); err != nil {
			return nil, err
		}
		j = old.convert()
	case journalVersion:
		if err := json.Unmarshal(text, j); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w %d, this program knows 1 and %d", errVersion, version.Version, journalVersion)
	}
	return j, j.check()
}

// check refuses a journal that nobody could carry out, and one that names what this
// program never writes there: it may come with a card from elsewhere.
func (j *journal) check() error {
	if !slices.Contains([]string{"", "apply", "undo"}, j.Doing) {
		return fmt.Errorf("doing: %q is neither apply nor undo", j.Doing)
	}
	if j.UUID == "" {
		if len(j.Folders) > 0 || j.Doing != "" {
			return errors.New("uuid: it is missing, and folders are set up")
		}
		return nil
	}
	if err := j.checkWords(); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, f := range j.Folders {
		if f == nil {
			return fmt.Errorf("folders[%d]: it is null", i)
		}
		if seen[f.Path] {
			return fmt.Errorf("folders[%d].path: %s is named twice", i, f.Path)
		}
		seen[f.Path] = true
		if !f.State.known() {
			return fmt.Errorf("folders[%d].state: %q is unknown", i, f.State)
		}
		paths := []string{f.Path, f.Names.Copy, f.Names.Guard, f.Names.Back, f.Names.Before}
		if f.Return != "" {
			paths = append(paths, f.Return)
		}
		for _, p := range paths {
			if err := plainPath(p); err != nil {
				return fmt.Errorf("folders[%d]: %w", i, err)
			}
		}
	}
	for i, k := range j.Kept {
		if err := plainPath(k.Path); err != nil {
			return fmt.Errorf("keptCopies[%d].path: %w", i, err)
		}
	}
	return nil
}

// checkWords looks at what gets into fstab, is removed, or is started.
func (j *journal) checkWords() error {
	for name, word := range map[string]string{"uuid": j.UUID, "fsType": j.FSType} {
		if strings.ContainsFunc(word, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return fmt.Errorf("%s: %q is none", name, word)
		}
	}
	if err := plainPath(j.Mount); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	for i, path := range j.Made {
		if err := plainPath(path); err != nil {
			return fmt.Errorf("made[%d]: %w", i, err)
		}
	}
	if j.Backup != "" && !strings.HasPrefix(j.Backup, backupPrefix) || strings.Count(j.Backup, "/") > 2 {
		return fmt.Errorf("fstabBackup: %q is no copy of %s", j.Backup, fstabPath)
	}
	for i, service := range j.Stopped {
		if !slices.Contains(allServices(), service) {
			return fmt.Errorf("stopped[%d]: %q is none of %s", i, service, strings.Join(allServices(), ", "))
		}
	}
	return nil
}

// plainPath wants a path from the root on that can stand in fstab.
func plainPath(path string) error {
	if strings.ContainsFunc(path, unicode.IsControl) {
		return fmt.Errorf("%q has control characters", path)
	}
	return cleanPath(path)
}

// backupPrefix begins the names of copies of fstab.
const backupPrefix = fstabPath + ".before-storage-"

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
	if tree.IsEmpty(stateFolder) {
		return b.FS.Remove(stateFolder)
	}
	return nil
}

// keep records a copy that is set aside.
func (j *journal) keep(k kept) {
	if !slices.ContainsFunc(j.Kept, func(x kept) bool { return x.Path == k.Path }) {
		j.Kept = append(j.Kept, k)
	}
}

// unusedName is a name that nothing has.
func unusedName(name string) string {
	for n, at := 1, name; ; n++ {
		if !durable.Exists(at) {
			return at
		}
		at = fmt.Sprintf("%s-%d", name, n)
	}
}
