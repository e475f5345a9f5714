package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// install installs kubeadm-arm's package as an owner does. Its unit is then
// enabled, and was not started: an init that is under way would be disturbed.
func (d *demo) install(r *run) error {
	at := "/usr/local/bin/" + filepath.Base(d.deb)
	start := time.Now()
	if out, err := d.onBoard(10*time.Minute, "dpkg", "--install", at); err != nil {
		return fmt.Errorf("install the package: %w: %s", err, out)
	}
	r.Deeds = append(r.Deeds, deed{"its package is installed", time.Since(start).Seconds()})
	return d.ask(r, "its unit is enabled and has not run", `
rm `+at+`
test "$(systemctl is-enabled kubeadm-arm-release.service)" = enabled
test "$(systemctl show -p ExecMainStartTimestampMonotonic --value kubeadm-arm-release.service)" = 0`)
}

// unitRests wants the package's unit to be the only one, and to have done nothing
// when the board started with nothing staged.
func (d *demo) unitRests(r *run) error {
	return d.ask(r, "its unit leaves a board alone that has nothing staged", `
test "$(systemctl show -p FragmentPath --value kubeadm-arm-release.service)" = /lib/systemd/system/kubeadm-arm-release.service ||
test "$(systemctl show -p FragmentPath --value kubeadm-arm-release.service)" = /usr/lib/systemd/system/kubeadm-arm-release.service
test "$(systemctl show -p ConditionResult --value kubeadm-arm-release.service)" = no
test "$(systemctl show -p ExecMainStartTimestampMonotonic --value kubeadm-arm-release.service)" = 0`)
}

// ask has the board show something, and notes it.
func (d *demo) ask(r *run, what, script string) error {
	start := time.Now()
	script = strings.ReplaceAll(script, "LIMIT", d.limit.String())
	if out, err := d.onBoard(2*d.limit, "sh", "-exc", script); err != nil {
		return fmt.Errorf("%s: %w: %s", what, err, out)
	}
	took := time.Since(start).Seconds()
	d.say("%s: %.1f s", what, took)
	r.Deeds = append(r.Deeds, deed{what, took})
	return nil
}
