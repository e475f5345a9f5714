package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/certs"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// certsCommand is `kubeadm-arm certs`; every word that is not in it is kubeadm's. kubeadm
// itself refuses `certs renew` without a name, so none of its commands is hidden.
func certsCommand() *command {
	root := rootFlag("look at the files below this folder instead, such as a mounted card")
	hold := ownFlag{name: "hold", value: "DURATION", def: holdPatience.String(),
		text: "how long the kubelet is held while the clock is wrong"}
	return &command{
		name: "certs", kubeadmVerbs: true,
		calls: []call{{"status|renew", "show when certificates expire, the kubelet's too, and renew them"}},
		about: "kubeadm-arm certs keeps a node's certificates valid, the kubelet's too, also after a year without power.",
		after: "Every other word is kubeadm's own, such as certs check-expiration, and certs renew with a name.",
		verbs: []*command{
			{name: "certs status", run: invocation.runCertsStatus, flags: []ownFlag{outputFlag("text", "json"), root},
				calls: []call{{"[-o json]", "when each certificate expires, the kubelet's too, and what stops then"}}},
			{name: "certs renew", run: invocation.runCertsRenew,
				calls: []call{{"[--dry-run]", "renew what has expired or will within 30 days, and restart what uses it"}},
				flags: []ownFlag{
					{name: "dry-run", text: "show what would be renewed, and why, and change nothing"},
					{name: "all", text: "renew what is valid for longer, too"},
					{name: "validity", value: "DURATION", text: "how long the new certificates are valid, such as 87600h (ten years); " +
						"the default is as long as before. The price: a stolen key can be used for as long"},
					{name: "token-stdin", text: "on a worker whose certificate has expired: read a bootstrap token from standard input"},
					kubeadmFlag(),
				},
				after: "With a name it is kubeadm's own: kubeadm-arm certs renew all, kubeadm-arm certs renew apiserver."},
			{name: "certs boot", hidden: true, run: invocation.runCertsBoot, flags: []ownFlag{hold, kubeadmFlag()},
				calls: []call{{"", "wait for a right clock, then renew; kubeadm-arm-certs.service runs it before the kubelet"}}},
		},
	}
}

// holdPatience is how long the kubelet is held at a start of the board while the clock
// is wrong.
const holdPatience = 10 * time.Minute

// certsBoard is the node that this program runs on, without a kubeadm.
func certsBoard() certs.Board {
	return certs.Board{Root: "/", FS: durable.FS{Hook: durable.KillPoint()}, Now: time.Now}
}

// runCertsStatus is `kubeadm-arm certs status`.
func (v invocation) runCertsStatus(o options) error {
	root := safefile.Root(o.text("root"))
	if root == "/" {
		if err := needRoot("certs status"); err != nil {
			return err
		}
	}
	seen, err := certs.Look(root)
	if err != nil {
		return err
	}
	clock := certs.ReadClock(root, seen, time.Now(), root == "/" && certs.Synchronized())
	status := certs.StatusOf(seen, clock)
	if o.text("output") == "json" {
		return writeJSON(v.stdout, status)
	}
	_, err = fmt.Fprint(v.stdout, status.Text())
	return err
}

// runCertsRenew is `kubeadm-arm certs renew` without a name.
func (v invocation) runCertsRenew(o options) error {
	period, err := o.validity("validity")
	if err != nil {
		return err
	}
	if err := needRoot("certs renew"); err != nil {
		return err
	}
	stop := v.listen()
	defer stop.close()
	err = v.certsRenew(stop.ctx, o, period)
	if interrupted := stop.interrupted("run it again: it continues where it stopped"); err != nil && interrupted != nil {
		return interrupted
	}
	return err
}

func (v invocation) certsRenew(ctx context.Context, o options, period time.Duration) error {
	if o.on("token-stdin") {
		return v.bootstrapKubelet(ctx)
	}
	seen, err := certs.Look("/")
	if err != nil {
		return err
	}
	clock := certs.ReadClock("/", seen, time.Now(), certs.Synchronized())
	ask := certs.Ask{Now: clock.Now, Within: certs.Within, All: o.on("all") || period > 0, Unsure: !clock.Right()}
	if !o.on("dry-run") {
		return v.renew(ctx, o, seen, ask, period)
	}
	d := certs.Decide(seen, ask)
	for _, r := range d.Renew {
		printable.Fprintf(v.stdout, "would renew %s: %s\n", r.Name, r.Reason)
	}
	if !d.Due() {
		printable.Fprintln(v.stdout, nothingDue)
	}
	return v.refusals(d, clock)
}

const nothingDue = "nothing to renew: all certificates are valid for more than 30 days"

// validity is a flag's value as the validity of certificates, 0 without one.
func (o options) validity(name string) (time.Duration, error) {
	const longest = 100 * certs.Year
	period, err := o.duration(name)
	switch {
	case err != nil:
		return 0, err
	case period != 0 && period < 24*time.Hour:
		return 0, o.bad(name, fmt.Errorf("%s is less than a day", period))
	case period > longest:
		return 0, o.bad(name, fmt.Errorf("%s is more than a hundred years", period))
	case period%time.Hour != 0:
		return 0, o.bad(name, fmt.Errorf("%s is no whole number of hours", period))
	}
	return period, nil
}

// renew completes an interrupted renewal, decides and renews, and restarts what runs.
func (v invocation) renew(ctx context.Context, o options, seen certs.Seen, ask certs.Ask, period time.Duration) error {
	b := certsBoard()
	var d certs.Decision
	err := alone(func() (err error) {
		d, err = v.replace(ctx, o, &b, seen, ask, period)
		return err
	})
	if err != nil {
		return err
	}
	// The journal is removed last: until then a new call or the next start restarts, too.
	if b.Pending() {
		if err := v.restartAll(ctx); err != nil {
			return err
		}
		if err := b.Finish(); err != nil {
			return err
		}
	} else if !d.Due() {
		printable.Fprintln(v.stdout, nothingDue)
	}
	return v.refusals(d, certs.ReadClock("/", seen, ask.Now, !ask.Unsure))
}

// alone does something while no other kubeadm-arm changes the board.
func alone(do func() error) error {
	leave, err := state.Enter(board())
	if err != nil {
		return err
	}
	defer leave()
	return do()
}

// replace puts new certificates into place.
func (v invocation) replace(ctx context.Context, o options, b *certs.Board, seen certs.Seen, ask certs.Ask,
	period time.Duration) (d certs.Decision, err error) {
	kept, err := b.Complete(seen)
	if err != nil {
		return d, err
	}
	if kept != "" {
		printable.Fprintf(v.stdout, "the renewal that was interrupted is complete; the old files are in %s\n", kept)
	}
	// Only what is seen under the lock counts.
	if seen, err = certs.Look("/"); err != nil {
		return d, err
	}
	d = certs.Decide(seen, ask)
	if len(d.Renew) == 0 {
		return d, nil
	}
	path, behaviour, err := v.kubeadmFor(ctx, o)
	if err != nil {
		return d, err
	}
	b.Kubeadm = certs.RealKubeadm(path, behaviour, seen, v.env, kubeadm.Exec)
	if kept, err = b.Renew(ctx, seen, d, period); err != nil {
		return d, err
	}
	for _, r := range d.Renew {
		printable.Fprintf(v.stdout, "renewed %s: %s\n", r.Name, r.Reason)
	}
	printable.Fprintf(v.stdout, "the old files are in %s\n", kept)
	if d.Renews("admin.conf") {
		printable.Fprintln(v.stdout,
			"for kubectl: sudo cp /etc/kubernetes/admin.conf ~/.kube/config && sudo chown $(id -u) ~/.kube/config")
	}
	return d, nil
}

// kubeadmFor finds the real kubeadm and what is known of its version.
func (v invocation) kubeadmFor(ctx context.Context, o options) (string, kubeadm.Behaviour, error) {
	path, err := v.runnableKubeadm(o.text("arm-kubeadm"))
	if err != nil {
		return "", kubeadm.Behaviour{}, err
	}
	b, err := v.askBehaviour(ctx, path)
	return path, b, err
}

// restartAll restarts what runs, one after the other.
func (v invocation) restartAll(ctx context.Context) error {
	if !manifests.Runs(board()) {
		return nil
	}
	printable.Fprintln(v.stdout, "restarting the kubelet and the control plane, one component after the other")
	return manifests.Restart(ctx, manifests.RestartOptions{
		ReleaseOptions: manifests.ReleaseOptions{
			Layout: board(), Wait: true, Patience: releasePatience, Poll: 2 * time.Second, Now: time.Now,
			Pause: await.Suspending(await.PauseProcess, suspensions()),
			Tell:  func(line string) { printable.Fprintln(v.stdout, line) },
		},
		Program: trustedProgram,
		Kubelet: func() error { return v.systemctl(ctx, "restart", "kubelet") },
	})
}

func (v invocation) systemctl(ctx context.Context, words ...string) error {
	_, err := kubeadm.Exec(ctx, kubeadm.Command{Path: "systemctl", Args: words, Env: v.env})
	return err
}

// refusals prints what cannot be renewed here, and fails if there is anything.
func (v invocation) refusals(d certs.Decision, clock certs.Clock) error {
	for _, w := range d.Warnings {
		printable.Fprintf(v.stderr, "kubeadm-arm: %s\n", w)
	}
	if len(d.Refused) == 0 {
		return nil
	}
	var lines []string
	hint := d.Refused[0].Do
	for _, r := range d.Refused {
		lines = append(lines, fmt.Sprintf("%s cannot be renewed: %s", r.Name, r.Why))
		if r.Do != hint {
			lines = append(lines, "for "+r.Name+": "+r.Do)
		}
	}
	if !clock.Right() {
		lines = append(lines, clock.Why())
	}
	return &problem{exitCerts, hint, errors.New(strings.Join(lines, "\n"))}
}

// bootstrapKubelet is `certs renew --token-stdin`.
func (v invocation) bootstrapKubelet(ctx context.Context) error {
	text, err := safefile.Wait(ctx, func() ([]byte, error) {
		return safefile.ReadAll(v.stdin, "standard input", 4096)
	})
	if err != nil {
		return err
	}
	token, err := certs.ParseToken(text)
	if err != nil {
		return &problem{exitBadInput, certs.WorkerHint, err}
	}
	b := certsBoard()
	var kept string
	err = alone(func() (err error) {
		seen, err := certs.Look("/")
		if err == nil {
			_, err = b.Complete(seen) // or it would put the old ones back into place later
		}
		if err == nil {
			kept, err = b.Bootstrap(token)
		}
		return err
	})
	if err != nil {
		return err
	}
	printable.Fprintln(v.stdout, "the kubelet has a bootstrap kubeconfig")
	if kept != "" {
		printable.Fprintf(v.stdout, "the old files are in %s\n", kept)
	}
	if err := v.systemctl(ctx, "restart", "kubelet"); err != nil {
		return err
	}
	const patience = 15 * time.Minute // that of the kubelet for one request
	for began := time.Now(); time.Since(began) < patience; {
		if seen, err := certs.Look("/"); err == nil {
			if l, ok := seen.Leaf("kubelet-client"); ok && l.Certificate != nil && l.Certificate.NotAfter.After(time.Now()) {
				printable.Fprintln(v.stdout, "the kubelet has a new certificate")
				return b.EndBootstrap()
			}
		}
		if err := sleepContext(ctx, time.Second); err != nil {
			return err
		}
	}
	return &problem{exitStuck, "journalctl -u kubelet; kubectl get csr",
		fmt.Errorf("the kubelet has no certificate after %s", patience)}
}

func sleepContext(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// watchCertificates has systemd look at the certificates at each start of the board. A
// cluster works without it.
func (v invocation) watchCertificates() {
	if err := certsBoard().InstallUnits(trustedProgram); err != nil {
		printable.Fprintf(v.stderr, "kubeadm-arm: certificates will not be renewed at a start of the board: %v\n", err)
	}
}

// heldFile says, while the kubelet is held, why.
const heldFile = "/run/kubeadm-arm/kubelet-held"

// kubeletHeld is why the kubelet is held, empty while it is not.
func kubeletHeld() string {
	text, err := safefile.Read(heldFile, 4096)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// runCertsBoot is what systemd runs: it holds the kubelet while the clock is wrong, and
// renews what is due.
func (v invocation) runCertsBoot(o options) error {
	patience, err := o.duration("hold")
	if err != nil {
		return err
	}
	if err := needRoot("certs boot"); err != nil {
		return err
	}
	if exists(certs.OffSwitch) {
		return nil
	}
	stop := v.listen()
	defer stop.close()
	seen, err := certs.Look("/")
	if err != nil || !seen.Node {
		return err
	}
	clock, err := v.awaitClock(stop.ctx, seen, patience)
	if err != nil {
		return err
	}
	return v.renew(stop.ctx, o, seen, certs.Ask{Now: clock.Now, Within: certs.Within, Unsure: !clock.Right()}, 0)
}

// awaitClock waits until the clock is right, at most for patience, and not at all where
// the kubelet runs already.
func (v invocation) awaitClock(ctx context.Context, seen certs.Seen, patience time.Duration) (certs.Clock, error) {
	read := func() certs.Clock { return certs.ReadClock("/", seen, time.Now(), certs.Synchronized()) }
	c := read()
	if c.Right() || manifests.Runs(board()) {
		return c, nil
	}
	until := fmt.Sprintf("the kubelet is held until the clock is right, for %s at most: %s", patience, c.Why())
	printable.Fprintln(v.stdout, until)
	if err := os.MkdirAll("/run/kubeadm-arm", 0o755); err == nil {
		_ = os.WriteFile(heldFile, []byte(until+"\n"), 0o644)
	}
	defer os.Remove(heldFile)
	// The monotonic clock: the other one is about to be set.
	for began := time.Now(); !c.Right(); c = read() {
		if time.Since(began) > patience {
			printable.Fprintln(v.stdout,
				"the clock is still not right; the kubelet is started all the same, and nothing is renewed")
			return c, nil
		}
		if err := sleepContext(ctx, time.Second); err != nil {
			return c, err
		}
	}
	printable.Fprintf(v.stdout, "the clock is right now: %s\n", c.Now.UTC().Format(time.RFC3339))
	return c, nil
}
