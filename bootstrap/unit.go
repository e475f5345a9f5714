package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// unitName is the systemd unit that puts staged manifests back when a board
// starts again in the middle of a bootstrap.
const unitName = "kubeadm-arm-release.service"

// Unit is the text of that unit for a program at path.
func Unit(path string) string {
	return `[Unit]
Description=Put control plane manifests back that an interrupted kubeadm-arm had staged
Documentation=https://github.com/kubeadm-arm/kubeadm-arm
# One of the two folders; which one depends on what is mounted where.
ConditionDirectoryNotEmpty=|/etc/kubernetes/kubeadm-arm/staged
ConditionDirectoryNotEmpty=|/etc/kubernetes/manifests/.kubeadm-arm-staged
RequiresMountsFor=/etc/kubernetes /etc/kubernetes/manifests
After=local-fs.target containerd.service crio.service docker.service
Wants=kubelet.service

[Service]
Type=oneshot
ExecStart=` + path + ` release --wait
# A slow board's API server takes its time; release itself never waits for ever.
TimeoutStartSec=infinity
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target
`
}

// unitPaths are the unit's file and the link that has it started.
func (l Layout) unitPaths() (file, link string) {
	dir := l.at("/etc/systemd/system")
	return filepath.Join(dir, unitName), filepath.Join(dir, "multi-user.target.wants", unitName)
}

// installUnit installs the unit where systemd runs the board, unless a package
// brought it. It is there before the first manifest is staged and goes after
// the last one is back.
func (l Layout) installUnit(program string) error {
	if program == "" || strings.ContainsAny(program, " \t\n\"'\\%$") {
		return nil // systemd would read such a path in its own way
	}
	if info, err := os.Stat(l.at("/run/systemd/system")); err != nil || !info.IsDir() {
		return nil // sd_booted(3)
	}
	for _, dir := range []string{"/lib/systemd/system", "/usr/lib/systemd/system"} {
		packaged := l.at(filepath.Join(dir, unitName))
		link := l.at(filepath.Join("/etc/systemd/system/multi-user.target.wants", unitName))
		if fileExists(packaged) && fileExists(link) {
			return nil
		}
	}
	file, link := l.unitPaths()
	if err := l.mkdir(filepath.Dir(link), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	if err := l.writeFile(file, []byte(Unit(program)), 0o644); err != nil {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	err := l.change("link", link, func() error { return os.Symlink(filepath.Join("/etc/systemd/system", unitName), link) })
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	if err := l.syncDir(filepath.Dir(link)); err != nil {
		return fmt.Errorf("install %s: %w", unitName, err)
	}
	return nil
}

// removeUnit removes what installUnit made; a package's unit stays.
func (l Layout) removeUnit() error {
	file, link := l.unitPaths()
	if !fileExists(file) {
		return nil
	}
	for _, path := range []string{link, file} {
		if !fileExists(path) {
			continue
		}
		if err := l.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", unitName, err)
		}
	}
	return l.syncDir(filepath.Dir(file))
}
