package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/rogpeppe/go-internal/diff"

	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// fixedFile is one file that `doctor --fix` changes.
type fixedFile struct {
	// path is the file's below the root, target where it really is.
	path, target string
	before       []byte
	after        []byte
	// info is nil for a file that is made.
	info fs.FileInfo
}

// fixFindings carries out the edits of some findings: all files are read and
// changed in memory first, so that one that cannot be changed leaves all of them
// as they are.
func (v invocation) fixFindings(root string, ids []string, r doctor.Report, dry bool) error {
	edits, next, err := chosenEdits(r, ids)
	if err != nil {
		return err
	}
	files, err := applyEdits(root, edits)
	if err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprint(v.stdout, printable.Text(string(diff.Diff(f.path, f.before, f.path+" (new)", f.after))))
	}
	if dry || len(files) == 0 {
		fmt.Fprintln(v.stdout, "Nothing was changed.")
		return nil
	}
	if !isRoot() && filepath.Clean(root) == "/" {
		return &problem{exitNotRoot, "run it again with sudo", errors.New("doctor --fix must be run as root")}
	}
	for _, f := range files {
		kept, err := f.write(root, time.Now())
		if err != nil {
			return err
		}
		if kept != "" {
			printable.Fprintf(v.stdout, "%s was changed; as it was before: %s\n", f.path, kept)
		} else {
			printable.Fprintf(v.stdout, "%s was made\n", f.path)
		}
	}
	if len(next) > 0 {
		printable.Fprintf(v.stdout, "Now:\n  %s\n", strings.Join(next, "\n  "))
	}
	return nil
}

// chosenEdits are the edits of the findings named, and the lines to go on with.
func chosenEdits(r doctor.Report, ids []string) (edits []doctor.Edit, next []string, err error) {
	for _, id := range ids {
		at := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.ID == id && len(f.Edits) > 0 })
		if at >= 0 {
			edits = append(edits, r.Findings[at].Edits...)
			next = append(next, r.Findings[at].Fix[1:]...)
			continue
		}
		at = slices.IndexFunc(r.Findings, func(f doctor.Finding) bool { return f.ID == id })
		switch {
		case at < 0:
			return nil, nil, &problem{exitUsage, "see what there is with: kubeadm-arm doctor",
				fmt.Errorf("there is no finding %q", id)}
		case r.Findings[at].Severity == doctor.OK:
			continue // another finding's remedy was its own, too
		}
		return nil, nil, &problem{exitUsage, "its lines are for you to run: kubeadm-arm doctor",
			fmt.Errorf("finding %s is not about a setting in a file", id)}
	}
	return edits, next, nil
}

// unchangeable is an edit that its file does not allow.
type unchangeable struct {
	edit doctor.Edit
	why  error
}

func (u *unchangeable) Error() string {
	return fmt.Sprintf("change %s: %v; nothing was changed", u.edit.Path, u.why)
}

func (u *unchangeable) Unwrap() error { return u.why }

// diagnosed judges facts and tries the edits in memory: a line that would fail is not
// printed, what it would do is left to the owner.
func diagnosed(root string, facts doctor.Facts) doctor.Report {
	r := doctor.Diagnose(facts)
	for i, f := range r.Findings {
		var bad *unchangeable
		if _, err := applyEdits(root, f.Edits); !errors.As(err, &bad) {
			continue
		}
		var all []string
		for _, e := range f.Edits {
			all = append(all, e.Change.String())
		}
		r.Findings[i].Fix = slices.Clone(f.Fix)
		r.Findings[i].Fix[0] = fmt.Sprintf("# %s cannot be changed in place (%v); by hand: %s", bad.edit.Path, bad.why,
			strings.Join(all, "; "))
	}
	return r
}

// applyEdits reads the files below root and changes them in memory.
func applyEdits(root string, edits []doctor.Edit) ([]fixedFile, error) {
	var files []fixedFile
	for _, e := range edits {
		at := slices.IndexFunc(files, func(f fixedFile) bool { return f.path == e.Path })
		if at < 0 {
			f, err := readForFix(root, e.Path)
			if err != nil {
				return nil, &problem{exitBadInput, "make the change by hand: " + e.Change.String(),
					&unchangeable{e, unwrapPath(err)}}
			}
			files, at = append(files, f), len(files)
		}
		after, err := e.Change.Apply(files[at].after)
		if err != nil {
			return nil, &problem{exitBadInput, "make the change by hand: " + e.Change.String(),
				&unchangeable{e, err}}
		}
		files[at].after = after
	}
	same := func(f fixedFile) bool { return f.info != nil && bytes.Equal(f.before, f.after) }
	return slices.DeleteFunc(files, same), nil
}

// maxFixed bounds a configuration file; containerd's longest has 20 KiB.
const maxFixed = 4 << 20

// readForFix reads a file that may be a link, which is followed inside the root.
func readForFix(root, path string) (fixedFile, error) {
	below := safefile.Root(root)
	resolved, err := below.Resolve(path)
	if err != nil {
		return fixedFile{}, err
	}
	f := fixedFile{path: path, target: below.At(resolved)}
	if f.before, err = safefile.Read(f.target, maxFixed); errors.Is(err, fs.ErrNotExist) {
		return f, nil
	} else if err != nil {
		return f, err
	}
	if f.before == nil {
		f.before = []byte{} // empty, and there
	}
	f.after = f.before
	f.info, err = os.Lstat(f.target)
	return f, err
}

// fixCopies is where files are kept as they were before a change. A copy beside the
// file could be read as well: CRI-O takes every file of its folder of drop-ins, and
// containerd's imports may name all of a folder.
const fixCopies = "/var/backups/kubeadm-arm"

// write keeps the file as it is under a dated name, and puts the new text in its place.
func (f fixedFile) write(root string, now time.Time) (kept string, err error) {
	if f.info == nil {
		if err := os.MkdirAll(filepath.Dir(f.target), 0o755); err != nil {
			return "", err
		}
		return "", renameio.WriteFile(f.target, f.after, 0o644)
	}
	below := safefile.Root(root)
	// Links on a card may lead anywhere, those in the folder of copies too.
	copies, err := below.Resolve(filepath.Join(fixCopies, filepath.Dir(f.path)))
	if err != nil {
		return "", fmt.Errorf("keep a copy below %s: %w", fixCopies, unwrapPath(err))
	}
	dated := below.At(filepath.Join(copies, filepath.Base(f.path))) + ".before-" + now.Format("20060102-150405")
	kept = dated
	for n := 2; exists(kept); n++ {
		kept = fmt.Sprintf("%s-%d", dated, n) // two within a second: the first one stays, too
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o700); err != nil {
		return "", err
	}
	if err := patch.WriteFile(kept, f.before, f.info); err != nil {
		return "", err
	}
	return kept, patch.WriteFile(f.target, f.after, f.info)
}
