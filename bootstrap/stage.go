package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A manifest is at every instant complete in one known place: the manifests
// folder or a staging folder. No journal is needed to find it. After a power cut
// between a copy and the removal of its source it may be in both; settle sees to
// that.

// stagedPlaces are the folders that staged manifests can be in: which of them
// was used depends on what was mounted at the time.
func (l Layout) stagedPlaces() []string {
	return []string{filepath.Join(l.State(), "staged"), filepath.Join(l.Manifests(), ".kubeadm-arm-staged")}
}

// stagedAt returns where a component's manifest is staged, empty if it is not.
func (l Layout) stagedAt(component string) string {
	for _, dir := range l.stagedPlaces() {
		path := filepath.Join(dir, component+".yaml")
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// A TwiceError says that a manifest is in place and staged as well, and that the
// two differ. The one in place is what the kubelet runs; nothing is touched.
type TwiceError struct{ InPlace, Staged string }

func (e *TwiceError) Error() string {
	return fmt.Sprintf("%s and %s are both there and differ", e.InPlace, e.Staged)
}

// Hint says what can be done.
func (e *TwiceError) Hint() string {
	return "compare the two, keep the right one as " + e.InPlace + " and remove " + e.Staged
}

// settle removes a staged copy of a manifest that is in place.
func (l Layout) settle(component string) error {
	staged, inPlace := l.stagedAt(component), l.Manifest(component)
	if staged == "" {
		return nil
	}
	there, err := safefile.Read(inPlace, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	here, err := safefile.Read(staged, maxFile)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, here) {
		return &TwiceError{inPlace, staged}
	}
	return l.FS.Remove(staged)
}

// stage moves a component's manifest out of the kubelet's sight. A manifest
// that is staged already stays.
func (l Layout) stage(component string) error {
	if err := l.stageFile(component); err != nil {
		return fmt.Errorf("stage %s: %w", component, err)
	}
	return nil
}

func (l Layout) stageFile(component string) error {
	if err := l.settle(component); err != nil {
		return err
	}
	from := l.Manifest(component)
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) && l.stagedAt(component) != "" {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is a %s", from, kindOfFile(info.Mode()))
	}
	dir, err := l.staged()
	if err != nil {
		return err
	}
	if err := l.FS.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return l.move(from, filepath.Join(dir, component+".yaml"))
}

// release moves it back. A manifest that is in place already stays.
func (l Layout) release(component string) error {
	if err := l.releaseFile(component); err != nil {
		return fmt.Errorf("release %s: %w", component, err)
	}
	return nil
}

func (l Layout) releaseFile(component string) error {
	if err := l.settle(component); err != nil {
		return err
	}
	from, to := l.stagedAt(component), l.Manifest(component)
	if from == "" {
		_, err := os.Lstat(to)
		return err
	}
	text, err := safefile.Read(from, maxFile)
	if err != nil {
		return err
	}
	if _, err := patch.Inspect(text); err != nil {
		return fmt.Errorf("%s is damaged: %w", from, err)
	}
	if err := l.FS.MkdirAll(l.Manifests(), 0o700); err != nil {
		return err
	}
	return l.move(from, to)
}

// move renames a manifest and makes both folders durable, the new place first:
// after a power cut the file may be found in both, never in none. Between two
// file systems, which happens only when something was mounted meanwhile, it is
// copied whole before the source goes.
func (l Layout) move(from, to string) error {
	err := l.FS.Rename(from, to)
	if errors.Is(err, unix.EXDEV) {
		return l.moveAcross(from, to)
	}
	return err
}

func (l Layout) moveAcross(from, to string) error {
	text, err := safefile.Read(from, maxFile)
	if err != nil {
		return err
	}
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	}
	if err := l.FS.Do("write", to, func() error { return patch.WriteFile(to, text, info) }); err != nil {
		return err
	}
	return l.FS.Remove(from)
}

// stagedNow lists the components whose manifests are staged, in the order in
// which they are started.
func (l Layout) stagedNow() []string {
	var all []string
	for _, c := range plan.Components() {
		if l.stagedAt(c) != "" {
			all = append(all, c)
		}
	}
	return all
}

// releasable tells, changing nothing, whether every staged manifest can be put
// back.
func (l Layout) releasable() error {
	for _, c := range l.stagedNow() {
		staged, inPlace := l.stagedAt(c), l.Manifest(c)
		text, err := safefile.Read(staged, maxFile)
		if err != nil {
			return fmt.Errorf("release %s: %w", c, err)
		}
		switch there, err := safefile.Read(inPlace, maxFile); {
		case err == nil && !bytes.Equal(there, text):
			return &RefusedError{BadManifest, &TwiceError{inPlace, staged}, (&TwiceError{inPlace, staged}).Hint()}
		case err == nil:
			continue
		}
		if _, err := patch.Inspect(text); err != nil {
			return &RefusedError{BadManifest, fmt.Errorf("%s is damaged: %w", staged, err),
				"mend it; or remove it, and have kubeadm write it again: kubeadm init phase control-plane all"}
		}
	}
	return nil
}

// releaseAll puts every staged manifest back and removes the empty folders. It
// goes on after a failure, so that one bad file does not keep the others.
func (l Layout) releaseAll() (released []string, err error) {
	for _, c := range l.stagedNow() {
		inPlace := fileExists(l.Manifest(c))
		if e := l.release(c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		if !inPlace {
			released = append(released, c)
		}
	}
	l.removeStagedFolders()
	return released, err
}

// removeStagedFolders removes those that are empty.
func (l Layout) removeStagedFolders() {
	for _, dir := range l.stagedPlaces() {
		// Fails while something is in it, which is what is wanted.
		_ = os.Remove(dir)
	}
}

func fileExists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// removeTemps removes what a killed process left of files it was writing: names
// with a leading dot that hold the name of one of ours.
func (l Layout) removeTemps() {
	ours := []string{".journal.json", ".config.yaml"}
	for _, c := range plan.Components() {
		ours = append(ours, "."+c+".yaml")
	}
	for _, dir := range append(l.stagedPlaces(), l.State(), l.Manifests()) {
		entries, err := safefile.List(dir, maxListed)
		if err != nil {
			continue
		}
		for _, e := range entries {
			mine := slices.ContainsFunc(ours, func(start string) bool {
				return strings.HasPrefix(e.Name(), start) && e.Name() != start
			})
			if mine && e.Type().IsRegular() {
				_ = os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}
