package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

const (
	systemdFolder = "/etc/systemd/system"
	dropIn        = "20-kubeadm-arm-storage.conf"
	unitLimit     = 1 << 20
)

// unitFiles are the drop-ins of the services that need the folders, by path.
// Wants= and After= have systemd mount before the start and try again with each
// restart; Requires= would give up for good when the disk comes a minute late.
// What keeps the service from starting without its disk is the guard.
//
// Programs and names are quoted: the guard must be asked for the very folders.
func unitFiles(program, mount string, folders []string) (map[string]string, error) {
	all := map[string]string{}
	for service, top := range map[string][]string{
		"kubelet": {"/"}, "containerd": {"/var/lib/containerd"}, "docker": {"/var/lib/docker", "/var/lib/containerd"},
		"crio": {"/var/lib/containers"},
	} {
		units := []string{systemd.PathUnit(mount, "mount")}
		guard := []string{"storage", "guard"}
		for _, f := range folders {
			if !slices.ContainsFunc(top, func(t string) bool { return tree.Inside(f, t) }) {
				continue
			}
			units = append(units, systemd.PathUnit(f, "mount"))
			if service != "kubelet" { // it asks for all
				guard = append(guard, f)
			}
		}
		if len(units) == 1 {
			continue
		}
		list := strings.Join(units, " ")
		command, err := systemd.CommandLine(program, guard...)
		if err != nil {
			return nil, unsuitable("install it as /usr/local/bin/kubeadm-arm", "write the drop-in of %s: %w", service, err)
		}
		all[dropInPath(service)] = `# Written by kubeadm-arm storage apply; kubeadm-arm storage undo takes it away.
[Unit]
Wants=` + list + `
After=` + list + `
StartLimitIntervalSec=0

[Service]
ExecStartPre=` + command + `
`
	}
	return all, nil
}

func dropInPath(service string) string {
	return filepath.Join(systemdFolder, service+".service.d", dropIn)
}

func (b Board) writeUnits(ctx context.Context, units map[string]string) error {
	changed := false
	for _, path := range sorted(units) {
		if old, err := safefile.Read(path, unitLimit); err == nil && string(old) == units[path] {
			continue
		}
		if err := b.FS.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := b.FS.WriteFile(path, []byte(units[path]), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		changed = true
	}
	if !changed {
		return nil
	}
	return b.reload(ctx)
}

// removeUnits removes all of kubeadm-arm's drop-ins but some, and folders that they leave
// empty.
func (b Board) removeUnits(ctx context.Context, but map[string]string) error {
	all, err := filepath.Glob(filepath.Join(systemdFolder, "*.service.d", dropIn))
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(path string) bool { return but[path] != "" })
	if len(all) == 0 {
		return nil
	}
	for _, path := range all {
		if err := b.FS.Remove(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		if tree.IsEmpty(filepath.Dir(path)) {
			if err := b.FS.Remove(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return b.reload(ctx)
}

// reload has systemd read fstab and the drop-ins again.
func (b Board) reload(ctx context.Context) error {
	if !systemd.Booted("/") {
		return nil
	}
	return b.FS.Do("reload", "systemd", func() error {
		_, err := b.Run(ctx, "systemctl", "daemon-reload")
		return err
	})
}
