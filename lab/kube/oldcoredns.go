package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/kubeadm-arm/kubeadm-arm/lab/progress"
)

const coreDNS = "github.com/coredns/coredns"

// CoreDNS had no go.mod before v1.5.0, which took the plugin away that kubeadm's
// Corefile names up to v1.13, proxy. Those before it get its pins. The checksum
// database knows v1.2.6, kubeadm v1.13's, but not v1.3.1; v1.2.6 reads the
// Corefile of both.
const (
	oldCoreDNS       = "v1.2.6"
	pinsOfOldCoreDNS = "v1.5.0"
)

// isOldCoreDNS reports whether an image tag names a CoreDNS without a go.mod.
func isOldCoreDNS(tag string) bool {
	var major, minor int
	_, err := fmt.Sscanf(strings.TrimPrefix(tag, "v"), "%d.%d.", &major, &minor)
	return err == nil && (major < 1 || major == 1 && minor < 5)
}

// buildCoreDNS builds the CoreDNS that an image tag such as 1.2.6 or v1.14.6
// names.
func buildCoreDNS(ctx context.Context, t Target, tag, to string) error {
	version := "v" + strings.TrimPrefix(tag, "v")
	if !isOldCoreDNS(tag) {
		dir, err := programModule(ctx, coreDNS, version, coreDNS)
		if err != nil {
			return err
		}
		return goBuild(ctx, dir, t, to, "-s -w", coreDNS)
	}
	if version != oldCoreDNS {
		progress.Log("CoreDNS %s cannot be built, taking %s", version, oldCoreDNS)
	}
	dir, err := readyModule("coredns-"+oldCoreDNS, func(dir string) error {
		next, err := downloadModule(ctx, coreDNS, pinsOfOldCoreDNS)
		if err != nil {
			return err
		}
		pins, err := os.ReadFile(next.GoMod)
		if err != nil {
			return err
		}
		text, err := oldCoreDNSModule(pins)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, toolchainFile), []byte(goOfOld), 0o644); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644)
	})
	if err != nil {
		return err
	}
	return goBuild(ctx, dir, t, to, "-s -w", coreDNS)
}

// oldCoreDNSModule is the go.mod for such a CoreDNS, made from the one of
// pinsOfOldCoreDNS.
func oldCoreDNSModule(pins []byte) ([]byte, error) {
	from, err := modfile.Parse("go.mod", pins, nil)
	if err != nil {
		return nil, fmt.Errorf("read the go.mod of CoreDNS %s: %w", pinsOfOldCoreDNS, err)
	}
	instead := map[string]string{
		// Go's maps changed in Go 1.18; these are the first that know it.
		"github.com/json-iterator/go":   "v1.1.12",
		"github.com/modern-go/reflect2": "v1.0.2",
		// These have changed their functions since v1.2.6.
		"github.com/mholt/caddy":              "v0.11.1",
		"github.com/miekg/dns":                "v1.0.15",
		"github.com/prometheus/client_golang": "v0.8.0",
		// Not among the pins; the newest wants a newer Go.
		"github.com/prometheus/procfs": "v0.0.0-20181005140218-185b4288413d",
	}
	to := new(modfile.File)
	failed := errors.Join(to.AddModuleStmt("board"), to.AddGoStmt("1.12"), to.AddRequire(coreDNS, oldCoreDNS))
	for _, r := range from.Require {
		if instead[r.Mod.Path] == "" {
			failed = errors.Join(failed, to.AddRequire(r.Mod.Path, r.Mod.Version))
		}
	}
	for path, version := range instead {
		failed = errors.Join(failed, to.AddRequire(path, version))
	}
	for _, r := range from.Replace {
		failed = errors.Join(failed, to.AddReplace(r.Old.Path, r.Old.Version, r.New.Path, r.New.Version))
	}
	if failed != nil {
		return nil, fmt.Errorf("write the go.mod for CoreDNS %s: %w", oldCoreDNS, failed)
	}
	to.SortBlocks()
	return to.Format()
}
