package certs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// state is this program's folder; see bootstrap.Layout.
const state = "/etc/kubernetes/kubeadm-arm"

// journalFile records a renewal whose files are all on the disk and are still to be put
// into place. It becomes restartFile, by a rename that needs no space, once they
// are: then what runs is still to be restarted. With one file for both, a second renewal
// that is killed would have its first files taken for the last ones of the first.
const (
	journalFile = state + "/renewal.json"
	restartFile = state + "/renewed.json"
)

// suffix is that of the name, hidden by a dot, of a new file beside the old one.
const suffix = ".kubeadm-arm-new"

// journal is what is on the disk of a renewal.
type journal struct {
	// Files are the paths that are replaced, in order, each by the hidden file beside it.
	Files []string `json:"files"`
	// Kept is the folder with the old files.
	Kept string `json:"kept"`
}

func hidden(name string) string { return path.Join(path.Dir(name), "."+path.Base(name)+suffix) }

// install keeps the old files, lays the new ones beside them, and puts them into
// place. The journal is the point of no return: before it is written nothing is changed;
// afterwards the renewal is completed, now or at the next start.
func (b Board) install(files []newFile) (kept string, err error) {
	if durable.Exists(b.at(journalFile)) {
		return "", &HalfwayError{errors.New("the renewal before this one is not complete")}
	}
	if err := b.replaceable(files); err != nil {
		return "", fmt.Errorf("renew: nothing was changed: %w", err)
	}
	j := journal{}
	for _, f := range files {
		j.Files = append(j.Files, f.path)
	}
	undo := func(err error) (string, error) {
		return "", errors.Join(fmt.Errorf("renew: nothing was changed: %w", err), b.forget(j))
	}
	if j.Kept, err = b.keep(files); err != nil {
		return undo(err)
	}
	for _, f := range files {
		if err := b.lay(f); err != nil {
			return undo(err)
		}
	}
	text, err := json.MarshalIndent(j, "", "  ")
	if err != nil {
		return undo(err)
	}
	if err := b.FS.WriteFile(b.at(journalFile), append(text, '\n'), 0o600); err != nil {
		// It may be there, and not yet on the disk.
		if !durable.Exists(b.at(journalFile)) || b.FS.Remove(b.at(journalFile)) == nil {
			return undo(err)
		}
		return "", fmt.Errorf("renew: %w", err)
	}
	return j.Kept, b.place(j)
}

// LockedError says that a file cannot be replaced until its owner has changed something.
type LockedError struct{ Err error }

func (e *LockedError) Error() string { return e.Err.Error() }
func (e *LockedError) Unwrap() error { return e.Err }

// replaceable finds what rename(2) would refuse in the middle of a renewal. Kernels before
// 5.8 do not tell what is a mount, those before 4.11 nothing.
func (b Board) replaceable(files []newFile) error {
	for _, f := range files {
		for _, name := range []string{path.Dir(f.path), f.path} {
			var s unix.Statx_t
			if unix.Statx(unix.AT_FDCWD, b.at(name), unix.AT_SYMLINK_NOFOLLOW, 0, &s) != nil {
				continue // not there
			}
			if s.Attributes&(unix.STATX_ATTR_IMMUTABLE|unix.STATX_ATTR_APPEND) != 0 {
				return &LockedError{&safefile.RefusedError{Path: b.at(name), Why: "is immutable or append-only",
					Help: "sudo chattr -i -a " + shell.Quote(b.at(name)) + ", and run again"}}
			}
			if name == f.path && s.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
				return &LockedError{&safefile.RefusedError{Path: b.at(name), Why: "is a mount of its own and cannot be replaced",
					Help: "mount the folder instead of the file, or renew where the file comes from"}}
			}
		}
	}
	return nil
}

// keep copies the old files into a folder of its own that only root can enter. Where there
// is nothing to keep it makes none.
func (b Board) keep(files []newFile) (dir string, err error) {
	for _, f := range files {
		for _, old := range f.old {
			text, err := b.root().Read(old, maxFile)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err == nil && dir == "" {
				dir, err = b.makeKept()
			}
			if err != nil {
				return dir, err
			}
			to := filepath.Join(b.at(dir), strings.TrimPrefix(old, "/"))
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				return dir, err
			}
			err = b.FS.Do("write", to, func() error { return os.WriteFile(to, text, 0o600) })
			if err != nil {
				return dir, err
			}
		}
	}
	if dir == "" {
		return "", nil
	}
	return dir, b.FS.SyncFS(b.at(dir))
}

// makeKept makes a folder that was not there: with a clock that was set back, or a second run in
// the same second, the time alone is the name of another run's, which may hold the only copy.
func (b Board) makeKept() (string, error) {
	if err := b.FS.MkdirAll(b.at(state), 0o700); err != nil {
		return "", err
	}
	base := path.Join(state, "certs-"+b.Now().UTC().Format("2006-01-02T15-04-05Z"))
	for dir, i := base, 2; ; dir, i = fmt.Sprintf("%s-%d", base, i), i+1 {
		err := b.FS.Do("mkdir", b.at(dir), func() error { return os.Mkdir(b.at(dir), 0o700) })
		switch {
		case errors.Is(err, fs.ErrExist):
			continue
		case err != nil:
			return "", err // not ours to remove
		}
		return dir, nil
	}
}

// lay writes a new file beside its place, and syncs it.
func (b Board) lay(f newFile) error {
	to := b.at(hidden(f.path))
	if f.target != "" {
		if err := b.FS.Remove(to); err != nil {
			return err
		}
		if err := b.FS.Do("link", to, func() error { return os.Symlink(f.target, to) }); err != nil {
			return err
		}
		return b.FS.SyncDir(filepath.Dir(to))
	}
	mode, like := b.attributes(f)
	if err := b.FS.WriteFile(to, f.text, mode); err != nil {
		return err
	}
	if like == nil {
		return nil
	}
	if stat, ok := like.Sys().(*syscall.Stat_t); ok && (stat.Uid != 0 || stat.Gid != 0) {
		return os.Chown(to, int(stat.Uid), int(stat.Gid))
	}
	return nil
}

// place renames each new file over the old one, and the journal at last. Done twice it does
// nothing more.
func (b Board) place(j journal) error {
	for _, name := range j.Files {
		from, to := b.at(hidden(name)), b.at(name)
		if !durable.Exists(from) {
			continue // in place already
		}
		if err := b.rename(from, to); err != nil {
			return &HalfwayError{err}
		}
	}
	if err := b.rename(b.at(journalFile), b.at(restartFile)); err != nil {
		return &HalfwayError{err}
	}
	return nil
}

// rename puts a new file into its place, whatever is there.
func (b Board) rename(from, to string) error {
	if err := b.FS.Do("rename", to, func() error { return os.Rename(from, to) }); err != nil {
		return err
	}
	return b.FS.SyncDir(filepath.Dir(to))
}

// HalfwayError says that a renewal stopped while files were put into place.
type HalfwayError struct{ Err error }

func (e *HalfwayError) Error() string {
	return fmt.Sprintf("put the new certificates into place: %v", e.Err)
}
func (e *HalfwayError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *HalfwayError) Hint() string {
	return "check the disk and run again: sudo kubeadm-arm certs renew; the next start of the board completes it, too"
}

// forget removes what was laid out for a renewal that does not take place.
func (b Board) forget(j journal) (err error) {
	for _, name := range j.Files {
		err = errors.Join(err, ignoreMissing(os.Remove(b.at(hidden(name)))))
	}
	if j.Kept != "" {
		err = errors.Join(err, os.RemoveAll(b.at(j.Kept)))
	}
	return err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Pending reports whether a renewal has begun to take place and is not complete, or what
// runs has not been restarted since.
func (b Board) Pending() bool {
	return durable.Exists(b.at(journalFile)) || durable.Exists(b.at(restartFile))
}

// Complete goes on with an interrupted renewal: what was recorded is put into place;
// what was not is removed. It returns the folder with the old files, empty if there
// was nothing to complete. [Board.Finish] has still to be called.
func (b Board) Complete(s Seen) (kept string, err error) {
	if durable.Exists(b.at(journalFile)) {
		j, err := b.readJournal(journalFile)
		if err != nil {
			return "", fmt.Errorf("complete the renewal: %w", err)
		}
		if err := b.place(j); err != nil {
			return j.Kept, err
		}
	}
	// Its content is for people only: that it is there has what runs restarted.
	j, _ := b.readJournal(restartFile)
	return j.Kept, b.sweep(s)
}

func (b Board) readJournal(name string) (journal, error) {
	text, err := b.root().Read(name, maxFile)
	if err != nil {
		return journal{}, err
	}
	j, err := parseJournal(text)
	if err != nil {
		return j, &safefile.RefusedError{Path: b.at(name), Why: err.Error(),
			Help: "sudo rm " + shell.Quote(b.at(name)) + " && sudo kubeadm-arm certs renew; " +
				"what the interrupted renewal left is then made again"}
	}
	return j, nil
}

// parseJournal accepts only what install writes.
func parseJournal(text []byte) (j journal, err error) {
	if err := json.Unmarshal(text, &j); err != nil {
		return journal{}, fmt.Errorf("is damaged: %w", err)
	}
	named := path.Dir(j.Kept) == state && path.Clean(j.Kept) == j.Kept && strings.HasPrefix(path.Base(j.Kept), "certs-")
	if len(j.Files) == 0 || j.Kept != "" && !named {
		return journal{}, errors.New("is no journal of a renewal")
	}
	for _, f := range j.Files {
		ours := path.Clean(f) == f && path.Dir(f) == KubeletPKI &&
			strings.HasPrefix(path.Base(f), "kubelet-") && path.Ext(f) == ".pem"
		// The folder of certificates can be anywhere, and etcd's is below it.
		for _, l := range slices.Concat(leaves(path.Dir(f)), leaves(path.Dir(path.Dir(f)))) {
			ours = ours || f == l.File || f == l.Key
		}
		if !ours {
			return journal{}, fmt.Errorf("names %q, which no renewal replaces", f)
		}
	}
	return j, nil
}

// sweep removes new files, complete or not, of a run that was killed before its journal was
// written. The copies of the old ones that it may have made stay: an extra folder does no
// harm.
func (b Board) sweep(s Seen) error {
	err := os.RemoveAll(b.at(work))
	swept := map[string]bool{}
	for _, l := range leaves(s.Dir) {
		dir := path.Dir(l.File)
		if swept[dir] {
			continue
		}
		swept[dir] = true
		entries, _ := b.root().List(dir, maxListed) // a folder that is not there has none
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), suffix) {
				err = errors.Join(err, b.FS.Remove(b.at(path.Join(dir, e.Name()))))
			}
		}
	}
	return err
}

// Finish ends a renewal, after what runs has been restarted.
func (b Board) Finish() error { return b.FS.Remove(b.at(restartFile)) }
