package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// trial is one disturbed bootstrap and what became of it.
type trial struct {
	// Kind is boundary, moment or power cut.
	Kind string `json:"kind"`
	// Change is the number of the change of the disk at which a boundary lies.
	Change int    `json:"change,omitempty"`
	What   string `json:"what,omitempty"`
	// At is when the run is ended, in seconds after its start.
	At float64 `json:"at,omitempty"`
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
	return fmt.Sprintf("power cut after %.2f s%s", t.At, unit)
}

func (t *trial) outcome() string {
	switch {
	case t.Problem != "":
		return "FAILED: " + t.Problem
	case t.Early:
		return "the run was over before"
	}
	return fmt.Sprintf("%d staged, resumed in %.1f s, same end", t.Staged, t.Resumed)
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
	// started is when the board was, by the clock of this machine, which is the board's, too.
	started time.Time
}

// settings are what boards and runs are made with.
type settings struct {
	kubeadmArm, version, cpu string
	// bench is the benchmark of a slow board, a file, empty for none.
	bench string
	limit time.Duration
}

func (w *walk) up() error {
	ctx := context.Background()
	w.started = time.Now()
	if err := w.board.Up(ctx, "--kubernetes", w.version, "--cpu", w.cpu, "--bin", w.kubeadmArm); err != nil ||
		w.bench == "" {
		return err
	}
	if err := w.board.Copy(ctx, w.bench, "/root/bench.json"); err != nil {
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
	start := time.Now()
	if _, err := w.on(w.env("KUBEADM_ARM_KILL_LIST=/root/changes"), initCommand()...); err != nil {
		return nil, err
	}
	w.took = time.Since(start)
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
		_, err := w.on(w.env(), "kubeadm-arm", "resume")
		if drive.ExitCode(err) == exitNothingToResume {
			// It was ended before the first journal or after the last. init says which.
			if _, err = w.on(w.env(), initCommand()...); drive.ExitCode(err) == exitClusterThere {
				err = nil
			}
		}
		if err != nil {
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
	return compare(w.want, files)
}

// disturb begins a run and ends it. early says that it was over before.
func (w *walk) disturb(t *trial) (early bool, err error) {
	switch t.Kind {
	case "boundary":
		_, err = w.on(w.env(fmt.Sprintf("KUBEADM_ARM_KILL_AT=%d", t.Change)), initCommand()...)
	case "moment":
		words := append([]string{"timeout", "--foreground", "-s", "KILL", fmt.Sprintf("%.3f", t.At)}, initCommand()...)
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
	moment := time.After(time.Duration(t.At * float64(time.Second)))
	d, err := drive.Disturb(w.board.Command(ctx, w.env(), initCommand()...), moment,
		func() error { return w.board.Reboot(ctx) })
	if d.Early {
		err = errors.Join(d.Ended, w.board.Reboot(ctx))
	}
	w.started = time.Now()
	return d.Early, err
}

// end waits for a Ready node and returns the files and the number of tokens.
func (w *walk) end() (files map[string]string, tokens string, err error) {
	ready := fmt.Sprintf("since=%d\n%suntil node_ready; do sleep 1; done", w.started.Unix(), drive.NodeReady)
	if _, err := w.on(nil, "sh", "-c", ready); err != nil {
		return nil, "", fmt.Errorf("wait for a Ready node: %w", err)
	}
	if _, err := w.on(nil, "kubectl", "--namespace", "kube-system", "rollout", "status", "daemonset/kube-proxy",
		"--timeout=5m"); err != nil {
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

func printTable(out io.Writer, w *walk, trials []trial) {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "Kubernetes %s, boards with %s of one core, undisturbed run %.1f s, %d files compared\n",
		w.version, w.cpu, w.took.Seconds(), len(w.want))
	fmt.Fprintln(t, "ended by\ttrials\tsame end\tover before\twith staged manifests\tslowest resume")
	for _, kind := range []string{"boundary", "moment", "power cut"} {
		var n, ok, early, staged int
		var slowest float64
		for _, r := range trials {
			if r.Kind != kind {
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
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%.1f s\n", kind, n, ok, early, staged, slowest)
	}
	t.Flush()
}
