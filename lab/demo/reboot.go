package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
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

// lease is the time at which the node last renewed its lease. Its condition is still
// Ready from before the power cut.
const lease = "kubectl get lease --namespace=kube-node-lease -o jsonpath={.items[0].spec.renewTime}"

// returnScript waits until the API server is ready, and until the lease $0 was renewed,
// and prints the board's uptime at each. kubectl takes seconds of the slowest boards'
// only core: it pauses four times as long as that took.
const returnScript = `
await() {
	until read -r before rest < /proc/uptime; sh -c "$1"; do
		read -r now rest < /proc/uptime
		pause=$(((${now%.*} - ${before%.*}) * 4)); sleep $((pause > 5 ? pause : 5))
	done >/dev/null 2>&1
	read -r now rest < /proc/uptime; echo "$now"
}
await 'test "$(kubectl get --raw /readyz)" = ok'
await "now=\$(` + lease + `) && test \"\$now\" != '$0'"
`

// cutPower cuts the board's power and waits until the control plane is there
// again without anybody's help.
func (d *demo) cutPower() (*reboot, error) {
	// A node can be Ready before its first lease is there.
	before, err := d.onBoard(d.limit, "sh", "-c", "until "+lease+" 2>/dev/null; do sleep 1; done")
	if err != nil {
		return nil, fmt.Errorf("ask for the node's lease: %w: %s", err, before)
	}
	d.say("cutting the power")
	if err := d.restart(); err != nil {
		return nil, err
	}
	r := &reboot{Limit: d.limit.Seconds()}
	out, err := d.onBoard(d.limit, "sh", "-c", returnScript, before)
	_, _ = fmt.Sscan(out, &r.ReadySeconds, &r.NodeSeconds) // what is missing did not come
	if r.NodeReady = err == nil; r.NodeReady {
		d.say("control plane back %.0f s after the power came back, node %.0f s", r.ReadySeconds, r.NodeSeconds)
	}
	started, err := d.onBoard(time.Minute, "systemctl", "show", "--property=FinishTimestampMonotonic", "--value")
	if err != nil {
		return r, fmt.Errorf("ask when the board had started: %w: %s", err, started)
	}
	micros, err := strconv.ParseFloat(strings.TrimSpace(started), 64)
	r.UpSeconds = micros / 1e6
	return r, err
}

// restart cuts the power and starts the board again.
func (d *demo) restart() error {
	cmd := exec.Command(d.lab, "reboot", "--name", d.board)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	return nil
}

// cutInTheMiddle cuts the power in the longest wait of kubeadm-arm and waits for
// the board to put its manifests back by itself. What systemd's unit does with the
// board's own disk cannot be seen on a throttled board.
func (d *demo) cutInTheMiddle(t tool, r *run) error {
	var cut error
	var up chan struct{}
	out, _ := d.bootstrap(t, middle, func() {
		d.say("cutting the power in the middle")
		r.PowerCuts++
		up = make(chan struct{})
		go func() { cut = d.restart(); close(up) }()
	})
	if up == nil {
		return fmt.Errorf("cut the power: kubeadm-arm ended before its longest wait\n%s", out)
	}
	if <-up; cut != nil {
		return cut
	}
	const back = `until test "$(ls /etc/kubernetes/manifests | wc -l)" = 4 && systemctl show -p ActiveState,Result,ExecMainStatus kubeadm-arm-release.service | tr '\n' ' ' | grep -q 'Result=success.*ActiveState=inactive\|ActiveState=inactive.*Result=success\|ActiveState=failed'; do sleep 2; done
systemctl show -p Result,ExecMainStatus,ExecMainStartTimestamp,ExecMainExitTimestamp kubeadm-arm-release.service; journalctl -b -o cat -u kubeadm-arm-release.service`
	return d.ask(r, "after a power cut in the middle the unit puts the manifests back", back)
}
