package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The first version with a go.mod. Those before it get its pins: what they
// vendored is little older, and their revisions are not all to be had.
const (
	firstWithModules = 15
	pinsOfOld        = "v1.15.12"
)

// renamed is a module that kubeadm v1.13 imports by its first name.
const renamed = "replace github.com/renstrom/dedent => github.com/lithammer/dedent v1.1.0\n"

// modulesOfOld is the go.mod for a Kubernetes that has none. Its staging
// modules lie inside its own, so they are copied out and given one each.
func modulesOfOld(ctx context.Context, version, source, module string) (string, error) {
	staging := filepath.Join(source, "staging", "src", "k8s.io")
	entries, err := os.ReadDir(staging)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "module kubeadm\n\ngo 1.12\n\nrequire %s %s\n", kubernetes, version)
	for _, e := range entries {
		name := "k8s.io/" + e.Name()
		dir := filepath.Join(module, "staging", e.Name())
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(staging, e.Name()))); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+name+"\n\ngo 1.12\n"),
			0o644); err != nil {
			return "", err
		}
		fmt.Fprintf(&text, "require %s v0.0.0\nreplace %s => %s\n", name, name, dir)
	}
	next, err := downloadModule(ctx, kubernetes, pinsOfOld)
	if err != nil {
		return "", err
	}
	from, err := readGoMod(ctx, next.GoMod)
	if err != nil {
		return "", err
	}
	pins, err := from.pins(module)
	return text.String() + renamed + pins, err
}
