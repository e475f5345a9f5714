package main

import (
	"context"
	"fmt"
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

// returnFromPowerCut cuts the board's power and waits until the control plane is there
// again without anybody's help.
func (d *demo) returnFromPowerCut() (*reboot, error) {
	// A node can be Ready before its first lease is there.
	before, err := d.onBoard(d.limit, "sh", "-c", "until "+lease+" 2>/dev/null; do sleep 1; done")
	if err != nil {
		return nil, fmt.Errorf("ask for the node's lease: %w: %s", err, before)
	}
	d.log.Printf("cutting the power")
	if err := d.board.Reboot(context.Background()); err != nil {
		return nil, err
	}
	r := &reboot{Limit: d.limit.Seconds()}
	out, err := d.onBoard(d.limit, "sh", "-c", returnScript, before)
	_, _ = fmt.Sscan(out, &r.ReadySeconds, &r.NodeSeconds) // what is missing did not come
	if r.NodeReady = err == nil; r.NodeReady {
		d.log.Printf("control plane back %.0f s after the power came back, node %.0f s", r.ReadySeconds, r.NodeSeconds)
	}
	started, err := d.onBoard(time.Minute, "systemctl", "show", "--property=FinishTimestampMonotonic", "--value")
	if err != nil {
		return r, fmt.Errorf("ask when the board had started: %w: %s", err, started)
	}
	micros, err := strconv.ParseFloat(strings.TrimSpace(started), 64)
	r.UpSeconds = micros / 1e6
	return r, err
}
