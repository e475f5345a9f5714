package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
)

// firstWithModules is the first minor version of Kubernetes with a go.mod. Those
// before it get the pins of pinsOfOld: what they vendored is little older, and
// their own revisions are not all to be had.
const (
	firstWithModules = 15
	pinsOfOld        = "v1.15.12"
)

// goOfOld builds what was made with Go 1.11: the oldest Go that the go command
// can fetch by itself.
const goOfOld = "go1.21.13"

// minorOf is 37 for v1.37.2, whose form is checked before.
func minorOf(version string) int {
	minor, err := strconv.Atoi(versionForm.FindStringSubmatch(version)[1])
	if err != nil {
		return 0
	}
	return minor
}

// insteadOfPins are modules for which pinsOfOld will not do, each with its
// reason. An empty version leaves the pin out.
func insteadOfPins() map[string]modfile.Replace {
	to := func(path, version string) (r modfile.Replace) {
		r.New.Path, r.New.Version = path, version
		return r
	}
	return map[string]modfile.Replace{
		// Go's maps changed in Go 1.18; these are the first that know it.
		"github.com/json-iterator/go":   to("github.com/json-iterator/go", "v1.1.12"),
		"github.com/modern-go/reflect2": to("github.com/modern-go/reflect2", "v1.0.2"),
		// The kubelet of v1.13 was made for this cAdvisor.
		"github.com/google/cadvisor": to("github.com/google/cadvisor", "v0.32.0"),
		// These have changed their functions since v1.13.
		"github.com/gophercloud/gophercloud": to("github.com/gophercloud/gophercloud", "v0.0.0-20180330165814-781450b3c4fc"),
		"github.com/storageos/go-api":        to("github.com/storageos/go-api", "v0.0.0-20180126153955-3a4032328d99"),
		"gonum.org/v1/gonum":                 to("gonum.org/v1/gonum", "v0.0.0-20180726124543-cebdade430cc"),
		"k8s.io/kube-openapi":                to("k8s.io/kube-openapi", "v0.0.0-20181114233023-0317810137be"),
		// Moved away, or gone where it was.
		"vbom.ml/util":                 to("github.com/fvbommel/util", "v0.0.3"),
		"github.com/renstrom/dedent":   to("github.com/lithammer/dedent", "v1.1.0"),
		"bitbucket.org/ww/goautoneg":   to("github.com/munnerz/goautoneg", "v0.0.0-20120707110453-a547fc61f48d"),
		"github.com/munnerz/goautoneg": {},
		// Not among the pins: v1.15 does not use them any more.
		"github.com/emicklei/go-restful-swagger12": to("github.com/emicklei/go-restful-swagger12", "v0.0.0-20170208215640-dcef7f557305"),
		"github.com/rancher/go-rancher":            to("github.com/rancher/go-rancher", "v0.0.0-20160922212217-09693a8743ba"),
	}
}

// oldModule fills dir with a module that requires a Kubernetes without a go.mod.
// Its staging modules lie inside its own, so they are copied out and given a
// go.mod each.
func oldModule(ctx context.Context, version, source, dir string) error {
	staging := filepath.Join(source, "staging", "src", "k8s.io")
	entries, err := os.ReadDir(staging)
	if err != nil {
		return fmt.Errorf("read the staging modules of Kubernetes %s: %w", version, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		to := filepath.Join(dir, "staging", e.Name())
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		if err := copyWithoutTests(to, os.DirFS(filepath.Join(staging, e.Name()))); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, "go.mod"), []byte("module k8s.io/"+e.Name()+"\n\ngo 1.12\n"), 0o644); err != nil {
			return err
		}
	}
	next, err := downloadModule(ctx, "k8s.io/kubernetes", pinsOfOld)
	if err != nil {
		return err
	}
	pins, err := os.ReadFile(next.GoMod)
	if err != nil {
		return err
	}
	text, err := oldBoardModule(pins, version, names)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, toolchainFile), []byte(goOfOld), 0o644); err != nil {
		return err
	}
	// No tidy: it would look for what tests of long ago import. What the
	// programs import is found when they are built.
	return os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644)
}

// oldBoardModule is the go.mod for such a Kubernetes, made from the pins of the
// go.mod of pinsOfOld.
func oldBoardModule(pins []byte, version string, staging []string) ([]byte, error) {
	from, err := modfile.Parse("go.mod", pins, nil)
	if err != nil {
		return nil, fmt.Errorf("read the go.mod of Kubernetes %s: %w", pinsOfOld, err)
	}
	var to strings.Builder
	fmt.Fprintf(&to, "module board\n\ngo 1.12\n\nrequire k8s.io/kubernetes %s\n\n", version)
	for _, name := range staging {
		fmt.Fprintf(&to, "require k8s.io/%s v0.0.0\nreplace k8s.io/%s => ./staging/%s\n", name, name, name)
	}
	instead := insteadOfPins()
	for _, r := range from.Replace {
		if _, other := instead[r.Old.Path]; !other && r.New.Version != "" {
			fmt.Fprintf(&to, "replace %s => %s %s\n", r.Old.Path, r.New.Path, r.New.Version)
		}
	}
	for old, r := range instead {
		if r.New.Path != "" {
			fmt.Fprintf(&to, "replace %s => %s %s\n", old, r.New.Path, r.New.Version)
		}
	}
	file, err := modfile.Parse("go.mod", []byte(to.String()), nil)
	if err != nil {
		return nil, fmt.Errorf("write the go.mod for Kubernetes %s: %w", version, err)
	}
	file.SortBlocks()
	return file.Format()
}

// copyWithoutTests copies the Go files that a build needs: tests import what is
// not to be had any more.
func copyWithoutTests(to string, from fs.FS) error {
	return fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, path)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	})
}
