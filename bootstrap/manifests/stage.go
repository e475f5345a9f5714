package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// A manifest is at every instant complete in one known place: the manifests
// folder or a staging folder. No journal is needed to find it. After a power cut
// between a copy and the removal of its source it may be in both; settle removes one of
// them.

// StagedAt returns where a component's manifest is staged, empty if it is not.
func StagedAt(l state.Layout, component string) string {
	for _, dir := range l.StagedPlaces() {
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

// Settle removes a staged copy of a manifest that is in place.
func Settle(l state.Layout, component string) error {
	staged, inPlace := StagedAt(l, component), l.Manifest(component)
	if staged == "" {
		return nil
	}
	there, err := safefile.Read(inPlace, state.MaxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	here, err := safefile.Read(staged, state.MaxFile)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, here) {
		return &TwiceError{inPlace, staged}
	}
	return l.FS.Remove(staged)
}

// Stage moves a component's manifest out of the kubelet's folder. A manifest that is staged
// already stays.
func Stage(l state.Layout, component string) error {
	if err := stageFile(l, component); err != nil {
		return fmt.Errorf("stage %s: %w", component, err)
	}
	return nil
}

func stageFile(l state.Layout, component string) error {
	if err := Settle(l, component); err != nil {
		return err
	}
	from := l.Manifest(component)
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) && StagedAt(l, component) != "" {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is %s", from, safefile.Kind(info.Mode()))
	}
	dir, err := Folder(l)
	if err != nil {
		return err
	}
	if err := l.FS.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return move(l, from, filepath.Join(dir, component+".yaml"))
}

// Release moves it back. A manifest that is in place already stays.
func Release(l state.Layout, component string) error {
	if err := releaseFile(l, component); err != nil {
		return fmt.Errorf("release %s: %w", component, err)
	}
	return nil
}

func releaseFile(l state.Layout, component string) error {
	if err := Settle(l, component); err != nil {
		return err
	}
	from, to := StagedAt(l, component), l.Manifest(component)
	if from == "" {
		_, err := os.Lstat(to)
		return err
	}
	text, err := safefile.Read(from, state.MaxFile)
	if err != nil {
		return err
	}
	if _, err := patch.Inspect(text); err != nil {
		return fmt.Errorf("%s is damaged: %w", from, err)
	}
	if err := l.FS.MkdirAll(l.Manifests(), 0o700); err != nil {
		return err
	}
	return move(l, from, to)
}

// move renames a manifest and makes both folders durable, the new place first:
// after a power cut the file may be found in both, never in none. Between two
// file systems, which happens only when something was mounted meanwhile, it is
// copied whole before the source goes.
func move(l state.Layout, from, to string) error {
	err := l.FS.Rename(from, to)
	if errors.Is(err, unix.EXDEV) {
		return moveAcross(l, from, to)
	}
	return err
}

func moveAcross(l state.Layout, from, to string) error {
	text, err := safefile.Read(from, state.MaxFile)
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
func Staged(l state.Layout) []string {
	var all []string
	for _, c := range plan.Components() {
		if StagedAt(l, c) != "" {
			all = append(all, c)
		}
	}
	return all
}

// Releasable tells, changing nothing, whether every staged manifest can be put
// back.
func Releasable(l state.Layout) error {
	for _, c := range Staged(l) {
		staged, inPlace := StagedAt(l, c), l.Manifest(c)
		text, err := safefile.Read(staged, state.MaxFile)
		if err != nil {
			return fmt.Errorf("release %s: %w", c, err)
		}
		switch there, err := safefile.Read(inPlace, state.MaxFile); {
		case err == nil && !bytes.Equal(there, text):
			return state.Refuse(state.BadManifest, &TwiceError{inPlace, staged}, (&TwiceError{inPlace, staged}).Hint())
		case err == nil:
			continue
		}
		if _, err := patch.Inspect(text); err != nil {
			return state.Refuse(state.BadManifest, fmt.Errorf("%s is damaged: %w", staged, err),
				"fix it; or remove it, and have kubeadm write it again: kubeadm init phase control-plane all")
		}
	}
	return nil
}

// ReleaseAll puts every staged manifest back and removes the empty folders. It
// goes on after a failure, so that one bad file does not keep the others.
func ReleaseAll(l state.Layout) (released []string, err error) {
	for _, c := range Staged(l) {
		inPlace := durable.Exists(l.Manifest(c))
		if e := Release(l, c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		if !inPlace {
			released = append(released, c)
		}
	}
	RemoveFolders(l)
	return released, err
}

// removeStagedFolders removes those that are empty.
func RemoveFolders(l state.Layout) {
	for _, dir := range l.StagedPlaces() {
		// It fails while something is in it, as it should.
		_ = os.Remove(dir)
	}
}

// Folder is where staged manifests wait now. It has to be in the file
// system of the manifests folder: a rename is whole or not at all, a copy is
// not. Where the manifests folder is a mount of its own, a dotted subfolder of
// it serves: the kubelet reads neither dotted names nor subfolders
// (pkg/kubelet/config/file.go).
func Folder(l state.Layout) (string, error) {
	beside, err := device(filepath.Dir(l.State()))
	if err != nil {
		return "", err
	}
	inside, err := device(l.Manifests())
	if os.IsNotExist(err) {
		inside, err = beside, nil
	}
	if err != nil {
		return "", err
	}
	if beside == inside {
		return filepath.Join(l.State(), "staged"), nil
	}
	return filepath.Join(l.Manifests(), ".kubeadm-arm-staged"), nil
}

func device(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("find the file system of %s: not supported here", path)
	}
	return uint64(stat.Dev), nil //nolint:unconvert // 32 bits wide on some architectures
}
