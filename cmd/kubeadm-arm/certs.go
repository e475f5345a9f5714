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
	if err := needFolder(string(root)); err != nil {
		return err
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
	text := status.Text()
	if root != "/" && status.Due() {
		text += "The commands are for the board that these files are of.\n"
	}
	_, err = fmt.Fprint(v.stdout, text)
	return err
}

// runCertsRenew is `kubeadm-arm certs renew` without a name.
func (v invocation) runCertsRenew(o options) error {
	period, err := o.validity("validity")
	if err != nil {
		return err
	}
	for _, name := range []string{"dry-run", "all", "validity"} {
		if _, given := o.all.Get(name); given && o.on("token-stdin") {
			return o.bad("token-stdin", fmt.Errorf("it does not go with --%s", name))
		}
	}
	if err := needRoot("certs renew"); err != nil {
		return err
	}
	return v.interruptible(func(ctx context.Context) error { return v.certsRenew(ctx, o, period) })
}

// interruptible does what goes on where it was when it is done again.
func (v invocation) interruptible(do func(context.Context) error) error {
	stop := v.listen()
	defer stop.close()
	err := do(stop.ctx)
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
		return v.renew(ctx, o, seen, ask, period, state.Moment)
	}
	d := certs.Decide(seen, ask)
	pending := certsBoard().Pending()
	if pending {
		printable.Fprintln(v.stdout,
			"would restart the kubelet and the control plane, which the renewal before this one has not done")
	}
	for _, r := range d.Renew {
		printable.Fprintf(v.stdout, "would renew %s: %s\n", r.Name, r.Reason)
	}
	v.sayShorter(seen, clock.Now, period)
	if !d.Due() && !pending {
		v.sayNothingDue(seen)
	}
	return v.refusals(d, clock)
}

func (v invocation) sayNothingDue(seen certs.Seen) {
	why := "no certificate has expired or soon will"
	if len(seen.Leaves)+len(seen.Authorities) == 0 {
		why = certs.NothingHere
	}
	printable.Fprintln(v.stdout, "nothing to renew: "+why)
}

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
func (v invocation) renew(ctx context.Context, o options, seen certs.Seen, ask certs.Ask,
	period, patience time.Duration) error {
	b := certsBoard()
	var d certs.Decision
	err := alone(patience, func() (err error) {
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
		v.sayNothingDue(seen)
	}
	return v.refusals(d, certs.ReadClock("/", seen, ask.Now, !ask.Unsure))
}

// alone does something while no other kubeadm-arm changes the board, and waits for one that does as long as patience.
func alone(patience time.Duration, do func() error) error {
	leave, err := state.EnterWithin(board(), patience)
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
	if d.NeedsKubeadm(seen) {
		path, behaviour, err := v.kubeadmFor(ctx, o)
		if err != nil {
			return d, err
		}
		b.Kubeadm = certs.RealKubeadm(path, behaviour, seen, v.env, kubeadm.Exec)
	}
	if kept, err = b.Renew(ctx, seen, d, period); err != nil {
		return d, err
	}
	for _, r := range d.Renew {
		printable.Fprintf(v.stdout, "renewed %s: %s\n", r.Name, r.Reason)
	}
	v.sayShorter(seen, ask.Now, period)
	v.sayKept(kept)
	if d.Renews("admin.conf") {
		printable.Fprintln(v.stdout,
			"for kubectl: sudo cp /etc/kubernetes/admin.conf ~/.kube/config && sudo chown $(id -u) ~/.kube/config")
	}
	return d, nil
}

// sayShorter names the authorities that end before what was asked for would; a period of 0 was not.
func (v invocation) sayShorter(seen certs.Seen, now time.Time, period time.Duration) {
	for _, a := range seen.Authorities {
		if period > 0 && a.Certificate != nil && a.Certificate.NotAfter.Before(now.Add(period)) {
			printable.Fprintf(v.stderr, "kubeadm-arm: nothing that the authority %s signs is valid after its end on %s\n",
				a.Name, a.Certificate.NotAfter.UTC().Format(time.DateOnly))
		}
	}
}

// sayKept names the folder with the old files. There is none where none was left.
func (v invocation) sayKept(dir string) {
	if dir != "" {
		printable.Fprintf(v.stdout, "the old files are in %s\n", dir)
	}
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
		Kubelet: func() error { return v.restartKubelet(ctx, "") },
	})
}

// restartKubelet does what its name says. Its exit code is none of systemctl's, which is not
// the command that the owner has given; flag was that one's.
func (v invocation) restartKubelet(ctx context.Context, flag string) error {
	_, err := kubeadm.Exec(ctx, kubeadm.Command{Path: "systemctl", Args: []string{"restart", "kubelet"}, Env: v.env})
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &problem{exitInternal, "journalctl -u kubelet; then run again: sudo kubeadm-arm certs renew" + flag,
		fmt.Errorf("%w: %s", err, kubeadm.ErrorLine(err))}
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
	groups := d.Groups()
	hint := groups[0].Do
	for _, g := range groups {
		lines = append(lines, fmt.Sprintf("%s cannot be renewed: %s", strings.Join(g.Names, ", "), g.Why))
		if g.Do != hint {
			lines = append(lines, "for "+g.Names[0]+": "+g.Do)
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
	valid := false
	err = alone(state.Moment, func() (err error) {
		seen, err := certs.Look("/")
		if err != nil {
			return err
		}
		if valid, err = checkBootstrap(b, seen); valid || err != nil {
			return err
		}
		if _, err = b.Complete(seen); err != nil { // or it would put the old ones back into place later
			return err
		}
		kept, err = b.Bootstrap(token)
		return err
	})
	switch {
	case err != nil:
		return err
	case valid:
		printable.Fprintln(v.stdout, "the kubelet's certificate is valid, and it renews that itself: the token is not used")
		return b.EndBootstrap() // that of a run that was interrupted
	}
	printable.Fprintln(v.stdout, "the kubelet has a bootstrap kubeconfig")
	v.sayKept(kept)
	if err := v.restartKubelet(ctx, " --token-stdin"); err != nil {
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
		if err := await.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return &problem{exitStuck, "journalctl -u kubelet; kubectl get csr",
		fmt.Errorf("the kubelet has no certificate after %s", patience)}
}

// checkBootstrap refuses a bootstrap that would take from a node what works. It reports whether
// the kubelet's certificate is valid, so that it needs none.
func checkBootstrap(b certs.Board, seen certs.Seen) (valid bool, err error) {
	clock := certs.ReadClock("/", seen, b.Now(), certs.Synchronized())
	switch {
	case seen.ControlPlane:
		return false, &problem{exitCerts, "sudo kubeadm-arm certs renew",
			errors.New("this is a control-plane node: its kubelet starts the API server that would have to answer the token")}
	case !seen.Node && !b.Bootstrapping():
		return false, &problem{exitCerts, "sudo kubeadm-arm join", errors.New("no kubelet is set up here")}
	case !clock.Right():
		return false, &problem{exitCerts, "set the clock, and run again", errors.New(clock.Why())}
	}
	l, ok := seen.Leaf("kubelet-client")
	if !ok {
		l, ok = seen.Leaf("kubelet.conf")
	}
	valid = seen.Node && ok && l.Problem == "" && l.Certificate.NotAfter.After(clock.Now)
	return valid, nil
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
	seen, err := certs.Look("/")
	if err != nil || !seen.Node {
		return err
	}
	return v.interruptible(func(ctx context.Context) error {
		clock, err := v.awaitClock(ctx, seen, patience)
		if err != nil {
			return err
		}
		ask := certs.Ask{Now: clock.Now, Within: certs.Within, Unsure: !clock.Right()}
		return v.renew(ctx, o, seen, ask, 0, time.Minute)
	})
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
		if err := await.Sleep(ctx, time.Second); err != nil {
			return c, err
		}
	}
	printable.Fprintf(v.stdout, "the clock is right now: %s\n", c.Now.UTC().Format(time.RFC3339))
	return c, nil
}
