package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Static pods that are not kubeadm's, such as kube-vip's and keepalived's, are
// the usual way to a control plane with a virtual address: their manifests are
// there before init. kubeadm's preflight leaves them alone, and so does every step
// here. kubeadm reset empties the whole manifests folder; see [Reset].

// Foreign are the names of the files in the manifests folder that the kubelet
// reads and neither kubeadm nor this program has made. The kubelet reads neither
// dotted names nor folders (pkg/kubelet/config/file.go).
func Foreign(l state.Layout) ([]string, error) {
	entries, err := safefile.List(l.Manifests(), state.MaxListed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []string
	for _, e := range entries {
		component, isYAML := strings.CutSuffix(e.Name(), ".yaml")
		ours := isYAML && slices.Contains(plan.Components(), component)
		file := e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0
		if !ours && file && !strings.HasPrefix(e.Name(), ".") {
			all = append(all, e.Name())
		}
	}
	return all, err
}

// CheckForeign refuses what cannot stay in the manifests folder: a second pod of
// a component. Of two files for one pod the kubelet takes one, by their names.
func CheckForeign(l state.Layout) error {
	all, err := Foreign(l)
	if err != nil {
		return state.Refuse(state.ForeignManifests, fmt.Errorf("read the manifests folder: %w", err), "it has to be a "+
			"folder that root can read, or not be there: ls -ld "+l.Manifests())
	}
	for _, name := range all {
		path := filepath.Join(l.Manifests(), name)
		if component := podOf(path); slices.Contains(plan.Components(), component) {
			return state.Refuse(state.ForeignManifests,
				fmt.Errorf("%s is a second pod of the name %s: the kubelet would take one of the two", path, component),
				"move it to another folder, also when it is a copy that an editor or you have kept: the kubelet "+
					"reads files of any ending")
		}
	}
	return nil
}

// podOf is the name of the pod that a manifest describes, empty for a file that
// describes none.
func podOf(path string) string {
	text, err := safefile.Read(path, maxForeign)
	if err != nil {
		return ""
	}
	var pod struct {
		Metadata struct{ Name, Namespace string }
	}
	if yaml.Unmarshal(text, &pod) != nil || pod.Metadata.Namespace != "kube-system" {
		return ""
	}
	return pod.Metadata.Name
}

// maxForeign bounds a static pod's manifest; the largest seen has 20 KiB.
// maxCopied bounds whatever else may lie beside them.
const (
	maxForeign = 1 << 20
	maxCopied  = 64 << 20
)

// KeepForeign copies the foreign static pods to where kubeadm reset does not remove them.
func KeepForeign(l state.Layout) error {
	all, err := Foreign(l)
	if err != nil || len(all) == 0 {
		return err
	}
	if err := l.FS.MkdirAll(l.StaticPods(), 0o700); err != nil {
		return err
	}
	for _, name := range all {
		if err := copyFile(l, filepath.Join(l.Manifests(), name), filepath.Join(l.StaticPods(), name)); err != nil {
			return err
		}
	}
	return nil
}

// PutForeignBack puts them back where they are gone, and returns where they are.
// After a power cut in the middle of a reset the next reset or init does it.
func PutForeignBack(l state.Layout) ([]string, error) {
	entries, err := safefile.List(l.StaticPods(), state.MaxListed)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := l.FS.MkdirAll(l.Manifests(), 0o700); err != nil {
		return nil, err
	}
	var back []string
	for _, e := range entries {
		from, to := filepath.Join(l.StaticPods(), e.Name()), filepath.Join(l.Manifests(), e.Name())
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			err = copyFile(l, from, to)
			if err != nil {
				return back, err
			}
		}
		if err := l.FS.Remove(from); err != nil {
			return back, err
		}
		back = append(back, to)
	}
	if err := l.FS.Remove(l.StaticPods()); err != nil {
		return back, err
	}
	return back, l.FS.SyncDir(l.State())
}

// copyFile copies a file whole, or a link as a link.
func copyFile(l state.Layout, from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		_ = os.Remove(to)
		return l.FS.Do("link", to, func() error { return os.Symlink(target, to) })
	}
	text, err := safefile.Read(from, maxCopied)
	if err != nil {
		return err
	}
	return l.FS.WriteFile(to, text, info.Mode().Perm())
}
