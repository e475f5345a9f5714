// Command drawer shows what happens to a cluster whose board was switched off for
// longer than its certificates are valid.
//
// On emulated boards with systemd and real Kubernetes it brings a control plane up
// with stock kubeadm and with kubeadm-arm, switches the board off, and on again with
// a battery-backed clock that is 400 days ahead. With stock kubeadm the control plane must
// not come back; with kubeadm-arm the node must become Ready without intervention. Then
// kubeadm-arm's board is switched on with a clock that says 1970, which is set some minutes
// later.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// trial is one board and what is done with it.
type trial struct {
	lab                             drive.Lab
	board                           drive.Board
	kind, speed, version, armBinary string
	versions                        []string
	log                             drive.Log
	// clock is the board's, when it is switched on next.
	clock time.Time
}

// away is how long a board is switched off: certificates are valid for 365 days.
const away = 400 * 24 * time.Hour

func main() {
	var t trial
	lab := flag.String("lab", "lab", "the lab program")
	flag.StringVar(&t.armBinary, "kubeadm-arm", "kubeadm-arm", "the kubeadm-arm program, static")
	flag.StringVar(&t.version, "kubernetes", "v1.37.2", "version of Kubernetes")
	flag.StringVar(&t.kind, "board", "amd64", "kind of emulated board")
	flag.StringVar(&t.speed, "speed", "bananapi*4", "its speed, for counted time")
	name := flag.String("name", fmt.Sprintf("drawer-%d", os.Getpid()), "the board's name")
	only := flag.String("only", "", "versions, throttled, worker, stock or kubeadm-arm alone")
	flag.StringSliceVar(&t.versions, "versions", []string{"v1.13.1", "v1.22.17", "v1.28.15", "v1.31.4", "v1.37.2"},
		"kubeadms whose certificates are renewed")
	results := flag.String("results", "", "Markdown file for what was seen, each part in its section")
	recorded := flag.String("record", "", "write what this part has printed, from standard input, and do nothing else")
	expireHere := flag.Bool("expire", false, "on a board: replace its certificates by expired ones, and do nothing else")
	flag.Parse()
	t.lab = drive.Lab(*lab)
	t.board = t.lab.Board(*name)
	ctx, end := context.WithCancel(context.Background())
	drive.OnInterrupt(func() { end(); _ = t.board.Down(ctx) })
	var err error
	switch {
	case *expireHere:
		err = expire("/etc/kubernetes", "/var/lib/kubelet/pki")
	case *recorded != "":
		var text []byte
		text, err = io.ReadAll(os.Stdin)
		err = errors.Join(err, record(*results, *recorded, string(text)))
	default:
		err = t.run(ctx, *only, *results)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "drawer:", err)
		os.Exit(1)
	}
}

// run runs one part, or all, and records the output of those that succeeded.
func (t *trial) run(ctx context.Context, only, results string) error {
	err := fmt.Errorf("%q is no part", only)
	for _, part := range []struct {
		name string
		do   func(context.Context) error
	}{{"versions", t.allVersions}, {"throttled", t.throttled}, {"worker", t.worker}, {"stock", t.stock},
		{"kubeadm-arm", t.ours}} {
		if only != "" && only != part.name {
			continue
		}
		fmt.Println("==", part.name)
		var seen strings.Builder
		t.log = drive.NewLog(io.MultiWriter(os.Stdout, &seen))
		if part.name == "versions" || part.name == "worker" {
			err = part.do(ctx)
		} else {
			err = t.onBoard(ctx, part.name, part.do)
		}
		if err == nil && results != "" {
			err = record(results, part.name, seen.String())
		}
		if err != nil {
			return err
		}
	}
	return err
}

// onBoard makes a board for one trial.
func (t *trial) onBoard(ctx context.Context, name string, do func(context.Context) error) error {
	kind := []string{"--board", t.kind, "--speed", t.speed}
	if name == "throttled" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		kind = []string{"--cpu", "100%", "--bin", self}
	}
	err := t.board.Up(ctx, append(kind, "--kubernetes", t.version, "--bin", t.armBinary)...)
	if err == nil {
		err = do(ctx)
	}
	if err != nil {
		out, _ := t.board.Run(ctx, "sh", "-c", `date
journalctl -b -o short -u kubeadm-arm-certs -u kubeadm-arm-certs-clock -u kubeadm-arm-release | tail -40
journalctl -b -u kubelet | tail -5`)
		t.log.Printf("the board's journals:\n%s", out)
	}
	return errors.Join(err, t.board.Down(ctx))
}

// sh runs a script and logs what it prints.
func (t *trial) sh(ctx context.Context, script string) error {
	out, err := t.board.Run(ctx, "sh", "-ec", "export KUBECONFIG=/etc/kubernetes/admin.conf\n"+script)
	if out = strings.TrimSpace(out); out != "" {
		t.log.Printf("    %s", strings.ReplaceAll(out, "\n", "\n             "))
	}
	return err
}

// step says what is done.
func (t *trial) step(ctx context.Context, what, script string) error {
	t.log.Printf("%s", what)
	if err := t.sh(ctx, script); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// fresh tells whether the node is Ready and all parts of the control plane run.
const fresh = drive.NodeReady + `fresh() {
	for part in etcd kube-apiserver kube-scheduler kube-controller; do pgrep $part >/dev/null || return 1; done
	node_ready
}
`

// ready waits for that, until so many seconds after the board's start, on its clock.
func ready(seconds int) string {
	return fresh + fmt.Sprintf(`since=$(($(date +%%s) - $(cut -d. -f1 /proc/uptime)))
until fresh; do
	test "$(cut -d. -f1 /proc/uptime)" -lt %d || { kubectl get nodes 2>&1 | head -2; exit 1; }; sleep 2
done; echo "Ready $(cut -d. -f1 /proc/uptime) s after the kernel's start, $(date -u +%%FT%%TZ)"`, seconds)
}

// sleep switches the board off, and on again with its clock set to [away] later.
func (t *trial) sleep(ctx context.Context) error {
	out, err := t.board.Run(ctx, "date", "-u", "+%FT%T")
	if err != nil {
		return err
	}
	now, err := time.Parse("2006-01-02T15:04:05", strings.TrimSpace(out))
	if err != nil {
		return err
	}
	t.clock = now.Add(away)
	t.log.Printf("switched off on %s, and on again on %s", now.Format(time.DateOnly), t.clock.Format(time.DateOnly))
	return t.board.Reboot(ctx, "--orderly", "--clock", t.clock.Format("2006-01-02T15:04:05"))
}

// stock shows that kubeadm's control plane does not come back.
func (t *trial) stock(ctx context.Context) error {
	err := t.step(ctx, "kubeadm init", `kubeadm init --config /etc/kubeadm-lab.yaml >/root/init.log 2>&1 || { tail -5 /root/init.log; exit 1; }
`+ready(3600)+"\nsync")
	if err != nil {
		return err
	}
	if err := t.sleep(ctx); err != nil {
		return err
	}
	const dead = `! kubectl get nodes >/root/out 2>&1; tail -1 /root/out | cut -c1-100
echo "kubelet: $(systemctl is-active kubelet), started $(systemctl show -p NRestarts --value kubelet) times again; API servers: $(pgrep -c kube-apiserver || true)"
journalctl -b -o cat -u kubelet | grep -iE 'bootstrap-kubelet|expired' | tail -1 | cut -c1-160
test "$(pgrep -c kube-apiserver || true)" = 0`
	if err := t.step(ctx, "three minutes later", "sleep 180; "+dead); err != nil {
		return err
	}
	return t.step(ctx, "kubeadm certs renew all, the kubelet restarted, three minutes more",
		`kubeadm certs renew all 2>&1 | grep -iE 'falling back|done' | cut -c1-100
systemctl restart kubelet; sleep 180
`+dead)
}

// ours shows that kubeadm-arm's is Ready by itself.
func (t *trial) ours(ctx context.Context) error {
	err := t.step(ctx, "kubeadm-arm init", `kubeadm-arm init --config /etc/kubeadm-lab.yaml >/root/init.log 2>&1 || { tail -5 /root/init.log; exit 1; }
`+ready(3600)+`
kubeadm-arm certs status | head -4
test "$(systemctl is-enabled kubeadm-arm-certs.service kubeadm-arm-certs-clock.timer | sort -u)" = enabled; sync`)
	if err != nil {
		return err
	}
	if err := t.sleep(ctx); err != nil {
		return err
	}
	const journal = `journalctl -b -o short-monotonic -u kubeadm-arm-certs -u kubeadm-arm-certs-clock |
	grep kubeadm-arm | cut -c1-150`
	err = t.step(ctx, "untouched", ready(1800)+"\n"+journal+`
kubectl get pods -A --no-headers | head -12
kubeadm-arm certs status | head -4`)
	if err != nil {
		return err
	}
	return t.wrongClock(ctx, journal)
}

// wrongClock starts the board in 1970, when its certificates have expired once more, and
// sets its clock after three minutes.
func (t *trial) wrongClock(ctx context.Context, journal string) error {
	right := t.clock.Add(away)
	if err := t.step(ctx, "switched off, and on again in 1970", "sync; sleep 5"); err != nil {
		return err
	}
	reboot := t.board.RebootCommand(ctx, "--orderly", "--clock", "1970-01-01T00:10:00")
	if err := reboot.Start(); err != nil {
		return err
	}
	// It returns when the board has started everything, which waits for the clock.
	ended := make(chan error, 1)
	go func() { ended <- reboot.Wait() }()
	// The time is set there: a board that only waits has ten minutes in seconds of this machine.
	held := `until kubeadm-arm status 2>/dev/null | grep -q 'kubelet is held'; do test "$(cut -d. -f1 /proc/uptime)" -lt 400; sleep 1; done
sleep 180; date -u +%F; kubeadm-arm status | head -1; echo "kubelet: $(systemctl is-active kubelet || true)"; test "$(pgrep -c kubelet || true)" = 0
date -u -s ` + right.Format("2006-01-02T15:04:05")
	if err := t.retried(ctx, "three minutes in the wrong year, and then the right time", held); err != nil {
		return errors.Join(err, <-ended)
	}
	err := t.step(ctx, "untouched", ready(2400)+"\n"+journal)
	return errors.Join(err, <-ended)
}

// retried is step on a board that is going down and coming up.
func (t *trial) retried(ctx context.Context, what, script string) (err error) {
	t.log.Printf("%s", what)
	for range 60 {
		if err = t.sh(ctx, script); err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(5 * time.Second)
	}
	return fmt.Errorf("%s: %w", what, err)
}
