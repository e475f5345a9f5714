package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const kubernetes = "k8s.io/kubernetes"

// buildKubeadm returns the path of a static kubeadm of a version, built once and
// then kept in the cache.
func buildKubeadm(ctx context.Context, version string) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "kubeadms", version)
	program := filepath.Join(dir, "kubeadm")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	fmt.Fprintln(os.Stderr, "generate: building kubeadm", version)
	start := time.Now()
	minor, err := minorOf(version)
	if err != nil {
		return "", err
	}
	source, err := downloadModule(ctx, kubernetes, version)
	if err != nil {
		return "", err
	}
	module := filepath.Join(dir, "module")
	if err := os.MkdirAll(module, 0o755); err != nil {
		return "", err
	}
	var text string
	if minor < firstWithModules {
		text, err = modulesOfOld(ctx, version, source.Dir, module)
	} else {
		text, err = modules(ctx, version, source, module)
	}
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(module, "go.mod"), []byte(text), 0o644); err != nil {
		return "", err
	}
	// Another run may build the same.
	tmp := fmt.Sprintf("%s.%d", program, os.Getpid())
	defer func() { _ = os.Remove(tmp) }()
	if _, err := runGo(ctx, module, "build", "-mod=mod", "-trimpath", "-ldflags="+stamp(version, minor), "-o", tmp,
		kubernetes+"/cmd/kubeadm"); err != nil {
		return "", err
	}
	fmt.Fprintf(os.Stderr, "generate: built kubeadm %s in %s\n", version, time.Since(start).Round(time.Second))
	return program, os.Rename(tmp, program)
}

// cacheDir is outside the checkout: the builds of all versions take gigabytes.
func cacheDir() (string, error) {
	if dir := os.Getenv("KUBEADM_ARM_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(dir, "kubeadm-arm"), nil
}

// downloaded says where a module's source is.
type downloaded struct{ GoMod, Dir string }

func downloadModule(ctx context.Context, path, version string) (d downloaded, err error) {
	out, err := runGo(ctx, os.TempDir(), "mod", "download", "-json", path+"@"+version)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(out, &d); err != nil {
		return d, fmt.Errorf("download %s %s: %w", path, version, err)
	}
	return d, nil
}

type moduleVersion struct{ Path, Version string }

func (m moduleVersion) String() string { return strings.TrimSpace(m.Path + " " + m.Version) }

// goMod is what `go mod edit -json` prints (go help mod edit).
type goMod struct {
	Go      string
	Godebug []struct{ Key, Value string }
	Require []moduleVersion
	Replace []struct{ Old, New moduleVersion }
}

func readGoMod(ctx context.Context, path string) (m goMod, err error) {
	out, err := runGo(ctx, os.TempDir(), "mod", "edit", "-json", path)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", path, err)
	}
	return m, nil
}

// modules is the go.mod of a module that requires Kubernetes. Its staging
// modules stand in its go.mod at v0.0.0, replaced by folders that are not
// published with it; they are published on their own as v0.<minor>.<patch>.
func modules(ctx context.Context, version string, source downloaded, folder string) (string, error) {
	from, err := readGoMod(ctx, source.GoMod)
	if err != nil {
		return "", err
	}
	var to strings.Builder
	fmt.Fprintf(&to, "module kubeadm\n\ngo %s\n\nrequire %s %s\n", from.Go, kubernetes, version)
	for _, g := range from.Godebug {
		fmt.Fprintf(&to, "godebug %s=%s\n", g.Key, g.Value)
	}
	for _, r := range from.Require {
		if r.Version == "v0.0.0" && strings.HasPrefix(r.Path, "k8s.io/") {
			fmt.Fprintf(&to, "replace %s => %s v0%s\n", r.Path, r.Path, strings.TrimPrefix(version, "v1"))
		}
	}
	pins, err := from.pins(folder)
	return to.String() + pins, err
}

// pins are the replacements of Kubernetes' go.mod. They count in a main module
// only, so they are copied.
func (m goMod) pins(folder string) (string, error) {
	var to strings.Builder
	for _, r := range m.Replace {
		if r.New.Version == "" {
			continue
		}
		if slices.Contains(unavailable(), r.Old.Path) {
			dir := filepath.Join(folder, "unavailable", filepath.Base(r.Old.Path))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return "", err
			}
			if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+r.Old.Path+"\n"), 0o644); err != nil {
				return "", err
			}
			r.New = moduleVersion{Path: dir}
		}
		if newer := newerFor()[r.Old.Path]; newer != "" && r.New.Version < newer {
			r.New.Version = newer
		}
		fmt.Fprintf(&to, "replace %s => %s\n", r.Old, r.New)
	}
	return to.String(), nil
}

// newerFor are the first versions that work with the maps of Go 1.18 and later.
func newerFor() map[string]string {
	return map[string]string{"github.com/json-iterator/go": "v1.1.12", "github.com/modern-go/reflect2": "v1.0.2"}
}

// unavailable are modules that were given up by their authors. Kubernetes names
// them, but kubeadm imports nothing from them: empty ones will do.
func unavailable() []string { return []string{"vbom.ml/util"} }

// stamp are the linker flags without which kubeadm takes itself for v0.0.0. The
// variables moved in v1.15 or so; a name that is not there does no harm.
func stamp(version string, minor int) string {
	flags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/kubernetes/pkg/version"} {
		flags += fmt.Sprintf(" -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%d", pkg, version, pkg, pkg, minor)
	}
	return flags
}

// runGo runs the go command, apart from the caller's settings that would bend
// it, and returns what it prints.
func runGo(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "CGO_ENABLED=0")
	// go ends its compilers when it is interrupted, not when it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("run go %s: %w\n%s%s", strings.Join(args, " "), err, complaints.String(), out.String())
	}
	return out.Bytes(), nil
}
