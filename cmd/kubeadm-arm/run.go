package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/cmd/kubeadm-arm/screen"
	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// A job is a command of kubeadm's that is carried out here as a plan, with a journal. How to
// add one: docs/ARCHITECTURE.md.
type job struct {
	// stages are all of it, from left to right.
	stages func(*boardRun) []stage
	// done is what is said of the board once it has succeeded, and outcome the same in a report.
	done, outcome string
}

func jobs() map[kubeadm.Verb]job {
	return map[kubeadm.Verb]job{
		kubeadm.Init:         {(*boardRun).initStages, "control plane up", "the control plane is up"},
		kubeadm.UpgradeApply: {(*boardRun).upgradeStages, "control plane upgraded", "the control plane is upgraded"},
		kubeadm.UpgradeNode:  {(*boardRun).upgradeStages, "node upgraded", "the node is upgraded"},
		kubeadm.Join:         {(*boardRun).joinStages, "joined the cluster", "the board has joined the cluster"},
	}
}

// job is the one that is carried out.
func (r *boardRun) job() job {
	if r.planned.GoesBack {
		return job{done: "back at the version before the upgrade",
			outcome: "the board is back at the version before the upgrade"}
	}
	return jobs()[r.command]
}

// runJob is a command that is carried out as a plan, from its words on.
func (v invocation) runJob(o options) error {
	if o.help() {
		return v.helpWithKubeadm(o)
	}
	own, err := v.ownFlags(o)
	if err != nil {
		return err
	}
	return v.runStages(kubeadm.Verb(o.command.name), own, o.theirs)
}

// runStages is a command from its parsed arguments to the end, and resume, too: what has
// been decided already is not decided again.
func (v invocation) runStages(command kubeadm.Verb, own ownFlags, args kubeadm.Args) error {
	stop := v.listen()
	defer stop.close()
	r := &boardRun{invocation: v, command: command, own: own, args: args, stop: stop,
		display: screen.New(v.rawStderr, v.getenv("TERM"))}
	if own.output == "json" {
		r.display = jsonLines{v.stdout}
	}
	return r.walk(jobs()[command].stages(r))
}

// A stage is a part of a command. The first that fails is the last.
type stage struct {
	name string
	when func() bool
	do   func(context.Context) error
	// interrupted is the hint after a signal in this stage; nil where the stage, or the
	// next one, says it itself.
	interrupted func() string
}

// A boardRun is one run of such a command: what each stage has found out, for those after it.
type boardRun struct {
	invocation
	command kubeadm.Verb
	own     ownFlags
	args    kubeadm.Args
	stop    *signals

	gathered
	upgrading
	joining
	checks doctor.Report
	// moved is what --storage did, or would do; nil without it.
	moved *storage.Plan
	measured
	// discovery is how the cluster was to be found, and found what it answered; nil where
	// it was not asked.
	discovery kubeadm.Discovery
	found     *cluster.Found
	planned   plan.Plan
	display   screen.Display
	outcome   bootstrap.Outcome
	took      time.Duration
	// used are the CPU seconds that the board spent on the bootstrap, 0 if unknown.
	used    float64
	failure error
}

func (r *boardRun) walk(stages []stage) error {
	for _, s := range stages {
		if !s.when() {
			continue
		}
		err := s.do(r.stop.ctx)
		if r.stop.signal() != 0 && s.interrupted != nil {
			return r.stop.interrupted(s.interrupted())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *boardRun) always() bool { return true }
func (r *boardRun) afresh() bool { return r.resume == nil }
func (r *boardRun) dry() bool    { return r.args.Bool("dry-run") }
func (r *boardRun) notDry() bool { return !r.dry() }

func (r *boardRun) nothingChanged() string { return "nothing was changed; run it again" }

// gather finds out what there is. It only reads: files that others may have made, on
// disks that may not answer.
func (r *boardRun) gather(ctx context.Context) error {
	var err error
	r.gathered, err = safefile.Wait(ctx, func() (gathered, error) { return r.readBoard(ctx, r.command, r.own, r.args) })
	return err
}

// diagnose stops a board here on which kubeadm or the kubelet would certainly fail.
func (r *boardRun) diagnose(ctx context.Context) error {
	var err error
	r.checks, err = safefile.Wait(ctx, func() (doctor.Report, error) { return r.checkBoard(ctx), nil })
	if err != nil || r.dry() {
		return err // shown with the plan
	}
	return r.showChecks()
}

// measure fills in how fast the board is: from the file that the owner named, from the
// benchmark of an earlier call since the board's start, or from a new one. That removes
// its own file again; in a dry run it makes none.
func (r *boardRun) measure(ctx context.Context) error {
	folder := ""
	if r.notDry() {
		folder = bench.NearestFolder(etcdFolder(r.config))
	}
	if r.given != nil {
		r.measured = *r.given
		return nil
	}
	var ok bool
	if r.measured, ok = cachedBench(folder); ok {
		return nil
	}
	var err error
	r.measured, err = runShortBench(ctx, folder)
	return err
}

// facts are what a plan is made from.
func (r *boardRun) facts() plan.Facts {
	return plan.Facts{
		Board: r.board, Speed: r.speed, Kubeadm: r.behaviour, Args: r.args, Config: r.config, Profile: r.own.profile,
		Cores: r.benchmark.Cores.Quota, Owned: r.owned, HasCA: r.hasCA, NoConfig: r.noConfig, Validity: r.own.validity,
	}
}

// show prints what a run would do.
func (r *boardRun) show(context.Context) error {
	if r.own.output == "json" {
		return writeJSON(r.stdout, result{Kind: "plan", Plan: &r.planned, Storage: r.moved, Doctor: &r.checks})
	}
	if r.moved != nil {
		printable.Fprintln(r.stdout, "Storage, before any phase")
		if err := r.showPlan(*r.moved); err != nil {
			return err
		}
		printable.Fprintln(r.stdout)
	}
	if err := screen.WritePlan(r.stdout, r.screenRun(), r.own.verbose); err != nil {
		return err
	}
	if err := writeDoctorShort(r.stdout, r.checks); err != nil {
		return err
	}
	words := slices.Concat([]string{r.path}, r.command.Words(), r.args.Words)
	_, err := printable.Fprintf(r.stdout, "\nNothing was changed. kubeadm's own dry run, which writes files below\n"+
		"/etc/kubernetes/tmp:\n  %s --dry-run\n", strings.Join(words, " "))
	return err
}

// run carries the plan out. conclude says how that ended.
func (r *boardRun) run(ctx context.Context) error {
	if r.resume != nil {
		r.planned = r.resume.Plan
	} else if r.source == benchNew {
		_ = storeBench(r.benchmark)
	}
	r.display.Begin(r.screenRun())
	began, busy := time.Now(), bench.BusyCPU(bench.Machine())
	// It waits from here on: more threads would only wake each other.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r.outcome, r.failure = bootstrap.Run(ctx, bootstrap.Options{
		Layout: board(), Kubeadm: r.path, Behaviour: r.behaviour, ARM32: r.board.ARM32(), Args: r.args,
		Config: r.ownersConfig(), Plan: r.planned,
		Resume: r.resume, Check: r.check, Program: trustedProgram, Runner: kubeadm.Exec, Env: r.env, Now: time.Now,
		Tell: r.display.Event, Output: r.kubeadmOutput(r.args), Logs: func(unit string) string { return unitLog(ctx, unit) },
		Cluster: r.clusterConfig(), Patches: r.patches, OwnersPatches: r.ownersPatches, Renew: r.renewForUpgrade,
		SetEndpoint: r.setEndpoint,
		Signal:      r.stop.signal, Pause: await.Suspending(await.PauseProcess, suspensions()),
	})
	r.display.Stop()
	r.took = time.Since(began)
	r.used = bench.BusyCPU(bench.Machine()) - busy
	return nil
}

// conclude writes the board report and says how the run ended.
func (r *boardRun) conclude(context.Context) error {
	if r.failure != nil {
		return r.reportFailure()
	}
	if r.command == kubeadm.Init || r.controlPlane { // a worker has no authority to renew with
		r.watchCertificates()
	}
	path, err := r.writeBoardReport()
	cpu, peak := ownCost()
	if r.own.output == "json" {
		return errors.Join(err, writeJSON(r.stdout, result{Kind: "result", Report: path, Outcome: &outcomeDoc{
			Seconds: r.took.Seconds(), Restarts: r.outcome.Restarts, OwnCPUSeconds: cpu.Seconds(), OwnPeakBytes: peak,
			ClosingWords: r.outcome.ClosingWords}}))
	}
	restarts := 0
	for _, n := range r.outcome.Restarts {
		restarts += n
	}
	if r.worker || r.command == kubeadm.Join && !r.controlPlane {
		restarts = screen.NoComponents
	}
	screen.WriteEnd(r.rawStderr, screen.End{Done: r.job().done, Took: r.took, Restarts: restarts,
		CPU: cpu, Peak: peak, Report: path})
	fmt.Fprint(r.stdout, r.outcome.ClosingWords)
	return err
}

// screenRun is what people are shown of the run before it begins.
func (r *boardRun) screenRun() screen.Run {
	s := screen.Run{Kubeadm: r.behaviour.Version, Path: r.path, Model: r.board.Model, Plan: r.planned}
	if r.resume != nil {
		s.Resumed, s.Done = true, r.resume.Done
	}
	if r.source == benchCached {
		s.Cached = fmt.Sprintf("measured earlier: benchmark of %s (%s), no reboot since",
			r.benchmark.Started.Format("2006-01-02 15:04:05 MST"), benchCache)
	}
	return s
}

// ownFlags are our own flags; everything else is kubeadm's.
type ownFlags struct {
	kubeadmPath string
	output      string
	reportDir   string
	benchFile   string
	profile     plan.Profile
	verbose     bool
	// endpoint is what an upgrade is to give the cluster, empty to leave it alone.
	endpoint string
	// validity is that of certificates, 0 for kubeadm's.
	validity time.Duration
	// moveTo is where etcd's data is to lie, nil to leave it.
	moveTo *storage.Request
	// journal is the interrupted run's, set by `resume`, anyway its flag.
	journal *journal.Journal
	anyway  bool
}

// defaultReports is where board reports are kept.
const defaultReports = "/var/lib/kubeadm-arm/reports"

// ownFlags reads those flags.
func (v invocation) ownFlags(o options) (ownFlags, error) {
	f := ownFlags{kubeadmPath: o.text("arm-kubeadm"), output: o.text("output"), reportDir: o.text("arm-report")}
	if info, err := os.Stat(f.reportDir); err == nil && !info.IsDir() {
		return f, o.bad("arm-report", fmt.Errorf("%s is not a folder", f.reportDir))
	}
	if !isJob(o.command.name) {
		return f, nil
	}
	f.benchFile, f.verbose = o.text("arm-bench"), o.on("verbose")
	var err error
	if o.has("profile") && (o.text("profile") != "" || o.flag("profile").def != "") {
		if f.profile, err = plan.ParseProfile(o.text("profile")); err != nil {
			return f, o.bad("profile", err)
		}
	}
	if o.command.name == string(kubeadm.UpgradeApply) && o.text("control-plane-endpoint") != "" {
		f.endpoint = o.text("control-plane-endpoint")
		if err := kubeadm.CheckEndpoint(f.endpoint); err != nil {
			return f, o.bad("control-plane-endpoint", err)
		}
		f.profile = cmp.Or(f.profile, plan.Balanced) // what several control planes need is decided anew
	}
	if o.command.name != string(kubeadm.Init) {
		return f, nil
	}
	if f.validity, err = o.validity("certificate-validity"); err != nil {
		return f, err
	}
	if text := o.text("storage"); text != "" {
		w, err := parseStorage(text)
		if err != nil {
			return f, o.bad("storage", err)
		}
		f.moveTo = &w
	}
	return f, nil
}

// helpWithKubeadm shows our flags first and then kubeadm's own help.
func (v invocation) helpWithKubeadm(o options) error {
	fmt.Fprint(v.stdout, helpOf(o.command)+"\n")
	path, err := v.realKubeadm(o.text("arm-kubeadm"))
	if err != nil {
		printable.Fprintf(v.stdout, "(no kubeadm found to ask for its flags: %v)\n", err)
		return nil
	}
	// Not init --help: a question must not begin with the word that changes the board.
	return v.child(path, append([]string{"help"}, strings.Fields(o.command.name)...))
}

func hasRootfs(a kubeadm.Args) bool {
	_, ok := a.Get("rootfs")
	return ok
}
