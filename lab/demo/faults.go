package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// A fault disturbs a bootstrap in the middle of kubeadm-arm's longest wait. The same
// command is then run again.
type fault func(d *demo, t tool, r *run) error

// middle is what kubeadm-arm says at the start of its longest wait.
const middle = "wait for kube-apiserver: "

// inTheMiddle runs kubeadm-arm and does something there.
func (d *demo) inTheMiddle(t tool, what func() error) (ended error, out string, err error) {
	var said bytes.Buffer
	trigger := drive.NewTrigger(middle)
	got, err := drive.Disturb(d.bootstrapCommand(t, io.Writer(&said), trigger), trigger.Seen, what)
	if got.Early {
		err = errors.Join(fmt.Errorf("kubeadm-arm ended before its longest wait: %v", got.Ended), err)
	}
	return got.Ended, said.String(), err
}

// interrupt sends kubeadm-arm SIGINT. Afterwards all four manifests have to be in their
// folder.
func interrupt(d *demo, t tool, r *run) error {
	r.Interrupts++
	ended, out, err := d.inTheMiddle(t, func() error {
		out, err := d.onBoard(time.Minute, "pkill", "-INT", "-x", "kubeadm-arm")
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
	if err == nil && drive.ExitCode(ended) != 128+int(syscall.SIGINT) {
		err = fmt.Errorf("want exit code 130, got: %v", ended)
	}
	if err != nil {
		return fmt.Errorf("interrupt kubeadm-arm: %w\n%s", err, out)
	}
	list, err := d.onBoard(time.Minute, "ls", "/etc/kubernetes/manifests")
	if err != nil {
		return err
	}
	if files := strings.Fields(list); len(files) != 4 {
		return fmt.Errorf("after the interrupt the manifests folder holds %v", files)
	}
	d.log.Printf("interrupted; all four manifests are in place; the same command again")
	return nil
}

// unitScript waits until the package's unit has put the manifests back, and shows how
// that went.
const unitScript = `
unit=kubeadm-arm-release.service
until test "$(ls /etc/kubernetes/manifests | wc -l)" = 4 &&
	case $(systemctl is-active $unit) in
	failed) ;;
	inactive) test "$(systemctl show -p Result --value $unit)" = success ;;
	*) false ;;
	esac
do
	sleep 2
done
systemctl show -p Result,ExecMainStatus,ExecMainStartTimestamp,ExecMainExitTimestamp $unit
journalctl -b -o cat -u $unit`

// cutPower cuts the board's power and waits for the board to put its manifests back by
// itself. What systemd's unit does with the board's own disk cannot be seen on a
// throttled board.
func cutPower(d *demo, t tool, r *run) error {
	_, out, err := d.inTheMiddle(t, func() error {
		d.log.Printf("cutting the power in the middle")
		r.PowerCuts++
		return d.board.Reboot(context.Background())
	})
	if err != nil {
		return fmt.Errorf("cut the power: %w\n%s", err, out)
	}
	return d.ask(r, "after a power cut in the middle the unit puts the manifests back", unitScript)
}
