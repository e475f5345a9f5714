package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// board is the layout of the board that this program runs on.
func board() bootstrap.Layout { return bootstrap.Layout{Root: "/", Hook: diskHook()} }

// thisProgram is the path that systemd can start this program by.
func thisProgram() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

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

// words parses a command's own flags; none of these commands takes words.
func (v invocation) words(f *flag.FlagSet, name string, args []string) (help bool, err error) {
	f.SetOutput(v.stdout)
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return true, nil
	} else if err != nil {
		return false, &problem{exitUsage, "see kubeadm-arm " + name + " --help", err}
	}
	if f.NArg() > 0 {
		return false, &problem{exitUsage, "see kubeadm-arm " + name + " --help", fmt.Errorf("%s takes no arguments, got %q", name, f.Arg(0))}
	}
	return false, nil
}

// resume is `kubeadm-arm resume`: the interrupted init with its own arguments.
func (v invocation) resume(raw []string) error {
	own, rest, err := v.initFlags(raw)
	if err != nil {
		return err
	}
	f := flag.NewFlagSet("kubeadm-arm resume", flag.ContinueOnError)
	f.BoolVar(&own.anyway, "anyway", false, "go on although the board looks like another one")
	if help, err := v.words(f, "resume", rest); help || err != nil {
		return err
	}
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
	if own.kubeadm == "" && v.getenv("KUBEADM_ARM_KUBEADM") == "" && exists(own.journal.Kubeadm) {
		own.kubeadm = own.journal.Kubeadm
	}
	stop := listenForSignals()
	defer stop.close()
	b, err := v.readBoard(stop.ctx, own, args)
	if err != nil {
		return err
	}
	return v.bootstrap(stop, own, b)
}

// status is `kubeadm-arm status`.
func (v invocation) status(args []string) error {
	f := flag.NewFlagSet("kubeadm-arm status", flag.ContinueOnError)
	output := f.StringP("output", "o", "text", "text or json")
	if help, err := v.words(f, "status", args); help || err != nil {
		return err
	}
	if *output != "text" && *output != "json" {
		return &problem{exitUsage, "see kubeadm-arm status --help", fmt.Errorf("flag --output: %q is neither text nor json", *output)}
	}
	if err := needRoot("status"); err != nil {
		return err
	}
	s, err := bootstrap.ReadStatus(board())
	if err != nil {
		return err
	}
	if *output == "json" {
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
	fmt.Fprintln(v.stdout, words[s.State])
	w := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
	if s.Writer != nil {
		fmt.Fprintf(w, "  process\t%s\n", s.Writer)
	}
	if s.Steps > 0 {
		fmt.Fprintf(w, "  kubeadm\t%s\n  begun\t%s by the clock of then\n  steps\t%d of %d done\n", s.Kubeadm, s.Started, s.Done, s.Steps)
	}
	if s.Step != "" {
		state := "to come"
		if s.Begun {
			state = "begun"
		}
		fmt.Fprintf(w, "  step\t%s (%s)\n", s.Step, state)
	}
	for _, c := range plan.Components() {
		fmt.Fprintf(w, "  %s\t%s\n", c, s.Manifests[c])
	}
	if s.Next != "" {
		fmt.Fprintf(w, "  next\t%s\n", s.Next)
	}
	return w.Flush()
}

// abort is `kubeadm-arm abort`.
func (v invocation) abort(args []string) error {
	f := flag.NewFlagSet("kubeadm-arm abort", flag.ContinueOnError)
	if help, err := v.words(f, "abort", args); help || err != nil {
		return err
	}
	if err := needRoot("abort"); err != nil {
		return err
	}
	released, err := bootstrap.Abort(board())
	v.sayReleased(released)
	if err != nil {
		return err
	}
	fmt.Fprintln(v.stdout, "the interrupted run is given up; what kubeadm made is still there (kubeadm reset removes it)")
	return nil
}

func (v invocation) sayReleased(released []string) {
	if len(released) > 0 {
		fmt.Fprintf(v.stderr, "kubeadm-arm: put back into the manifests folder: %s\n", strings.Join(released, ", "))
	}
}

// releasePatience is how long release --wait waits for the API server before it
// puts the others back without it: the slowest board seen needs 20 minutes.
const releasePatience = time.Hour

// release is what the systemd unit runs when the board starts.
func (v invocation) release(args []string) error {
	f := flag.NewFlagSet("kubeadm-arm release", flag.ContinueOnError)
	wait := f.Bool("wait", false, "put each back once those before it are healthy: API server, scheduler, controller-manager")
	patience := f.Duration("patience", releasePatience, "with --wait: put them back after this time in any case")
	holdBack := f.Bool("hold-back", false, "before the kubelet starts: stage what a slow board starts one after the other")
	if help, err := v.words(f, "release", args); help || err != nil {
		return err
	}
	if err := needRoot("release"); err != nil {
		return err
	}
	if *holdBack {
		held, err := bootstrap.HoldBack(board())
		if len(held) > 0 {
			fmt.Fprintln(v.stdout, "held back: "+strings.Join(held, ", "))
		}
		return err
	}
	stop := listenForSignals()
	defer stop.close()
	_, err := bootstrap.Release(stop.ctx, bootstrap.ReleaseOptions{
		Layout: board(), Wait: *wait, Patience: *patience, Poll: 5 * time.Second, Now: time.Now, Hold: bootstrap.HoldProcess,
		Tell: func(line string) { fmt.Fprintln(v.stdout, line) },
	})
	if sig := stop.signal(); sig != 0 {
		return &problem{128 + int(sig), "", fmt.Errorf("interrupted by %s", signalName(sig))}
	}
	return err
}

// reset is kubeadm's, and after its success everything of ours goes too.
func (v invocation) reset(args []string) error {
	at := v.commandIndex()
	after := args[at+1:]
	onlyAsked := slices.ContainsFunc(args, func(a string) bool {
		return a == "--help" || a == "-h" || a == "--dry-run" || a == "--dry-run=true"
	})
	if !isRoot() || onlyAsked || slices.Contains(after, "phase") {
		return v.passThrough(args)
	}
	rest, asked := stripFlag(args, "arm-kubeadm")
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
	for _, r := range removed {
		fmt.Fprintf(v.stderr, "kubeadm-arm: removed %s\n", r)
	}
	return nil
}

// child runs the real kubeadm at this terminal and passes signals on.
func (v invocation) child(path string, args []string) error {
	cmd := exec.Command(path, args...)
	cmd.Args[0] = "kubeadm"
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = v.stdin, v.stdout, v.stderr, v.env
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
