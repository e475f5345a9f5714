package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// install installs kubeadm-arm's package as an owner does. Its unit is then
// enabled, and was not started: an init that is under way would be disturbed.
func (d *demo) install(r *run) error {
	at := "/usr/local/bin/" + filepath.Base(d.deb)
	if err := d.ask(r, "its package is installed", "dpkg --install "+at); err != nil {
		return err
	}
	return d.ask(r, "its unit is enabled and has not run", `
rm `+at+`
test "$(systemctl is-enabled kubeadm-arm-release.service)" = enabled
test "$(systemctl show -p ExecMainStartTimestampMonotonic --value kubeadm-arm-release.service)" = 0`)
}

// unitAfterwards wants the package's unit to be the only one. On a board whose
// bootstrap was staged it had work when the board started, and has ended with all
// manifests in place; on another one it did nothing.
func (d *demo) unitAfterwards(r *run) error {
	return d.ask(r, "its unit did what there was to do, and ended", `
test "$(systemctl show -p FragmentPath --value kubeadm-arm-release.service)" = /lib/systemd/system/kubeadm-arm-release.service ||
test "$(systemctl show -p FragmentPath --value kubeadm-arm-release.service)" = /usr/lib/systemd/system/kubeadm-arm-release.service
if test -e /etc/kubernetes/kubeadm-arm/held-back; then
  timeout 600 sh -c 'while test "$(systemctl is-active kubeadm-arm-release.service)" = active; do sleep 10; done'
  test "$(systemctl show -p Result --value kubeadm-arm-release.service)" = success
  journalctl -u kubeadm-arm-release.service | grep 'held back: '
else
  test "$(systemctl show -p ConditionResult --value kubeadm-arm-release.service)" = no
  test "$(systemctl show -p ExecMainStartTimestampMonotonic --value kubeadm-arm-release.service)" = 0
fi
test "$(ls /etc/kubernetes/manifests | wc -l)" = 4`)
}

// ask has the board show something, and notes it.
func (d *demo) ask(r *run, what, script string) error {
	script = strings.ReplaceAll(script, "LIMIT", d.patience(d.limit)+"s")
	out, took, err := d.timed(2*d.limit, "bash", "-exc", script)
	if err != nil {
		return fmt.Errorf("%s: %w: %s", what, err, out)
	}
	d.log.Printf("%s: %.1f s", what, took)
	r.Checks = append(r.Checks, check{what, took})
	return nil
}
