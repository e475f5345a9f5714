package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// board is the layout of the board that this program runs on.
func board() bootstrap.Layout { return bootstrap.Layout{Root: "/", FS: durable.FS{Hook: diskHook()}} }

// thisProgram is the path that systemd can start this program by.
func thisProgram() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// trustedProgram is that path where root's units may name it.
func trustedProgram() (string, error) { return systemd.TrustedProgram(thisProgram()) }

// checkInput is what bootstrap compares with an interrupted run's journal.
func checkInput(own initFlags, b boardRun, config []byte) bootstrap.CheckInput {
	in := bootstrap.CheckInput{
		Request: bootstrap.RequestOf(b.args, config), Ignore: ignored(b.args, b.config), Board: boardID(b.board),
		KubeadmVersion: b.behaviour.Version.String(), Addresses: addresses(), Now: time.Now(), Anyway: own.anyway,
	}
	if own.journal != nil {
		in.Request = own.journal.RequestAgain(in.Request)
	}
	return in
}

func boardID(b hwdetect.Board) bootstrap.BoardID {
	cpu := b.CPU.ModelName
	if len(b.CPU.Cores) > 0 && b.CPU.Cores[0].Name != "" {
		cpu = b.CPU.Cores[0].Name
	}
	return bootstrap.BoardID{Model: b.Model, CPU: cpu, Cores: b.CPU.Count}
}

// addresses are those of all interfaces, nil if they cannot be asked for.
func addresses() []string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var texts []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			texts = append(texts, n.IP.String())
		}
	}
	return texts
}

func needRoot(command string) error {
	if isRoot() {
		return nil
	}
	return &problem{exitNotRoot, "run it again with sudo", fmt.Errorf("%s must be run as root", command)}
}

// resume is `kubeadm-arm resume`: the interrupted init with its own arguments.
func (v invocation) resume(o options) error {
	own, err := v.initFlags(o)
	if err != nil {
		return err
	}
	own.anyway = o.on("anyway")
	if err := needRoot("resume"); err != nil {
		return err
	}
	if own.journal, err = bootstrap.Interrupted(board()); err != nil {
		return err
	}
	args, err := own.journal.Resumable(board())
	if err != nil {
		return err
	}
	if own.kubeadm == "" && exists(own.journal.Kubeadm) {
		own.kubeadm = own.journal.Kubeadm
	}
	stop := v.listen()
	defer stop.close()
	b, err := v.readBoard(stop.ctx, own, args)
	if err != nil {
		return err
	}
	return v.bootstrap(stop, own, b)
}

// status is `kubeadm-arm status`.
func (v invocation) status(o options) error {
	if err := needRoot("status"); err != nil {
		return err
	}
	s, err := bootstrap.ReadStatus(board())
	if err != nil {
		return err
	}
	if o.text("output") == "json" {
		return writeJSON(v.stdout, s)
	}
	return v.showStatus(s)
}

func (v invocation) showStatus(s bootstrap.Status) error {
	words := map[string]string{
		"none":        "no run of kubeadm-arm is under way or interrupted",
		"running":     "a run is under way",
		"interrupted": "a run was interrupted",
		"starting":    "the board is starting its control plane, part by part",
		"unreadable":  "there is a journal that cannot be read: " + s.Problem,
	}
	printable.Fprintln(v.stdout, words[s.State])
	w := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
	if s.Writer != nil {
		printable.Fprintf(w, "  process\t%s\n", s.Writer)
	}
	if s.Steps > 0 {
		printable.Fprintf(w, "  kubeadm\t%s\n  begun\t%s by the clock of then\n  steps\t%d of %d done\n", s.Kubeadm, s.Started, s.Done, s.Steps)
	}
	if s.Step != "" {
		state := "to come"
		if s.Begun {
			state = "begun"
		}
		printable.Fprintf(w, "  step\t%s (%s)\n", s.Step, state)
	}
	for _, c := range plan.Components() {
		printable.Fprintf(w, "  %s\t%s\n", c, s.Manifests[c])
	}
	if s.Next != "" {
		printable.Fprintf(w, "  next\t%s\n", s.Next)
	}
	return w.Flush()
}

// abort is `kubeadm-arm abort`.
func (v invocation) abort(options) error {
	if err := needRoot("abort"); err != nil {
		return err
	}
	released, err := bootstrap.Abort(board())
	v.sayReleased(released)
	if err != nil {
		return err
	}
	printable.Fprintln(v.stdout, "the interrupted run is given up; what kubeadm made is still there (kubeadm reset removes it)")
	return nil
}

func (v invocation) sayReleased(released []string) {
	if len(released) > 0 {
		printable.Fprintf(v.stderr, "kubeadm-arm: put back into the manifests folder: %s\n", strings.Join(released, ", "))
	}
}

// releasePatience is how long release --wait waits for the API server before it
// puts the others back without it: the slowest board seen needs 20 minutes.
const releasePatience = time.Hour

// release is what the systemd unit runs when the board starts.
func (v invocation) release(o options) error {
	patience, err := o.duration("patience")
	if err != nil {
		return err
	}
	if err := needRoot("release"); err != nil {
		return err
	}
	if o.on("hold-back") {
		held, err := bootstrap.HoldBack(board())
		if len(held) > 0 {
			printable.Fprintln(v.stdout, "held back: "+strings.Join(held, ", "))
		}
		return err
	}
	stop := v.listen()
	defer stop.close()
	_, err = bootstrap.Release(stop.ctx, bootstrap.ReleaseOptions{
		Layout: board(), Wait: o.on("wait"), Patience: patience, Poll: 5 * time.Second, Now: time.Now, Hold: bootstrap.Suspending(bootstrap.HoldProcess, suspensions()),
		Tell: func(line string) { printable.Fprintln(v.stdout, line) },
	})
	if sig := stop.signal(); sig != 0 {
		return &problem{128 + int(sig), "", fmt.Errorf("interrupted by %s", signalName(sig))}
	}
	return err
}

// reset is kubeadm's, and after its success everything of ours goes too. What only
// shows something, asks for one phase or for another root folder, or cannot be parsed,
// is kubeadm's alone.
func (v invocation) reset(args []string) error {
	rest, asked, err := v.ownKubeadm(args)
	if err != nil {
		return err
	}
	a, err := kubeadm.ParseArgs(rest, append(kubeadm.InitFlags(), kubeadm.OtherFlags()...))
	if err != nil || !isRoot() || len(a.Words) > 1 || hasRootfs(a) || a.Bool("help") || a.Bool("dry-run") {
		return v.passThrough(args)
	}
	path, err := v.realKubeadm(asked)
	if err != nil {
		return err
	}
	if err := refuseIllegal(path); err != nil {
		return err
	}
	removed, left, err := bootstrap.Reset(board(), func() error { return v.child(path, rest) })
	for _, l := range left {
		fmt.Fprintf(v.stderr, "kubeadm-arm: left as it is: %s\n", l)
	}
	if err != nil {
		return err
	}
	units, err := certsBoard().RemoveUnits()
	for _, r := range append(removed, units...) {
		printable.Fprintf(v.stderr, "kubeadm-arm: removed %s\n", r)
	}
	return err
}

// child runs the real kubeadm at this terminal and passes signals on.
func (v invocation) child(path string, args []string) error {
	cmd := exec.Command(path, args...)
	cmd.Args[0] = "kubeadm"
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = v.stdin, v.rawStdout, v.rawStderr, v.env
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer func() {
		signal.Stop(signals)
		close(signals)
	}()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			code = 128 + int(status.Signal())
		}
		return &saidError{code}
	}
	return err
}
