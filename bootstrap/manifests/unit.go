package manifests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

// Unit is the text of that unit for a program at path. The error is for a path that
// cannot stand in a unit.
func Unit(path string) (string, error) {
	holdBack, err := systemd.CommandLine(path, "release", "--hold-back")
	if err != nil {
		return "", err
	}
	wait, err := systemd.CommandLine(path, "release", "--wait")
	if err != nil {
		return "", err
	}
	return `[Unit]
Description=Start the parts of a control plane one after the other
Documentation=https://github.com/kubeadm-arm/kubeadm-arm man:kubeadm-arm(1)
# What a slow board holds back at every start, and what an interrupted bootstrap
# left staged: one of two folders, depending on what is mounted where.
ConditionPathExists=|/etc/kubernetes/kubeadm-arm/held-back
ConditionDirectoryNotEmpty=|/etc/kubernetes/kubeadm-arm/staged
ConditionDirectoryNotEmpty=|/etc/kubernetes/manifests/.kubeadm-arm-staged
RequiresMountsFor=/etc/kubernetes /etc/kubernetes/manifests
After=local-fs.target
# The kubelet starts once manifests are held back, and while they are put back.
Before=kubelet.service
Wants=kubelet.service

[Service]
Type=simple
ExecStartPre=-` + holdBack + `
ExecStart=` + wait + `
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target
`, nil
}

// CheckProgram refuses a program that root's units must not name, where this program
// has to bring the unit. It changes nothing.
func CheckProgram(l state.Layout, program func() (string, error)) error {
	if program == nil || !systemd.Booted(l.Root) || unitPackaged(l) {
		return nil
	}
	if _, err := program(); err != nil {
		return refuseProgram(err)
	}
	return nil
}

func refuseProgram(err error) error {
	help := ""
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		help = hinted.Hint()
	}
	return state.Refuse(state.UntrustedProgram, err, help)
}

// InstallUnit installs the unit where systemd runs the board, unless a package
// brought it. It is there before the first manifest is staged and is removed after the
// last one is released.
func InstallUnit(l state.Layout, program func() (string, error)) error {
	if program == nil || !systemd.Booted(l.Root) || unitPackaged(l) {
		return nil
	}
	// Checked each time: others may be able to write to it by now.
	path, err := program()
	if err != nil {
		return refuseProgram(err)
	}
	text, err := Unit(path)
	if err != nil {
		return fmt.Errorf("install %s: %w", state.UnitName, err)
	}
	file, link := l.Unit(), l.UnitLink()
	if err := l.FS.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", state.UnitName, err)
	}
	if err := l.FS.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("install %s: %w", state.UnitName, err)
	}
	err = l.FS.Do("link", link, func() error {
		return os.Symlink(filepath.Join("/etc/systemd/system", state.UnitName),
			link)
	})
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("install %s: %w", state.UnitName, err)
	}
	if err := l.FS.SyncDir(filepath.Dir(link)); err != nil {
		return fmt.Errorf("install %s: %w", state.UnitName, err)
	}
	return nil
}

// unitPackaged reports whether a package brought the unit, and it is enabled.
func unitPackaged(l state.Layout) bool {
	return durable.Exists(l.UnitLink()) && slices.ContainsFunc(l.PackagedUnits(), durable.Exists)
}

// unitThere reports whether the unit is going to run when the board starts.
func UnitInstalled(l state.Layout) bool {
	file, link := l.Unit(), l.UnitLink()
	return unitPackaged(l) || durable.Exists(file) && durable.Exists(link)
}

// RemoveUnit removes what installUnit made; a package's unit stays, and so does
// one that has to hold manifests back when the board starts.
func RemoveUnit(l state.Layout) error {
	file, link := l.Unit(), l.UnitLink()
	if !durable.Exists(file) || durable.Exists(l.BootList()) {
		return nil
	}
	for _, path := range []string{link, file} {
		if err := l.FS.Remove(path); err != nil {
			return fmt.Errorf("remove %s: %w", state.UnitName, err)
		}
	}
	return nil
}
