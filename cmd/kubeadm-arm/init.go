package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// initFlags are our own flags of init; everything else is kubeadm's.
type initFlags struct {
	kubeadm string
	output  string
	report  string
	bench   string
	profile plan.Profile
	// storage is where etcd's data is to lie, nil to leave it.
	storage *storage.Request
	// journal is set when `resume` goes on by hand, anyway its flag.
	journal *bootstrap.Journal
	anyway  bool
}

// defaultReports is where board reports are kept.
const defaultReports = "/var/lib/kubeadm-arm/reports"

// initFlags reads those flags of init or resume.
func (v invocation) initFlags(o options) (initFlags, error) {
	f := initFlags{kubeadm: o.text("arm-kubeadm"), output: o.text("output"), report: o.text("arm-report")}
	if info, err := os.Stat(f.report); err == nil && !info.IsDir() {
		return f, o.bad("arm-report", fmt.Errorf("%s is not a folder", f.report))
	}
	if o.command.name != "init" {
		return f, nil
	}
	f.bench = o.text("arm-bench")
	var err error
	if f.profile, err = plan.ParseProfile(o.text("profile")); err != nil {
		return f, o.bad("profile", err)
	}
	if text := o.text("storage"); text != "" {
		w, err := parseStorage(text)
		if err != nil {
			return f, o.bad("storage", err)
		}
		f.storage = &w
	}
	return f, nil
}

// init is the main job.
func (v invocation) init(o options) error {
	args := o.theirs
	if len(args.Words) > 0 || hasRootfs(args) {
		// init phase …, or another root folder: not a bootstrap of this board.
		return v.passThrough(slices.Concat([]string{"init"}, o.raw))
	}
	if o.help() {
		return v.initHelp(o)
	}
	own, err := v.initFlags(o)
	if err != nil {
		return err
	}
	stop := v.listen()
	defer stop.close()
	b, err := v.readBoard(stop.ctx, own, args)
	if sig := stop.signal(); sig != 0 {
		return &problem{128 + int(sig), "nothing was changed; run it again", fmt.Errorf("interrupted by %s", signalName(sig))}
	}
	if err != nil {
		return err
	}
	if args.Bool("dry-run") {
		return v.dryRun(own, b)
	}
	return v.bootstrap(stop, own, b)
}

func hasRootfs(a kubeadm.InitArgs) bool {
	_, ok := a.Get("rootfs")
	return ok
}

// boardRun is everything known before the first change.
type boardRun struct {
	path      string
	binary    hwdetect.Binary
	behaviour kubeadm.Behaviour
	args      kubeadm.InitArgs
	config    *kubeadm.Config
	// owned is what the owner's own patches set.
	owned patch.Owned
	board hwdetect.Board
	bench bench.Result
	// reused says that bench was made before this run; see keptBench.
	reused bool
	speed  plan.Speed
	plan   plan.Plan
	check  bootstrap.CheckInput
	resume *bootstrap.Journal
	// storage is the plan of --storage, nil without it.
	storage *storage.Plan
	// doctor is what doctor found before.
	doctor doctor.Report
	// used are the CPU seconds that the board spent on the bootstrap, 0 if unknown.
	used float64
}

// readBoard finds out, measures and decides. It changes nothing but for the
// benchmark's own file, which it removes; in a dry run not even that.
func (v invocation) readBoard(ctx context.Context, own initFlags, args kubeadm.InitArgs) (boardRun, error) {
	b, err := safefile.Wait(ctx, func() (boardRun, error) { return v.gather(ctx, own, args) })
	if err != nil || b.resume != nil {
		return b, err
	}
	dry := args.Bool("dry-run")
	// Before the benchmark, which measures the disk that etcd will have.
	if b.storage, err = v.initStorage(ctx, own.storage, b.config, dry); err != nil {
		return b, err
	}
	folder := ""
	if !dry {
		folder = bench.NearestFolder(etcdFolder(b.config))
	}
	switch {
	case own.bench != "":
	case b.reuse(folder):
	default:
		err = b.measure(ctx, folder)
	}
	if err != nil {
		return b, err
	}
	layout := board()
	facts := plan.Facts{Board: b.board, Speed: b.speed, Kubeadm: b.behaviour, Args: args, Config: b.config, Profile: own.profile, Cores: b.bench.Cores.Quota, Owned: b.owned, HasCA: exists(filepath.Join(layout.Certificates(b.config, args), "ca.crt"))}
	b.plan = plan.MakeInit(facts)
	if b.plan.Config != nil {
		// Flags that have no place in a config leave only the way of passing
		// everything on as it came.
		if _, err := bootstrap.MakeConfig(b.plan.Config, b.config, args, b.behaviour); err != nil {
			facts.NoConfig = err.Error()
			b.plan = plan.MakeInit(facts)
		}
	}
	return b, bootstrap.CheckProgram(layout, b.plan, trustedProgram)
}

// gather only reads: files that others may have made, on disks that may not answer.
func (v invocation) gather(ctx context.Context, own initFlags, args kubeadm.InitArgs) (boardRun, error) {
	b := boardRun{args: args}
	dry := args.Bool("dry-run")
	if !dry && !isRoot() {
		return b, &problem{exitNotRoot, "run it again with sudo", errors.New("init must be run as root")}
	}
	var err error
	if b.path, err = v.realKubeadm(own.kubeadm); err != nil {
		return b, err
	}
	if b.board, err = hwdetect.Read("/"); err != nil {
		return b, err
	}
	if b.binary, err = hwdetect.ReadBinary(b.path); err == nil {
		if err := b.board.Runs(b.binary); err != nil {
			return b, err
		}
	}
	if err := v.needPrograms(); err != nil {
		return b, err
	}
	var text []byte
	if name, ok := args.Get("config"); ok {
		if b.config, text, err = readConfigFile(name); err != nil {
			return b, err
		}
	}
	version, err := v.askVersion(ctx, b.path)
	if err != nil {
		return b, err
	}
	if b.behaviour, err = kubeadm.BehaviourOf(version); err != nil {
		return b, err
	}
	if b.owned, err = fitsInit(args, b.config, b.behaviour, true); err != nil {
		return b, err
	}
	layout := board()
	b.check = checkInput(own, b, text)
	if !dry {
		if b.resume, err = bootstrap.Check(layout, b.check); err != nil {
			return b, err
		}
	}
	if b.resume == nil && own.bench != "" {
		// A file that cannot be read is found before doctor takes its time.
		if err := b.recall(own.bench); err != nil {
			return b, err
		}
	}
	if err := v.consult(ctx, own, &b); err != nil {
		return b, err
	}
	if b.resume != nil {
		b.plan = b.resume.Plan
		return b, nil
	}
	return b, nil
}

// askVersion asks a kubeadm for its version, and says so when that takes long.
func (v invocation) askVersion(ctx context.Context, path string) (kubeadm.Version, error) {
	note := time.AfterFunc(3*time.Second, func() {
		_, _ = printable.Fprintf(v.rawStderr, "waiting for the version of %s, at most %s\n", path, kubeadm.AskPatience)
	})
	defer note.Stop()
	return kubeadm.AskVersion(ctx, kubeadm.Exec, path)
}

// recall fills in a benchmark that was made before.
func (b *boardRun) recall(path string) error {
	r, err := readReport(path)
	if err != nil {
		return err
	}
	if r.Bench == nil {
		return &problem{exitBadInput, "make one with: kubeadm-arm bench -o json", fmt.Errorf("%s: no benchmark in it", path)}
	}
	if len(r.Bench.Samples) == 0 {
		return &problem{exitBadInput, "make one with: kubeadm-arm bench -o json", fmt.Errorf("%s: no measurement in it", path)}
	}
	b.bench = *r.Bench
	folder := ""
	if len(b.bench.Folders) > 0 {
		folder = b.bench.Folders[0].Path
	}
	b.speed = plan.SpeedOf(b.bench, folder)
	return nil
}

// measure fills in the benchmark. folder is where etcd's data will lie, empty
// to leave the disk alone.
func (b *boardRun) measure(ctx context.Context, folder string) error {
	options := bench.Options{Short: true, Enough: func(r bench.Result) bool { return plan.SpeedOf(r, folder).Sure() }}
	if folder != "" {
		options.Folders = []string{folder}
	}
	var err error
	if b.bench, err = bench.Run(ctx, options); err != nil {
		return err
	}
	b.speed = plan.SpeedOf(b.bench, folder)
	return nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// fitsInit is the one judgement of the owner's files, for init and for doctor: a
// configuration that this kubeadm refuses, or patches that it would stop at. It
// returns the patches. Of a kubeadm whose version is not known it is only asked
// what all of them ask.
func fitsInit(args kubeadm.InitArgs, c *kubeadm.Config, b kubeadm.Behaviour, known bool) (patch.Owned, error) {
	if name, ok := args.Get("config"); ok {
		if !known {
			var err error
			if b, err = kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: kubeadm.NewestMinor}); err != nil {
				return nil, err
			}
			b.Nearest = true
		}
		if err := c.FitsInit(b, name); err != nil {
			return nil, err
		}
	}
	return ownersPatches(args, c)
}

// ownersPatches reads the owner's folder of kubeadm patches, if one is named.
func ownersPatches(args kubeadm.InitArgs, c *kubeadm.Config) (patch.Owned, error) {
	dir := patchesFolder(args, c)
	if dir == "" {
		return nil, nil
	}
	owned, err := patch.ReadOwned(dir)
	if err != nil {
		return nil, &problem{exitBadInput, "mend or remove the patch; kubeadm would stop at it half way", err}
	}
	return owned, nil
}

// patchesFolder is the owner's, empty without one.
func patchesFolder(args kubeadm.InitArgs, c *kubeadm.Config) string {
	dir := c.Init("patches", "directory")
	for _, flag := range []string{"patches", "experimental-patches"} {
		if value, ok := args.Get(flag); ok {
			dir = value
		}
	}
	return dir
}

// etcdFolder is where etcd's data will lie.
func etcdFolder(c *kubeadm.Config) string {
	if dir := c.Cluster("etcd", "local", "dataDir"); dir != "" {
		return dir
	}
	return "/var/lib/etcd"
}

func ignored(a kubeadm.InitArgs, c *kubeadm.Config) []string {
	return slices.Concat(a.List("ignore-preflight-errors"), c.InitList("nodeRegistration", "ignorePreflightErrors"))
}

// needPrograms looks for what a bootstrap cannot do without before kubeadm's
// preflight finds it missing half a minute later.
func (v invocation) needPrograms() error {
	for _, name := range []string{"kubelet"} {
		if !inPath(v.getenv("PATH"), name) {
			return &problem{exitMissing, "install the " + name + " package of your Kubernetes version", fmt.Errorf("find %s: not in PATH (%s)", name, v.getenv("PATH"))}
		}
	}
	return nil
}

func inPath(pathList, name string) bool {
	for _, dir := range strings.Split(pathList, ":") {
		info, err := os.Stat(dir + "/" + name)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

func readConfigFile(name string) (*kubeadm.Config, []byte, error) {
	text, err := safefile.Read(name, kubeadm.MaxConfig)
	var refused *safefile.RefusedError
	switch {
	case errors.As(err, &refused):
		// kubeadm reads it several times, and a run that goes on once more.
		return nil, nil, &kubeadm.ConfigError{File: name, Err: errors.New("it " + refused.Why), Help: "name a file of kubeadm configuration with --config; it is read several times, so a pipe does not do"}
	case err != nil:
		return nil, nil, &kubeadm.ConfigError{File: name, Err: unwrapPath(err), Help: "name a readable file with --config"}
	}
	c, err := kubeadm.ReadConfig(bytes.NewReader(text), name)
	return c, text, err
}

// unwrapPath drops the path from an error whose sentence names it already.
func unwrapPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// dryRun prints the plan and changes nothing.
func (v invocation) dryRun(own initFlags, b boardRun) error {
	if own.output == "json" {
		return writeJSON(v.stdout, result{Kind: "plan", Plan: &b.plan, Storage: b.storage, Doctor: &b.doctor})
	}
	if b.storage != nil {
		printable.Fprintln(v.stdout, "Storage, before any phase")
		if err := v.showPlan(*b.storage); err != nil {
			return err
		}
		printable.Fprintln(v.stdout)
	}
	writePlan(v.stdout, b)
	writeDoctorShort(v.stdout, b.doctor)
	printable.Fprintf(v.stdout, "\nNothing was changed. kubeadm's own dry run, which writes files below /etc/kubernetes/tmp:\n  %s init --dry-run\n", b.path)
	return nil
}

// bootstrap carries the plan out and reports.
func (v invocation) bootstrap(stop *signals, own initFlags, b boardRun) error {
	if own.bench == "" && !b.reused && b.resume == nil {
		_ = keepBench(b.bench)
	}
	show := v.display(own.output)
	show.plan(b)
	began, busy := time.Now(), bench.BusyCPU(bench.Machine())
	// It waits from here on: more threads would only wake each other.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	outcome, err := bootstrap.Run(stop.ctx, bootstrap.Options{
		Layout: board(), Kubeadm: b.path, Behaviour: b.behaviour,
		Args: b.args, Config: b.config, Plan: b.plan, Resume: b.resume, Check: b.check, Program: trustedProgram,
		Runner: kubeadm.Exec, Env: v.env, Now: time.Now, Tell: show.event,
		Output: v.kubeadmOutput(b.args), Logs: func(unit string) string { return unitLog(stop.ctx, unit) }, Signal: stop.signal, Hold: bootstrap.Suspending(bootstrap.HoldProcess, suspensions()),
	})
	show.end()
	took := time.Since(began)
	b.used = bench.BusyCPU(bench.Machine()) - busy
	if err != nil {
		var refused *bootstrap.RefusedError
		if !outcome.Untouched && !errors.As(err, &refused) {
			if err := v.saveReport(own, b, outcome, took, err); err != nil {
				printable.Fprintf(v.stderr, "(no board report: %v)\n", err)
			}
		}
		return v.failed(stop, own, b, outcome, err)
	}
	path, reportErr := v.reportFiles(own, b, outcome, took, nil)
	if own.output == "json" {
		if err := writeJSON(v.stdout, result{Kind: "result", Outcome: outcomeJSON(outcome, took), Report: path}); err != nil {
			return err
		}
	} else {
		show.done(outcome, took, path)
		fmt.Fprint(v.stdout, outcome.ClosingWords)
	}
	return reportErr
}

// kubeadmOutput passes on what kubeadm prints when the owner asked kubeadm to
// be talkative.
func (v invocation) kubeadmOutput(a kubeadm.InitArgs) io.Writer {
	if _, ok := a.Get("v"); ok {
		return bootstrap.Redacting(v.stderr)
	}
	return nil
}

// failed explains a run that did not end well.
func (v invocation) failed(stop *signals, own initFlags, b boardRun, o bootstrap.Outcome, err error) error {
	if len(o.Released) > 0 {
		printable.Fprintf(v.stderr, "kubeadm-arm: put back into the manifests folder: %s\n", strings.Join(o.Released, ", "))
	}
	again := "repeat the same kubeadm-arm init to go on where it stopped (or: kubeadm-arm resume); start afresh with: kubeadm-arm reset"
	if o.Untouched {
		again = "nothing was changed; mend this and say kubeadm-arm init again"
	}
	if sig := stop.signal(); sig != 0 {
		if o.Untouched {
			again = "nothing was changed; begin again with the same kubeadm-arm init"
		}
		return &problem{128 + int(sig), again, fmt.Errorf("interrupted by %s", signalName(sig))}
	}
	defer v.showSeen(o, err)
	var cmd *kubeadm.CommandError
	if errors.As(err, &cmd) {
		for _, line := range strings.Split(strings.TrimRight(cmd.Tail, "\n"), "\n") {
			printable.Fprintf(v.stderr, "  kubeadm: %s\n", bootstrap.Redact(line))
		}
		return &problem{cmd.ExitCode, nextStep(o, again), err}
	}
	var stuck *bootstrap.StuckError
	if errors.As(err, &stuck) {
		for _, line := range stuck.Log {
			printable.Fprintf(v.stderr, "  %s: %s\n", stuck.Component, bootstrap.Redact(line))
		}
		return &problem{exitStuck, nextStep(o, stuck.Hint()+"; then "+again), err}
	}
	return err
}

func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGINT:
		return "SIGINT (Ctrl-C)"
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGHUP:
		return "SIGHUP (the terminal was closed)"
	}
	return s.String()
}
