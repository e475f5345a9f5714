package certs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
)

// state is this program's folder; see bootstrap.Layout.
const state = "/etc/kubernetes/kubeadm-arm"

// journalFile records a renewal whose files are all on the disk. As long as it is there,
// they are still to be put into place, or what runs is still to be restarted.
const journalFile = state + "/renewal.json"

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
// place. The journal is the point of no return: before it nothing counts, after
// it the renewal is completed, now or at the next start.
func (b Board) install(files []newFile) (kept string, err error) {
	if err := b.FS.MkdirAll(b.at(state), 0o700); err != nil {
		return "", fmt.Errorf("renew: %w", err)
	}
	j := journal{Kept: path.Join(state, "certs-"+b.Now().UTC().Format("2006-01-02T15-04-05Z"))}
	for _, f := range files {
		j.Files = append(j.Files, f.path)
	}
	for i := 2; durable.Exists(b.at(j.Kept)); i++ { // a clock may be set back
		j.Kept = path.Join(state, fmt.Sprintf("certs-%s-%d", b.Now().UTC().Format("2006-01-02T15-04-05Z"), i))
	}
	undo := func(err error) (string, error) {
		return "", errors.Join(fmt.Errorf("renew: nothing was changed: %w", err), b.forget(j))
	}
	if err := b.keep(files, j.Kept); err != nil {
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

// keep copies the old files into a folder that only root can enter.
func (b Board) keep(files []newFile, dir string) error {
	if err := b.FS.MkdirAll(b.at(dir), 0o700); err != nil {
		return err
	}
	for _, f := range files {
		for _, old := range f.old {
			text, err := b.root().Read(old, maxFile)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			to := filepath.Join(b.at(dir), strings.TrimPrefix(old, "/"))
			if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
				return err
			}
			err = b.FS.Do("write", to, func() error { return os.WriteFile(to, text, 0o600) })
			if err != nil {
				return err
			}
		}
	}
	return b.FS.SyncFS(b.at(dir))
}

// lay writes a new file, whole and on the disk, beside the place that it is for.
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

// place renames each new file over the old one. Done twice it does nothing more.
func (b Board) place(j journal) error {
	for _, name := range j.Files {
		from, to := b.at(hidden(name)), b.at(name)
		if !durable.Exists(from) {
			continue // in place already
		}
		err := b.FS.Do("rename", to, func() error { return os.Rename(from, to) })
		if err == nil {
			err = b.FS.SyncDir(filepath.Dir(to))
		}
		if err != nil {
			return &HalfwayError{err}
		}
	}
	return nil
}

// HalfwayError says that a renewal stopped while files were put into place.
type HalfwayError struct{ Err error }

func (e *HalfwayError) Error() string {
	return fmt.Sprintf("put the new certificates into place: %v", e.Err)
}
func (e *HalfwayError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *HalfwayError) Hint() string {
	return "see to the disk and run again: sudo kubeadm-arm certs renew; the next start of the board goes on as well"
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

// Pending reports whether a renewal has begun to take place and is not complete.
func (b Board) Pending() bool { return durable.Exists(b.at(journalFile)) }

// Complete goes on with an interrupted renewal: what was recorded is put into place;
// what was not is removed. It returns the folder with the old files, empty if there
// was nothing to complete. [Board.Finish] has still to be called.
func (b Board) Complete(s Seen) (kept string, err error) {
	text, err := b.root().Read(journalFile, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", b.sweep(s)
	}
	if err != nil {
		return "", fmt.Errorf("complete the renewal: %w", err)
	}
	var j journal
	if err := json.Unmarshal(text, &j); err != nil {
		return "", fmt.Errorf("complete the renewal: %s: %w", b.at(journalFile), err)
	}
	if err := b.place(j); err != nil {
		return j.Kept, err
	}
	return j.Kept, b.sweep(s)
}

// sweep removes new files of a run that was killed before its journal was written, halves
// among them. The copies of the old ones that it may have made stay: a folder more does
// no harm.
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
func (b Board) Finish() error { return b.FS.Remove(b.at(journalFile)) }

// Old lists the folders with old files, oldest first, by the name that their date is in.
func (b Board) Old() ([]string, error) {
	entries, err := b.root().List(state, maxListed)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	var all []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), "certs-") {
			all = append(all, path.Join(state, e.Name()))
		}
	}
	return all, nil
}
