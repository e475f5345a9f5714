package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// incoming is the folder beside the staged manifests into which others are written before
// they replace them.
func incoming(l state.Layout) (staged, coming string, err error) {
	staged, err = Folder(l)
	return staged, staged + "-incoming", err
}

// Are reports whether the components' manifests, in place or staged, are those of a folder.
func Are(l state.Layout, folder string, components []string) (bool, error) {
	for _, c := range components {
		want, err := safefile.Read(filepath.Join(folder, c+".yaml"), state.MaxFile)
		if err != nil {
			return false, err
		}
		path := l.Manifest(c)
		if staged := StagedAt(l, c); staged != "" {
			path = staged
		}
		is, err := safefile.Read(path, state.MaxFile)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil || !bytes.Equal(is, want) {
			return false, err
		}
	}
	return true, nil
}

// Switch replaces the staged manifests by those of a folder, all in one step. The components must all be staged.
func Switch(l state.Layout, folder string, components []string) error {
	if err := switchAll(l, folder, components); err != nil {
		return fmt.Errorf("switch the manifests: %w", err)
	}
	return nil
}

func switchAll(l state.Layout, folder string, components []string) error {
	staged, coming, err := incoming(l)
	if err != nil {
		return err
	}
	if err := RemoveIncoming(l); err != nil {
		return err
	}
	if err := l.FS.MkdirAll(coming, 0o700); err != nil {
		return err
	}
	for _, c := range components {
		if at := StagedAt(l, c); filepath.Dir(at) != staged {
			return fmt.Errorf("%s is not staged in %s", c, staged)
		}
		text, err := safefile.Read(filepath.Join(folder, c+".yaml"), state.MaxFile)
		if err != nil {
			return err
		}
		if _, err := patch.Inspect(text); err != nil {
			return fmt.Errorf("%s is damaged: %w", filepath.Join(folder, c+".yaml"), err)
		}
		if err := l.FS.WriteFile(filepath.Join(coming, c+".yaml"), text, 0o600); err != nil {
			return err
		}
	}
	err = l.FS.Exchange(staged, coming)
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
		// One by one, in the order in which they are started: an older one may always follow a newer one.
		for _, c := range components {
			text, e := safefile.Read(filepath.Join(coming, c+".yaml"), state.MaxFile)
			if e == nil {
				e = l.FS.WriteFile(filepath.Join(staged, c+".yaml"), text, 0o600)
			}
			if e != nil {
				return e
			}
		}
	}
	return errors.Join(err, RemoveIncoming(l))
}

// RemoveIncoming removes what an interrupted or finished switch has left.
func RemoveIncoming(l state.Layout) error {
	_, coming, err := incoming(l)
	if err != nil || !durable.Exists(coming) {
		return err
	}
	entries, err := safefile.List(coming, state.MaxListed)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := l.FS.Remove(filepath.Join(coming, e.Name())); err != nil {
			return err
		}
	}
	return l.FS.Do("remove", coming, func() error { return os.Remove(coming) })
}
