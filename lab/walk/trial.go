package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// trial is one disturbed bootstrap or upgrade, and what became of it.
type trial struct {
	// Kind is boundary, moment or power cut.
	Kind string `json:"kind"`
	// Change is the number of the change of the disk at which a boundary lies.
	Change int    `json:"change,omitempty"`
	What   string `json:"what,omitempty"`
	// At is when the run is ended, in seconds after its start, or after that of Step.
	At   float64 `json:"at,omitempty"`
	Step string  `json:"step,omitempty"`
	// Abort says that the run is given up then, not resumed.
	Abort bool `json:"abort,omitempty"`
	// Unit says that after the power cut the command of the systemd unit ran
	// before the resume.
	Unit bool `json:"unit,omitempty"`
	// Staged is how many manifests were staged when it was ended.
	Staged int `json:"staged"`
	// Early says that the run was over before it could be disturbed.
	Early bool `json:"early,omitempty"`
	// Resumed is the time of the resume, in seconds.
	Resumed float64 `json:"resumedSeconds"`
	Problem string  `json:"problem,omitempty"`
}

func (t *trial) String() string {
	if t.Kind == "boundary" {
		return fmt.Sprintf("SIGKILL %s (change %d)", t.What, t.Change)
	}
	unit := ""
	if t.Unit {
		unit = ", the unit first"
	}
	if t.Kind == "moment" {
		return fmt.Sprintf("SIGKILL after %.2f s", t.At)
	}
	return fmt.Sprintf("power cut after %.2f s %s%s", t.At, t.Step, unit)
}

func (t *trial) outcome() string {
	switch {
	case t.Problem != "":
		return "FAILED: " + t.Problem
	case t.Early:
		return "the run was over before"
	}
	return fmt.Sprintf("%d staged, %s in %.1f s, same end", t.Staged, t.way(), t.Resumed)
}

func (t *trial) way() string {
	if t.Abort {
		return "taken back"
	}
	return "resumed"
}

// walk drives the boards.
type walk struct {
	board drive.Board
	log   drive.Log
	settings
	// took, want and tokens are the time of the undisturbed run, its files and its
	// number of bootstrap tokens.
	took   time.Duration
	want   map[string]string
	tokens string
	upgrading
	// started is when the board was, by the clock of this machine, which is the board's, too.
	started time.Time
}

// settings are what boards and runs are made with.
type settings struct {
	kubeadmArm, version, cpu string
	// from is the version before an upgrade, empty where an init is disturbed.
	from string
	// bench is the benchmark of a slow board, a file, empty for none.
	bench string
	limit time.Duration
}

func (w *walk) up() error {
	ctx := context.Background()
	w.started = time.Now()
	versions := []string{"--kubernetes", w.version}
	if w.from != "" {
		versions = []string{"--kubernetes", w.from, "--also", w.version}
	}
	if err := w.board.Up(ctx, append(versions, "--cpu", w.cpu, "--bin", w.kubeadmArm)...); err != nil {
		return err
	}
	var err error
	if w.bench != "" {
		err = w.board.Copy(ctx, w.bench, "/root/bench.json")
	}
	if err == nil && w.from != "" {
		err = w.setUp()
	}
	if err != nil {
		return errors.Join(err, w.board.Down(ctx))
	}
	return nil
}

// on runs a command on the board and returns its standard output.
func (w *walk) on(env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), w.limit, fmt.Errorf("not done within %s", w.limit))
	defer cancel()
	out, err := drive.Output(w.board.Command(ctx, env, args...))
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return out, err
}

// env of every kubeadm-arm: the benchmark of a slow board, if one is given.
func (w *walk) env(more ...string) []string {
	if w.bench != "" {
		more = append(more, "KUBEADM_ARM_BENCH=/root/bench.json")
	}
	return more
}

// command is what is disturbed.
func (w *walk) command() []string {
	if w.from != "" {
		return w.upgradeCommand()
	}
	return initCommand()
}

func initCommand() []string {
	return []string{"kubeadm-arm", "init", "--config", drive.KubeadmConfig}
}

// boundary is a change of the disk to be killed at.
type boundary struct {
	number int
	what   string
}

// reference makes the undisturbed run.
func (w *walk) reference() (all []boundary, err error) {
	if err := w.up(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.board.Down(context.Background())) }()
	if w.from != "" {
		if err := w.lookBefore(); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	said, err := w.on(w.env("KUBEADM_ARM_KILL_LIST=/root/changes"), "sh", "-c", strings.Join(w.command(), " ")+" 2>&1")
	if err != nil {
		return nil, err
	}
	w.took = time.Since(start)
	w.steps = stepsOf(said)
	if w.want, w.tokens, err = w.end(); err != nil {
		return nil, err
	}
	list, err := w.on(nil, "cat", "/root/changes")
	if err != nil {
		return nil, err
	}
	if all = boundaries(list); len(all) == 0 {
		return nil, errors.New("this kubeadm-arm lists no changes: build it with -tags killpoints")
	}
	return all, nil
}

// boundaries picks from the list of changes those of the journal and of
// manifests' places.
func boundaries(list string) []boundary {
	var all []boundary
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		var b boundary
		var when, op, path string
		if n, _ := fmt.Sscan(line, &b.number, &when, &op, &path); n != 4 {
			continue
		}
		journal := filepath.Base(path) == "journal.json"
		if journal && op != "sync" || op == "rename" && when == "after" {
			b.what = fmt.Sprintf("%s %s %s", when, op, strings.TrimPrefix(path, "/etc/kubernetes/"))
			all = append(all, b)
		}
	}
	return all
}

// Exit codes of kubeadm-arm (docs/exit-codes.md).
const (
	exitClusterThere    = 14
	exitNothingToResume = 24
)

// try makes one trial on a fresh board.
func (w *walk) try(t *trial) (err error) {
	if err := w.up(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if status, e := w.on(nil, "kubeadm-arm", "status"); e == nil {
				w.log.Printf("status: %s", strings.ReplaceAll(strings.TrimSpace(status), "\n", " | "))
			}
		}
		err = errors.Join(err, w.board.Down(context.Background()))
	}()
	if t.Early, err = w.disturb(t); err != nil {
		return err
	}
	if !t.Early {
		if t.Staged, err = w.onePlaceEach(); err != nil {
			return fmt.Errorf("right after: %w", err)
		}
		if t.Unit {
			if _, err := w.on(w.env(), "kubeadm-arm", "release", "--wait"); err != nil {
				return err
			}
		}
		start := time.Now()
		if err := w.resumeOrAbort(t); err != nil {
			return err
		}
		t.Resumed = time.Since(start).Seconds()
	}
	files, tokens, err := w.end()
	if err != nil {
		return err
	}
	if tokens != w.tokens {
		return fmt.Errorf("%s bootstrap tokens, want %s", tokens, w.tokens)
	}
	if w.from != "" {
		return w.compareUpgrade(t, files)
	}
	return compare(w.want, files)
}

// resumeOrAbort resumes what was ended, or gives it up.
func (w *walk) resumeOrAbort(t *trial) error {
	if t.Abort {
		_, err := w.on(w.env(), "kubeadm-arm", "abort")
		if drive.ExitCode(err) == exitNothingToResume {
			return nil // it had not begun, or was done
		}
		return err
	}
	_, err := w.on(w.env(), "kubeadm-arm", "resume")
	if drive.ExitCode(err) == exitNothingToResume {
		// It was ended before the first journal or after the last. init says which; an upgrade may be done twice.
		if _, err = w.on(w.env(), w.command()...); drive.ExitCode(err) == exitClusterThere {
			return nil
		}
	}
	return err
}

// disturb begins a run and ends it. early says that it was over before.
func (w *walk) disturb(t *trial) (early bool, err error) {
	switch t.Kind {
	case "boundary":
		_, err = w.on(w.env(fmt.Sprintf("KUBEADM_ARM_KILL_AT=%d", t.Change)), w.command()...)
	case "moment":
		words := append([]string{"timeout", "--foreground", "-s", "KILL", fmt.Sprintf("%.3f", t.At)}, w.command()...)
		_, err = w.on(w.env(), words...)
	default:
		return w.cutPower(t)
	}
	switch {
	case err == nil:
		return true, nil
	case drive.ExitCode(err) == 128+int(syscall.SIGKILL):
		return false, nil
	}
	return false, fmt.Errorf("want it killed, got: %w", err)
}

// cutPower ends everything on the board and starts it again.
func (w *walk) cutPower(t *trial) (early bool, err error) {
	ctx := context.Background()
	cmd := w.board.Command(ctx, w.env(), w.command()...)
	d, err := drive.Disturb(cmd, t.moment(cmd), func() error { return w.board.Reboot(ctx) })
	if d.Early {
		err = errors.Join(d.Ended, w.board.Reboot(ctx))
	}
	w.started = time.Now()
	return d.Early, err
}

// moment is when the power is to be cut.
func (t *trial) moment(cmd *exec.Cmd) <-chan time.Time {
	after := time.Duration(t.At * float64(time.Second))
	if t.Step == "" {
		return time.After(after)
	}
	trigger, moment := drive.NewTrigger(t.Step), make(chan time.Time)
	cmd.Stderr = trigger
	go func() {
		<-trigger.Seen
		time.Sleep(after)
		close(moment)
	}()
	return moment
}

// end waits for a Ready node and returns the files and the number of tokens.
func (w *walk) end() (files map[string]string, tokens string, err error) {
	if err := w.settle(); err != nil {
		return nil, "", err
	}
	list, err := w.on(nil, "kubectl", "--namespace", "kube-system", "get", "secrets", "--field-selector",
		"type=bootstrap.kubernetes.io/token", "--output", "name")
	if err != nil {
		return nil, "", err
	}
	if files, err = w.files(); err != nil {
		return nil, "", err
	}
	return files, fmt.Sprint(len(strings.Fields(list))), nil
}

// settle waits for a Ready node with a kube-proxy.
func (w *walk) settle() error {
	ready := fmt.Sprintf("since=%d\n%suntil node_ready; do sleep 1; done", w.started.Unix(), drive.NodeReady)
	if _, err := w.on(nil, "sh", "-c", ready); err != nil {
		return fmt.Errorf("wait for a Ready node: %w", err)
	}
	_, err := w.on(nil, "kubectl", "--namespace", "kube-system", "rollout", "status", "daemonset/kube-proxy",
		"--timeout=5m")
	return err
}

// document is the result in Markdown.
func document(w *walk, seed uint64, trials []trial) string {
	var b strings.Builder
	what, target := "init", "walk"
	if w.from != "" {
		what, target = "an upgrade from "+w.from, "upgrade-walk"
	}
	fmt.Fprintf(&b, "# %s: killed or without power, then resumed or taken back, %s\n\n    make %[1]s\n\n", target,
		time.Now().UTC().Format(time.DateOnly))
	fmt.Fprintf(&b, "Kubernetes %s, %s; boards with %s of one core, staged as on a slow board;\nseed %d; undisturbed "+
		"%.1f s, %d files of /etc/kubernetes compared", w.version, what, w.cpu, seed, w.took.Seconds(), len(w.want))
	if w.from != "" {
		fmt.Fprintf(&b, ", and %d objects, which all have to be there at the end.\nAll manifests have to be of one version "+
			"right after the end of a run, and at the end of the trial", len(w.objects))
	}
	b.WriteString(".\n\n| ended by | then | trials | same end | over before | with staged manifests | slowest |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, kind := range []string{"boundary", "moment", "power cut"} {
		for _, abort := range []bool{false, true} {
			row(&b, trials, kind, abort)
		}
	}
	for _, t := range trials {
		if t.Problem != "" {
			fmt.Fprintf(&b, "\nNot the same end: %s: %s\n", &t, t.Problem)
		}
	}
	return b.String()
}

// row counts the trials of one kind.
func row(b *strings.Builder, trials []trial, kind string, abort bool) {
	var n, ok, early, staged int
	var slowest float64
	for _, r := range trials {
		if r.Kind != kind || r.Abort != abort {
			continue
		}
		n++
		if r.Problem == "" {
			ok++
		}
		if r.Early {
			early++
		}
		if r.Staged > 0 {
			staged++
		}
		slowest = max(slowest, r.Resumed)
	}
	if n == 0 {
		return
	}
	names := map[string]string{"boundary": "SIGKILL at a boundary of the journal or a move of manifests",
		"moment": "SIGKILL at a random moment", "power cut": "power cut"}
	fmt.Fprintf(b, "| %s | %s | %d | %d | %d | %d | %.1f s |\n", names[kind], (&trial{Abort: abort}).way(), n, ok, early,
		staged, slowest)
}
