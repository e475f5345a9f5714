package certs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

// The systemd units: one looks before each start of the kubelet, and a timer has another one look
// when the clock has jumped. The second is not ordered before the kubelet, because it
// restarts the kubelet.
const (
	bootUnit  = "kubeadm-arm-certs.service"
	clockUnit = "kubeadm-arm-certs-clock.service"
	timerUnit = "kubeadm-arm-certs-clock.timer"
)

// OffSwitch is the file that switches the units off.
const OffSwitch = state + "/no-renewal"

// Units are the texts of the units by their names, for a program at path.
func Units(path string) (map[string]string, error) {
	command, err := systemd.CommandLine(path, "certs", "boot")
	if err != nil {
		return nil, err
	}
	const documentation = "Documentation=https://github.com/kubeadm-arm/kubeadm-arm man:kubeadm-arm(1)\n"
	const conditions = `# Switch it off with: touch ` + OffSwitch + `
ConditionPathExists=` + KubeletConf + `
ConditionPathExists=!` + OffSwitch + `
RequiresMountsFor=/etc/kubernetes /var/lib/kubelet
After=local-fs.target
`
	service := "\n[Service]\nType=oneshot\nExecStart=" + command +
		"\n# A slow board takes its time; it waits for the clock for a time of its own.\nTimeoutStartSec=infinity\n"
	return map[string]string{
		bootUnit: "[Unit]\nDescription=Renew certificates that expired while the board was off\n" +
			documentation + conditions +
			"# The kubelet starts with new certificates, and not before the clock is right.\n" +
			"Before=kubelet.service kubeadm-arm-release.service\n" +
			service + "\n[Install]\nWantedBy=multi-user.target\n",
		clockUnit: "[Unit]\nDescription=Renew certificates that have expired by a clock that was set\n" +
			documentation + conditions + "After=" + bootUnit + "\n" + service,
		timerUnit: "[Unit]\nDescription=Look at certificates when the clock has been set\n" + documentation +
			"\n[Timer]\n# systemd.timer(5). Before version 242 it does not know this, and only a start of the board counts.\n" +
			"OnClockChange=yes\n" +
			"\n[Install]\nWantedBy=timers.target\n",
	}, nil
}

// unitLinks are the links that have units started.
func unitLinks() map[string]string {
	return map[string]string{bootUnit: "multi-user.target.wants", timerUnit: "timers.target.wants"}
}

const unitDir = "/etc/systemd/system"

// packaged reports whether a package brought the units. Whether they are enabled is the
// owner's choice then.
func (b Board) packaged() bool {
	return durable.Exists(b.at("/lib/systemd/system/"+bootUnit)) ||
		durable.Exists(b.at("/usr/lib/systemd/system/"+bootUnit))
}

// InstallUnits has systemd, where it runs the board, look at the certificates at
// each start. Units that are there stay as they are, enabled or not.
func (b Board) InstallUnits(program func() (string, error)) error {
	there := b.packaged() || durable.Exists(b.at(filepath.Join(unitDir, bootUnit)))
	if there || !systemd.Booted(b.Root) {
		return nil
	}
	path, err := program()
	if err != nil {
		return err
	}
	units, err := Units(path)
	if err != nil {
		return fmt.Errorf("install %s: %w", bootUnit, err)
	}
	if err := b.FS.MkdirAll(b.at(unitDir), 0o755); err != nil {
		return fmt.Errorf("install %s: %w", bootUnit, err)
	}
	for _, name := range []string{clockUnit, timerUnit, bootUnit} {
		if err := b.FS.WriteFile(b.at(filepath.Join(unitDir, name)), []byte(units[name]), 0o644); err != nil {
			return fmt.Errorf("install %s: %w", name, err)
		}
		wants, ok := unitLinks()[name]
		if !ok {
			continue
		}
		link := b.at(filepath.Join(unitDir, wants, name))
		if err := b.FS.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return fmt.Errorf("install %s: %w", name, err)
		}
		err := b.FS.Do("link", link, func() error { return os.Symlink(filepath.Join(unitDir, name), link) })
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("install %s: %w", name, err)
		}
		if err := b.FS.SyncDir(filepath.Dir(link)); err != nil {
			return fmt.Errorf("install %s: %w", name, err)
		}
	}
	return nil
}

// RemoveUnits removes what InstallUnits made; a package's stay.
func (b Board) RemoveUnits() (removed []string, err error) {
	for _, name := range []string{bootUnit, timerUnit, clockUnit} {
		paths := []string{filepath.Join(unitDir, name)}
		if !durable.Exists(b.at(paths[0])) {
			continue
		}
		if wants, ok := unitLinks()[name]; ok {
			paths = append([]string{filepath.Join(unitDir, wants, name)}, paths...)
		}
		for _, path := range paths {
			if err := b.FS.Remove(b.at(path)); err != nil {
				return removed, fmt.Errorf("remove %s: %w", name, err)
			}
		}
		removed = append(removed, b.at(filepath.Join(unitDir, name)))
	}
	return removed, nil
}
