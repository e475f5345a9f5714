package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/command"
	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

// kubernetesModule makes a module that requires k8s.io/kubernetes, and returns
// its folder.
func kubernetesModule(ctx context.Context, version string) (string, error) {
	const path = "k8s.io/kubernetes"
	return readyModule("kubernetes-"+version, func(dir string) error {
		progress.Log("fetching the source of Kubernetes %s", version)
		m, err := downloadModule(ctx, path, version)
		if err != nil {
			return err
		}
		if Minor(version) < firstWithModules {
			return oldModule(ctx, version, m.Dir, dir)
		}
		text, err := os.ReadFile(m.GoMod)
		if err != nil {
			return err
		}
		if err := chooseGo(ctx, m.Dir, filepath.Join(dir, toolchainFile)); err != nil {
			return err
		}
		if text, err = boardModule(text, version); err != nil {
			return err
		}
		var packages []string
		for _, p := range kubernetesPrograms() {
			packages = append(packages, path+"/cmd/"+p)
		}
		return writeModule(ctx, dir, text, packages)
	})
}

// Up to v1.22 Kubernetes pins a reflect2 with which kubeadm panics while it writes YAML, when
// a Go from 1.18 on has built it: maps look different in memory since then
// (https://github.com/modern-go/reflect2, v1.0.2).
const (
	reflect2       = "github.com/modern-go/reflect2"
	reflect2Broken = "v1.0.1"
	reflect2Works  = "v1.0.2"
)

// boardModule turns the go.mod of k8s.io/kubernetes into that of a module which
// requires it. Kubernetes names its staging modules at v0.0.0 and replaces them
// by folders that are not in the published module: here they are replaced by
// their published versions. Its go version and godebug lines are kept, since
// only those of a main module count.
func boardModule(goMod []byte, version string) ([]byte, error) {
	from, err := modfile.Parse("go.mod", goMod, nil)
	if err != nil {
		return nil, fmt.Errorf("read the go.mod of Kubernetes %s: %w", version, err)
	}
	to := new(modfile.File)
	var failed error
	failed = errors.Join(failed, to.AddModuleStmt("board"), to.AddRequire("k8s.io/kubernetes", version))
	if from.Go != nil {
		failed = errors.Join(failed, to.AddGoStmt(from.Go.Version))
	}
	for _, g := range from.Godebug {
		failed = errors.Join(failed, to.AddGodebug(g.Key, g.Value))
	}
	for _, r := range from.Replace {
		if r.New.Version != "" {
			if r.New.Path == reflect2 && r.New.Version == reflect2Broken {
				r.New.Version = reflect2Works
			}
			failed = errors.Join(failed, to.AddReplace(r.Old.Path, r.Old.Version, r.New.Path, r.New.Version))
		}
	}
	for _, r := range from.Require {
		if r.Mod.Version == "v0.0.0" && strings.HasPrefix(r.Mod.Path, "k8s.io/") {
			failed = errors.Join(failed, to.AddReplace(r.Mod.Path, "", r.Mod.Path,
				"v0"+strings.TrimPrefix(version, "v1")))
		}
	}
	if failed != nil {
		return nil, failed
	}
	return to.Format()
}

// programModule makes a module that requires the module at path for one of its
// packages, a program, and returns its folder.
func programModule(ctx context.Context, path, version, pkg string) (string, error) {
	return readyModule(filepath.Base(filepath.Dir(path))+"-"+filepath.Base(path)+"-"+version, func(dir string) error {
		m, err := downloadModule(ctx, path, version)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(m.GoMod)
		if err != nil {
			return err
		}
		from, err := modfile.ParseLax("go.mod", text, nil)
		if err != nil {
			return err
		}
		goLine := ""
		if from.Go != nil {
			goLine = "go " + from.Go.Version + "\n\n"
		}
		return writeModule(ctx, dir, []byte("module board\n\n"+goLine+"require "+path+" "+version+"\n"), []string{pkg})
	})
}

// readyModule returns a module's folder after filling it once.
func readyModule(name string, fill func(dir string) error) (string, error) {
	dir, err := cache.Folder("modules", name+"-"+recipe)
	if err != nil {
		return "", err
	}
	return dir, cache.Once(filepath.Join(dir, "ready"), func(to string) error {
		if err := fill(dir); err != nil {
			return err
		}
		return os.WriteFile(to, nil, 0o644)
	})
}

// writeModule writes a module that imports packages, and resolves all that
// they need.
func writeModule(ctx context.Context, dir string, goMod []byte, packages []string) error {
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), goMod, 0o644); err != nil {
		return err
	}
	source := "//go:build tools\n\npackage board\n\nimport (\n"
	for _, p := range packages {
		source += fmt.Sprintf("\t_ %q\n", p)
	}
	if err := os.WriteFile(filepath.Join(dir, "tools.go"), []byte(source+")\n"), 0o644); err != nil {
		return err
	}
	// -e: what only tests of imports import may be gone by now.
	cmd := goCommand(ctx, dir, "mod", "tidy", "-e")
	return progress.Step(ctx, "fetching modules of "+packages[0], func() error { return command.Quiet(cmd) })
}

// module is a downloaded module: its go.mod and its folder.
type module struct{ GoMod, Dir string }

func downloadModule(ctx context.Context, path, version string) (module, error) {
	out, err := goCommand(ctx, os.TempDir(), "mod", "download", "-json", path+"@"+version).Output()
	var info struct {
		module
		Error string
	}
	if jsonErr := json.Unmarshal(out, &info); jsonErr == nil && info.Error != "" {
		return module{}, fmt.Errorf("download %s %s: %s", path, version, info.Error)
	}
	if err != nil {
		return module{}, fmt.Errorf("download %s %s: %w", path, version, err)
	}
	if info.GoMod == "" || info.Dir == "" {
		return module{}, fmt.Errorf("download %s %s: go names no folder", path, version)
	}
	return info.module, nil
}

// newestModule is the newest version of a module that begins with minor, such
// as v3.5.
func newestModule(ctx context.Context, path, minor string) (string, error) {
	out, err := goCommand(ctx, os.TempDir(), "list", "-m", "-f", "{{.Version}}", path+"@"+minor).Output()
	if err != nil {
		return "", fmt.Errorf("look for a version %s of %s: %w", minor, path, err)
	}
	return strings.TrimSpace(string(out)), nil
}
