package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
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

// Minor is 37 for v1.37.2, whose form is checked before.
func Minor(version string) int {
	minor, err := strconv.Atoi(VersionForm.FindStringSubmatch(version)[1])
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
		"github.com/gophercloud/gophercloud": to("github.com/gophercloud/gophercloud",
			"v0.0.0-20180330165814-781450b3c4fc"),
		"github.com/storageos/go-api": to("github.com/storageos/go-api", "v0.0.0-20180126153955-3a4032328d99"),
		"gonum.org/v1/gonum":          to("gonum.org/v1/gonum", "v0.0.0-20180726124543-cebdade430cc"),
		"k8s.io/utils":                to("k8s.io/utils", "v0.0.0-20180726175726-66066c83e385"),
		"k8s.io/kube-openapi":         to("k8s.io/kube-openapi", "v0.0.0-20181114233023-0317810137be"),
		// Moved away, or gone where it was.
		"vbom.ml/util":                 to("github.com/fvbommel/util", "v0.0.0-20180919145318-efcd4e0f9787"),
		"github.com/renstrom/dedent":   to("github.com/lithammer/dedent", "v1.1.0"),
		"bitbucket.org/ww/goautoneg":   to("github.com/munnerz/goautoneg", "v0.0.0-20120707110453-a547fc61f48d"),
		"github.com/munnerz/goautoneg": {},
		// Not among the pins: v1.15 does not use them any more.
		"github.com/emicklei/go-restful-swagger12": to("github.com/emicklei/go-restful-swagger12",
			"v0.0.0-20170208215640-dcef7f557305"),
		"github.com/rancher/go-rancher": to("github.com/rancher/go-rancher",
			"v0.0.0-20160922212217-09693a8743ba"),
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
		if err := os.WriteFile(filepath.Join(to, "go.mod"), []byte("module k8s.io/"+e.Name()+"\n\ngo 1.12\n"),
			0o644); err != nil {
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
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644); err != nil {
		return err
	}
	return generateOpenAPI(ctx, source, dir, names)
}

// overlayFile, in a module's folder, names files to build with beside those of
// the modules (go help build, -overlay).
const overlayFile = "overlay.json"

// openAPI is the one file of Kubernetes that its releases do not hold: they make
// it first (build/root/Makefile.generated_files).
const openAPI = "pkg/generated/openapi/zz_generated.openapi.go"

// generateOpenAPI makes that file with the generator that Kubernetes names, and
// an overlay that puts it in its place.
func generateOpenAPI(ctx context.Context, source, dir string, staging []string) error {
	generator := filepath.Join(dir, "openapi-gen")
	cmd := goCommand(ctx, dir, "build", "-mod=mod", "-o", generator, "k8s.io/kube-openapi/cmd/openapi-gen")
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0", "GOTOOLCHAIN="+goOfOld)
	if err := progress.Step(ctx, "building the generator of Kubernetes' OpenAPI",
		func() error { return command.Quiet(cmd) }); err != nil {
		return err
	}
	// The generator reads packages as Go did before modules.
	path := filepath.Join(dir, "gopath")
	tree := filepath.Join(path, "src", "k8s.io")
	kubernetes := filepath.Join(tree, "kubernetes")
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	var roots []string
	for _, part := range []string{"cmd", "pkg", "plugin"} {
		if err := copyWithoutTests(filepath.Join(kubernetes, part), os.DirFS(filepath.Join(source, part))); err != nil {
			return err
		}
		roots = append(roots, "kubernetes/"+part)
	}
	for _, name := range staging {
		if err := os.Symlink(filepath.Join(dir, "staging", name), filepath.Join(tree, name)); err != nil {
			return err
		}
		roots = append(roots, name)
	}
	var packages []string
	for _, root := range roots {
		found, err := taggedPackages(tree, root)
		if err != nil {
			return err
		}
		packages = append(packages, found...)
	}
	nothing := filepath.Join(dir, "header")
	if err := os.WriteFile(nothing, nil, 0o644); err != nil {
		return err
	}
	gen := exec.CommandContext(ctx, generator, "--logtostderr", "-i", strings.Join(packages, ","), "-p",
		"k8s.io/kubernetes/"+filepath.Dir(openAPI),
		"-O", strings.TrimSuffix(filepath.Base(openAPI), ".go"), "-h", nothing, "-r", filepath.Join(dir,
			"report"), "-o", filepath.Join(path, "src"))
	gen.Dir = kubernetes
	gen.Env = append(os.Environ(), "GO111MODULE=off", "GOPATH="+path, "GOFLAGS=")
	if err := progress.Step(ctx, "generating Kubernetes' OpenAPI",
		func() error { return command.Quiet(gen) }); err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(source,
		openAPI): filepath.Join(kubernetes, openAPI)}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, overlayFile), overlay, 0o644)
}

// taggedPackages are the packages below root, by import path, whose types go
// into the OpenAPI.
func taggedPackages(tree, root string) ([]string, error) {
	seen := map[string]bool{}
	// A trailing slash follows a link.
	err := filepath.WalkDir(filepath.Join(tree, root)+"/", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte("+k8s:openapi-gen=")) {
			return err
		}
		rel, err := filepath.Rel(tree, filepath.Dir(path))
		if err == nil && !strings.Contains(rel, "/vendor/") && !strings.HasPrefix(rel, "code-generator") &&
			!strings.HasPrefix(rel, "sample-") {
			seen["k8s.io/"+filepath.ToSlash(rel)] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the packages of Kubernetes' OpenAPI: %w", err)
	}
	return slices.Sorted(maps.Keys(seen)), nil
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
