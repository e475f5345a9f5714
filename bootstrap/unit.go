package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// unitName is the systemd unit that puts staged manifests back: those of a
// bootstrap that a power cut ended, and those that it holds back itself whenever
// a slow board starts.
const unitName = "kubeadm-arm-release.service"

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

// needsUnit tells whether a plan stages manifests on a board where this program has
// to bring the unit.
func (l Layout) needsUnit(p plan.Plan) bool {
	stages := slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
		_, ok := s.(plan.StageManifests)
		return ok
	})
	return stages && systemd.Booted(l.Root) && !l.unitPackaged()
}

// CheckProgram refuses a plan for which root's units would have to name a program
// that others can replace. program is that of [Options]. It changes nothing.
func CheckProgram(l Layout, p plan.Plan, program func() (string, error)) error {
	if program == nil || !l.needsUnit(p) {
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
	return &RefusedError{UntrustedProgram, err, help}
}

// unitPaths are the unit's file and the link that has it started.
func (l Layout) unitPaths() (file, link string) {
	dir := l.at("/etc/systemd/system")
	return filepath.Join(dir, unitName), filepath.Join(dir, "multi-user.target.wants", unitName)
}

// installUnit installs the unit where systemd runs the board, unless a package
// brought it. It is there before the first manifest is staged and goes after
// the last one is back.
func (l Layout) installUnit(program func() (string, error)) error {
	if program == nil || !systemd.Booted(l.Root) || l.unitPackaged() {
		return nil
	}
	// Asked again at each time: what was root's alone may not be so any more.
	path, err := program()
	if err != nil {
		return refuseProgram(err)
	}
	text, err := Unit(path)
	if err != nil {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	file, link := l.unitPaths()
	if err := l.FS.MkdirAll(filepath.Dir(link), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	if err := l.FS.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	err = l.FS.Do("link", link, func() error { return os.Symlink(filepath.Join("/etc/systemd/system", unitName), link) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	if err := l.FS.SyncDir(filepath.Dir(link)); err != nil {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	return nil
}

// unitPackaged tells whether a package brought the unit, and it is enabled.
func (l Layout) unitPackaged() bool {
	_, link := l.unitPaths()
	return fileExists(link) && (fileExists(l.at(filepath.Join("/lib/systemd/system", unitName))) || fileExists(l.at(filepath.Join("/usr/lib/systemd/system", unitName))))
}

// unitThere tells whether the unit is going to run when the board starts.
func (l Layout) unitThere() bool {
	file, link := l.unitPaths()
	return l.unitPackaged() || fileExists(file) && fileExists(link)
}

// removeUnit removes what installUnit made; a package's unit stays, and so does
// one that has to hold manifests back when the board starts.
func (l Layout) removeUnit() error {
	file, link := l.unitPaths()
	if !fileExists(file) || fileExists(l.HeldBack()) {
		return nil
	}
	for _, path := range []string{link, file} {
		if err := l.FS.Remove(path); err != nil {
			return fmt.Errorf("remove %s: %w", unitName, err)
		}
	}
	return nil
}
