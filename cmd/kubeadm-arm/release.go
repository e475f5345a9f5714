package main

import (
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// releasePatience is how long release --wait waits for the API server before it
// puts the others back without it: the slowest board seen needs 20 minutes.
const releasePatience = time.Hour

// runRelease is what the systemd unit runs when the board starts.
func (v invocation) runRelease(o options) error {
	patience, err := o.duration("patience")
	if err != nil {
		return err
	}
	if err := needRoot("release"); err != nil {
		return err
	}
	if o.on("hold-back") {
		held, err := manifests.StageAtBoot(board())
		if len(held) > 0 {
			printable.Fprintln(v.stdout, "held back: "+strings.Join(held, ", "))
		}
		return err
	}
	stop := v.listen()
	defer stop.close()
	_, err = manifests.ReleaseInOrder(stop.ctx, manifests.ReleaseOptions{
		Layout: board(), Wait: o.on("wait"), Patience: patience, Poll: 5 * time.Second, Now: time.Now,
		Pause: await.Suspending(await.PauseProcess, suspensions()),
		Tell:  func(line string) { printable.Fprintln(v.stdout, line) },
	})
	if interrupted := stop.interrupted(""); interrupted != nil {
		return interrupted
	}
	return err
}
