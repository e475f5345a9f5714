package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// reboot is how a board came back after its power was cut. Times are seconds
// since the power came back.
type reboot struct {
	UpSeconds    float64 `json:"upSeconds"`    // systemd has started everything
	ReadySeconds float64 `json:"readySeconds"` // the API server says it is ready
	NodeReady    bool    `json:"nodeReady"`    // the node renews its lease: the kubelet is back too
	NodeSeconds  float64 `json:"nodeSeconds"`
}

// cutPower cuts the board's power and waits until the control plane is there
// again without anybody's help.
func (d *demo) cutPower() (*reboot, error) {
	lease := []string{"kubectl", "get", "lease", "--namespace=kube-node-lease", "-o", "jsonpath={.items[0].spec.renewTime}"}
	before, err := d.onBoard(5*time.Minute, lease...)
	if err != nil {
		return nil, fmt.Errorf("ask for the node's lease: %w: %s", err, before)
	}
	d.say("cutting the power")
	start := time.Now()
	cmd := exec.Command(d.lab, "reboot", "--name", d.board)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cut the power: %w", err)
	}
	r := &reboot{UpSeconds: time.Since(start).Seconds()}
	ctx, cancel := context.WithTimeout(context.Background(), d.limit)
	defer cancel()
	for ctx.Err() == nil {
		if out, err := d.onBoard(time.Minute, "kubectl", "get", "--raw", "/readyz"); err == nil && out == "ok" {
			r.ReadySeconds = time.Since(start).Seconds()
			break
		}
		time.Sleep(5 * time.Second)
	}
	// The node's condition is still Ready from before; its lease is not.
	for ctx.Err() == nil {
		if after, err := d.onBoard(time.Minute, lease...); err == nil && after != before {
			r.NodeReady, r.NodeSeconds = true, time.Since(start).Seconds()
			d.say("control plane back %.0f s after the power came back, node %.0f s", r.ReadySeconds, r.NodeSeconds)
			break
		}
		time.Sleep(5 * time.Second)
	}
	return r, nil
}

// install installs kubeadm-arm's package as an owner does.
func (d *demo) install() error {
	const at = "/root/kubeadm-arm.deb"
	if out, err := exec.Command(d.lab, "cp", d.deb, d.board+":"+at).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the package: %w: %s", err, out)
	}
	if out, err := d.onBoard(5*time.Minute, "dpkg", "--install", at); err != nil {
		return fmt.Errorf("install the package: %w: %s", err, out)
	}
	return nil
}
