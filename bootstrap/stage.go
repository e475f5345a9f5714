package bootstrap

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// stage moves a component's manifest out of the kubelet's sight. A manifest
// that is staged already stays.
func (l Layout) stage(component string) error {
	dir, err := l.staged()
	if err != nil {
		return fmt.Errorf("stage %s: %w", component, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("stage %s: %w", component, err)
	}
	to := filepath.Join(dir, component+".yaml")
	from := l.Manifest(component)
	if _, err := os.Lstat(from); errors.Is(err, os.ErrNotExist) {
		if _, err := os.Lstat(to); err == nil {
			return nil
		}
	}
	return move(from, to)
}

// release moves it back. A manifest that is in place already stays.
func (l Layout) release(component string) error {
	dir, err := l.staged()
	if err != nil {
		return fmt.Errorf("release %s: %w", component, err)
	}
	from, to := filepath.Join(dir, component+".yaml"), l.Manifest(component)
	if _, err := os.Lstat(from); errors.Is(err, os.ErrNotExist) {
		if _, err := os.Lstat(to); err == nil {
			return nil
		}
	}
	return move(from, to)
}

// move renames a manifest and makes both folders durable, the new place first:
// after a power cut the file may be found in both, never in none.
func move(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("move a manifest: %w", err)
	}
	for _, dir := range []string{filepath.Dir(to), filepath.Dir(from)} {
		if err := syncDir(dir); err != nil {
			return fmt.Errorf("move %s to %s: %w", from, to, err)
		}
	}
	return nil
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// stagedNow lists the components whose manifests are staged.
func (l Layout) stagedNow() []string {
	dir, err := l.staged()
	if err != nil {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil
	}
	var all []string
	for _, f := range files {
		base := filepath.Base(f)
		all = append(all, base[:len(base)-len(".yaml")])
	}
	return all
}

// releaseAll puts every staged manifest back and removes the empty folder. It
// goes on after a failure, so that one bad file does not keep the others.
func (l Layout) releaseAll() (released []string, err error) {
	for _, c := range l.stagedNow() {
		if e := l.release(c); e != nil {
			err = errors.Join(err, e)
			continue
		}
		released = append(released, c)
	}
	if dir, e := l.staged(); e == nil {
		// Fails while something is in it, which is what is wanted.
		_ = os.Remove(dir)
	}
	return released, err
}
