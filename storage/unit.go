package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	systemdFolder = "/etc/systemd/system"
	dropIn        = "20-kubeadm-arm-storage.conf"
)

// unitName is the mount unit of a place (systemd-escape(1) --path).
func unitName(place string) string {
	var b strings.Builder
	for i, c := range []byte(strings.Trim(place, "/")) {
		switch {
		case c == '/':
			b.WriteByte('-')
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == ':', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String() + ".mount"
}

// unitFiles are the drop-ins of the services that need the folders, by path.
// Wants= and After= have systemd mount before the start and try again with each
// restart; Requires= would give up for good when the disk comes a minute late.
// What keeps the service from starting without its disk is the guard.
func unitFiles(program, mount string, folders []string) map[string]string {
	all := map[string]string{}
	for service, top := range map[string][]string{
		"kubelet": {"/"}, "containerd": {"/var/lib/containerd"}, "docker": {"/var/lib/docker", "/var/lib/containerd"}, "crio": {"/var/lib/containers"},
	} {
		units := []string{unitName(mount)}
		guarded := ""
		for _, f := range folders {
			for _, t := range top {
				if inside(f, t) {
					units = append(units, unitName(f))
					if t != "/" {
						guarded += " " + f
					}
				}
			}
		}
		if len(units) == 1 {
			continue
		}
		list := strings.Join(units, " ")
		all[filepath.Join(systemdFolder, service+".service.d", dropIn)] = `# Written by kubeadm-arm storage apply; kubeadm-arm storage undo takes it away.
[Unit]
Wants=` + list + `
After=` + list + `
StartLimitIntervalSec=0

[Service]
ExecStartPre=` + program + ` storage guard` + guarded + `
`
	}
	return all
}

// systemd tells whether systemd runs the board (sd_booted(3)).
func systemd() bool {
	info, err := os.Stat("/run/systemd/system")
	return err == nil && info.IsDir()
}

func (b Board) writeUnits(ctx context.Context, units map[string]string) error {
	changed := false
	for _, path := range sorted(units) {
		if old, err := os.ReadFile(path); err == nil && string(old) == units[path] {
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

// removeUnits removes all drop-ins of ours and folders that they leave empty.
func (b Board) removeUnits(ctx context.Context) error {
	all, err := filepath.Glob(filepath.Join(systemdFolder, "*.service.d", dropIn))
	if err != nil || len(all) == 0 {
		return err
	}
	for _, path := range all {
		if err := b.FS.Remove(path); err != nil {
			return fmt.Errorf("remove %s: %w", path, err)
		}
		if emptyFolder(filepath.Dir(path)) {
			if err := b.FS.Remove(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return b.reload(ctx)
}

// reload has systemd read fstab and the drop-ins again.
func (b Board) reload(ctx context.Context) error {
	if !systemd() {
		return nil
	}
	return b.FS.Do("reload", "systemd", func() error {
		_, err := b.Run(ctx, "systemctl", "daemon-reload")
		return err
	})
}
