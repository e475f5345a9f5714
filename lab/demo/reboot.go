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
	// Limit is how long it was waited for.
	Limit float64 `json:"limitSeconds"`
}

// since is a time after the power came back, for people.
func (r reboot) since(seconds float64) string {
	if seconds == 0 {
		return fmt.Sprintf("not within %.0f min", r.Limit/60)
	}
	return fmt.Sprintf("after %.0f s", seconds)
}

// pause is how long to leave a board alone that was asked since then: kubectl takes
// seconds of the slowest boards' only core.
func pause(asked time.Time) time.Duration { return max(5*time.Second, 4*time.Since(asked)) }

// cutPower cuts the board's power and waits until the control plane is there
// again without anybody's help.
func (d *demo) cutPower() (*reboot, error) {
	lease := []string{"kubectl", "get", "lease", "--namespace=kube-node-lease", "-o", "jsonpath={.items[0].spec.renewTime}"}
	before, err := d.onBoard(5*time.Minute, lease...)
	// A node can be Ready before its first lease is there.
	for since := time.Now(); err != nil && time.Since(since) < d.here(time.Minute); before, err = d.onBoard(5*time.Minute, lease...) {
		time.Sleep(time.Second)
	}
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
	r := &reboot{UpSeconds: d.since(start), Limit: d.limit.Seconds()}
	ctx, cancel := context.WithTimeout(context.Background(), d.here(d.limit))
	defer cancel()
	for ctx.Err() == nil {
		asked := time.Now()
		if out, err := d.onBoard(time.Minute, "kubectl", "get", "--raw", "/readyz"); err == nil && out == "ok" {
			r.ReadySeconds = d.since(start)
			break
		}
		time.Sleep(pause(asked))
	}
	// The node's condition is still Ready from before; its lease is not.
	for ctx.Err() == nil {
		asked := time.Now()
		if after, err := d.onBoard(time.Minute, lease...); err == nil && after != before {
			r.NodeReady, r.NodeSeconds = true, d.since(start)
			d.say("control plane back %.0f s after the power came back, node %.0f s", r.ReadySeconds, r.NodeSeconds)
			break
		}
		time.Sleep(pause(asked))
	}
	return r, nil
}

// cutInTheMiddle cuts the power in the longest wait of kubeadm-arm and waits for
// the board to put its manifests back by itself. What systemd's unit does with the
// board's own disk cannot be seen on a throttled board.
func (d *demo) cutInTheMiddle(t tool, r *run) error {
	var start time.Time
	var cut error
	up := make(chan struct{})
	out, _ := d.bootstrap(t, middle, func(*os.Process) {
		d.say("cutting the power in the middle")
		r.PowerCuts++
		start = time.Now()
		cmd := exec.Command(d.lab, "reboot", "--name", d.board)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		go func() { cut = cmd.Run(); close(up) }()
	})
	if start.IsZero() {
		return fmt.Errorf("cut the power: kubeadm-arm ended before its longest wait\n%s", out)
	}
	<-up
	if cut != nil {
		return fmt.Errorf("cut the power: %w", cut)
	}
	const back = `until test "$(ls /etc/kubernetes/manifests | wc -l)" = 4 && systemctl show -p ActiveState,Result,ExecMainStatus kubeadm-arm-release.service | tr '\n' ' ' | grep -q 'Result=success.*ActiveState=inactive\|ActiveState=inactive.*Result=success\|ActiveState=failed'; do sleep 2; done
systemctl show -p Result,ExecMainStatus,ExecMainStartTimestamp,ExecMainExitTimestamp kubeadm-arm-release.service; journalctl -b -o cat -u kubeadm-arm-release.service`
	out, err := d.onBoard(d.limit, "sh", "-c", back)
	if err != nil {
		return fmt.Errorf("wait for the manifests to be put back: %w: %s", err, out)
	}
	d.say("the board put its manifests back %.0f s after the power:\n%s", d.since(start), out)
	r.Deeds = append(r.Deeds, deed{"after a power cut in the middle the unit puts the manifests back", d.since(start)})
	return nil
}
