package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/cmd/kubeadm-arm/screen"
	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// runInit is `kubeadm-arm init`, the main job.
func (v invocation) runInit(o options) error {
	if len(o.theirs.Words) > 0 || hasRootfs(o.theirs) {
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
	return v.runStages(own, o.theirs)
}

// runStages is init from its parsed arguments to the end, and resume, too: what has been
// decided already is not decided again.
func (v invocation) runStages(own initFlags, args kubeadm.Args) error {
	stop := v.listen()
	defer stop.close()
	r := &initRun{invocation: v, own: own, args: args, stop: stop, display: screen.New(v.rawStderr, v.getenv("TERM"))}
	if own.output == "json" {
		r.display = jsonLines{v.stdout}
	}
	return r.walk(r.stages())
}

// stages are all of init.
func (r *initRun) stages() []stage {
	return []stage{
		{"gather", r.always, r.gather, r.nothingChanged},
		{"diagnose", r.always, r.diagnose, r.nothingChanged},
		{"move storage", r.afresh, r.moveStorage, r.halfMoved},
		{"measure", r.afresh, r.measure, r.onlyMoved},
		{"plan", r.afresh, r.makePlan, r.onlyMoved},
		{"show", r.dry, r.show, r.nothingChanged},
		{"run", r.notDry, r.run, nil},
		{"report", r.notDry, r.conclude, nil},
	}
}

// A stage is a part of init. The first that fails is the last.
type stage struct {
	name string
	when func() bool
	do   func(context.Context) error
	// interrupted is the hint after a signal in this stage; nil where the stage, or the
	// next one, says it itself.
	interrupted func() string
}

// An initRun is one init: what each stage has found out, for those after it.
type initRun struct {
	invocation
	own  initFlags
	args kubeadm.Args
	stop *signals

	gathered
	checks doctor.Report
	// moved is what --storage did, or would do; nil without it.
	moved *storage.Plan
	measured
	planned plan.Plan
	display screen.Display
	outcome bootstrap.Outcome
	took    time.Duration
	// used are the CPU seconds that the board spent on the bootstrap, 0 if unknown.
	used    float64
	failure error
}

func (r *initRun) walk(stages []stage) error {
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

func (r *initRun) always() bool { return true }
func (r *initRun) afresh() bool { return r.resume == nil }
func (r *initRun) dry() bool    { return r.args.Bool("dry-run") }
func (r *initRun) notDry() bool { return !r.dry() }

func (r *initRun) nothingChanged() string { return "nothing was changed; run it again" }

// halfMoved is the hint after a signal while the data was being moved.
func (r *initRun) halfMoved() string {
	if r.dry() || storage.Fresh() {
		return r.nothingChanged()
	}
	return "repeat the same kubeadm-arm init to finish moving the data; take it back with: kubeadm-arm storage undo"
}

// onlyMoved is the hint after a signal between that and the first step.
func (r *initRun) onlyMoved() string {
	if r.dry() || r.moved == nil || r.moved.Nothing {
		return r.nothingChanged()
	}
	return fmt.Sprintf("the data was moved to %s, and nothing else was changed; run it again", r.moved.Disk.Name())
}

// gather finds out what there is. It only reads: files that others may have made, on
// disks that may not answer.
func (r *initRun) gather(ctx context.Context) error {
	var err error
	r.gathered, err = safefile.Wait(ctx, func() (gathered, error) { return r.readBoard(ctx, r.own, r.args) })
	return err
}

// diagnose stops a board here on which kubeadm or the kubelet would certainly fail.
func (r *initRun) diagnose(ctx context.Context) error {
	var err error
	r.checks, err = safefile.Wait(ctx, func() (doctor.Report, error) { return r.checkBoard(ctx, r.gathered, r.args), nil })
	if err != nil || r.dry() {
		return err // shown with the plan
	}
	return r.showChecks()
}

// moveStorage is --storage: apply, or in a dry run its plan. It comes before measuring,
// which measures the disk that etcd will have.
func (r *initRun) moveStorage(ctx context.Context) error {
	var err error
	r.moved, err = r.initStorage(ctx, r.own.moveTo, r.config, r.dry())
	return err
}

// measure fills in how fast the board is: from the file that the owner named, from the
// benchmark of an earlier call since the board's start, or from a new one. That removes
// its own file again; in a dry run it makes none.
func (r *initRun) measure(ctx context.Context) error {
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

// makePlan decides.
func (r *initRun) makePlan(context.Context) error {
	r.planned = plan.MakeInit(plan.Facts{
		Board: r.board, Speed: r.speed, Kubeadm: r.behaviour, Args: r.args, Config: r.config, Profile: r.own.profile,
		Cores: r.benchmark.Cores.Quota, Owned: r.owned, HasCA: r.hasCA, NoConfig: r.noConfig, Validity: r.own.validity,
	})
	return bootstrap.CheckProgram(board(), r.planned, trustedProgram)
}

// show prints what a run would do.
func (r *initRun) show(context.Context) error {
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
	_, err := printable.Fprintf(r.stdout, "\nNothing was changed. kubeadm's own dry run, which writes files below\n"+
		"/etc/kubernetes/tmp:\n  %s init --dry-run\n", r.path)
	return err
}

// run carries the plan out. conclude says how that ended.
func (r *initRun) run(ctx context.Context) error {
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
		Config: r.config, Plan: r.planned,
		Resume: r.resume, Check: r.check, Program: trustedProgram, Runner: kubeadm.Exec, Env: r.env, Now: time.Now,
		Tell: r.display.Event, Output: r.kubeadmOutput(r.args), Logs: func(unit string) string { return unitLog(ctx, unit) },
		Signal: r.stop.signal, Pause: await.Suspending(await.PauseProcess, suspensions()),
	})
	r.display.Stop()
	r.took = time.Since(began)
	r.used = bench.BusyCPU(bench.Machine()) - busy
	return nil
}

// conclude writes the board report and says how the run ended.
func (r *initRun) conclude(context.Context) error {
	if r.failure != nil {
		return r.reportFailure()
	}
	r.watchCertificates()
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
	screen.WriteEnd(r.rawStderr, screen.End{Took: r.took, Restarts: restarts, CPU: cpu, Peak: peak, Report: path})
	fmt.Fprint(r.stdout, r.outcome.ClosingWords)
	return err
}

// screenRun is what people are shown of the run before it begins.
func (r *initRun) screenRun() screen.Run {
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

// initFlags are our own flags of init; everything else is kubeadm's.
type initFlags struct {
	kubeadmPath string
	output      string
	reportDir   string
	benchFile   string
	profile     plan.Profile
	verbose     bool
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

// initFlags reads those flags of init or resume.
func (v invocation) initFlags(o options) (initFlags, error) {
	f := initFlags{kubeadmPath: o.text("arm-kubeadm"), output: o.text("output"), reportDir: o.text("arm-report")}
	if info, err := os.Stat(f.reportDir); err == nil && !info.IsDir() {
		return f, o.bad("arm-report", fmt.Errorf("%s is not a folder", f.reportDir))
	}
	if o.command.name != "init" {
		return f, nil
	}
	f.benchFile, f.verbose = o.text("arm-bench"), o.on("verbose")
	var err error
	if f.validity, err = o.validity("certificate-validity"); err != nil {
		return f, err
	}
	if f.profile, err = plan.ParseProfile(o.text("profile")); err != nil {
		return f, o.bad("profile", err)
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

// initHelp shows our flags first and then kubeadm's own help.
func (v invocation) initHelp(o options) error {
	fmt.Fprint(v.stdout, helpOf(o.command)+"\n")
	path, err := v.realKubeadm(o.text("arm-kubeadm"))
	if err != nil {
		printable.Fprintf(v.stdout, "(no kubeadm found to ask for its flags: %v)\n", err)
		return nil
	}
	// Not init --help: a question must not begin with the word that changes the board.
	return v.child(path, []string{"help", "init"})
}

func hasRootfs(a kubeadm.Args) bool {
	_, ok := a.Get("rootfs")
	return ok
}
