// Command demo shows the main job: on boards of equal speed it runs the stock
// `kubeadm init` and `kubeadm-arm init`, one after the other, with the same
// configuration, and prints both outcomes in one table. It drives the programs
// lab and kubeadm-arm as a person would.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	flag "github.com/spf13/pflag"
)

func main() {
	d := demo{printing: new(sync.Mutex)}
	var rounds int
	var cpus, versions []string
	var tools, results, document string
	var from, stalls, stallAt []string
	var expect expectations
	flag.StringVar(&d.lab, "lab", "lab", "the lab program")
	flag.StringVar(&d.kubeadmArm, "kubeadm-arm", "kubeadm-arm", "the kubeadm-arm program, static, for this machine")
	flag.StringSliceVar(&versions, "kubernetes", []string{"v1.37.2"}, "versions of Kubernetes, one after the other, or with --side-by-side at once")
	flag.StringSliceVar(&cpus, "cpu", []string{"5%"}, "shares of one core that a board gets, one after the other")
	flag.BoolVar(&d.pace, "pace", false, "give boards the CPU time with which their work is that of their share (lab up --pace): for hosts that are not quiet")
	flag.StringVar(&d.kind, "board", "", "whole emulated boards of this kind (lab up --board) instead of shares of a core")
	flag.StringVar(&d.speed, "speed", "", "give emulated boards counted time and this speed (lab up --speed), such as bananapi or bananapi/4")
	flag.StringSliceVar(&stalls, "stall", nil, "keep emulated boards from working for so long, or leave them a share of their cores, such as 30s,1m@10%")
	flag.StringSliceVar(&stallAt, "stall-at", nil, "do so when the tool says this; several texts with | between, one for each tool")
	flag.IntVar(&d.dilation, "time-dilation", 1, "a second on an emulated board takes so many here (lab up --time-dilation); times are the board's")
	flag.StringVar(&d.deb, "deb", "", "install kubeadm-arm on an emulated board from this Debian package instead")
	flag.StringVar(&d.bundle, "bundle", "", "folder of kubeadm-arm images build, to be unpacked and imported on an emulated board in place of its Kubernetes")
	flag.StringArrayVar(&d.programs, "bin", nil, "one more program for every board; may be repeated")
	flag.BoolVar(&d.cut, "cut", false, "kubeadm-arm alone, on an emulated board: cut the power in the middle and repeat it")
	flag.BoolVar(&d.reboot, "reboot", false, "afterwards cut the power, start the board again and wait for the control plane")
	flag.StringVar(&tools, "tools", "stock,kubeadm-arm", "what to compare: stock, recipe, expert, kubeadm-arm, kubeadm-arm:PROFILE; article (pods on the only board), armv7 (kubeadm-v7, see --bin)")
	flag.BoolVar(&d.sideBySide, "side-by-side", false, "the tools of a round, and all versions, at once, each on its own board; for small shares")
	flag.BoolVar(&d.atOnce, "at-once", false, "all rounds and shares at once, too")
	flag.DurationVar(&d.idle, "idle", 0, "measure the idle load for so long")
	flag.DurationVar(&d.settle, "settle", 2*time.Minute, "wait so long before measuring the idle load")
	flag.BoolVar(&d.conformance, "conformance", false, "afterwards show that the cluster works: scaling, restarts, a service, a silent node")
	flag.StringVar(&d.reports, "reports", "", "folder to keep kubeadm-arm's board reports in")
	flag.BoolVar(&d.detail, "detail", false, "count connections and API requests, too")
	flag.DurationVar(&d.limit, "limit", 20*time.Minute, "longest time for one run")
	flag.IntVar(&rounds, "rounds", 1, "pairs of runs; medians are compared")
	flag.StringVar(&results, "json", "", "file for the results as JSON")
	flag.StringVar(&document, "document", "", "file for the results as Markdown, its plots beside it")
	flag.StringSliceVar(&from, "from", nil, "results that --json has written: run nothing, and put them into one --document")
	flag.BoolVar(&expect.stockFails, "expect-stock-fails", false, "fail unless every stock run fails")
	flag.BoolVar(&expect.stockWorks, "expect-stock-works", false, "fail unless every stock run succeeds")
	flag.Float64Var(&expect.ratio, "expect-ratio", 0, "fail if kubeadm-arm's median time is more than this times stock's")
	flag.BoolVar(&d.interrupt, "interrupt", false, "kubeadm-arm alone: interrupt it in the middle and repeat it")
	flag.Float64Var(&expect.idle, "expect-idle", 0, "fail if kubeadm-arm's idle board uses more than this share of all its cores, such as 0.35")
	flag.BoolVar(&expect.illegal, "expect-illegal", false, "fail unless kubeadm-v7 dies of SIGILL and kubeadm-arm refuses it")
	flag.BoolVar(&expect.recipeFails, "expect-recipe-fails", false, "fail unless every run of the recipe fails")
	flag.Float64Var(&expect.memory, "expect-memory", 40, "fail if kubeadm-arm itself uses more than this many MB")
	flag.Parse()
	var err error
	if d.tools, err = parseTools(tools); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(2)
	}
	if d.dilation < 1 || d.dilation > 1 && d.kind == "" {
		fmt.Fprintln(os.Stderr, "demo: --time-dilation is for --board, and at least 1")
		os.Exit(2)
	}
	if d.kind != "" {
		cpus = []string{strings.TrimSpace(d.kind + " " + d.speed)}
	}
	if len(stalls) > 0 {
		if d.stalls, err = parseStalls(stalls, stallAt); err == nil && d.kind == "" {
			err = errors.New("--stall is for --board")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
			os.Exit(2)
		}
		board := cpus[0]
		cpus = nil
		for _, s := range d.stalls {
			cpus = append(cpus, board+", "+s.String())
		}
	}
	if len(from) > 0 {
		runs, err := documentOf(from, document)
		if err == nil {
			err = expect.check(runs)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
			os.Exit(1)
		}
		return
	}
	d.began = time.Now()
	d.board = fmt.Sprintf("demo-%d", os.Getpid())
	d.sideBySide = d.sideBySide || d.atOnce
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-stop
		d.say("interrupted, taking the board down")
		d.downAll()
		os.Exit(130)
	}()
	var runs []run
	if runs, err = d.shares(cpus, versions, rounds); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	if document != "" {
		if err := writeDocument(document, d.how(), runs); err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
			os.Exit(1)
		}
	}
	if results != "" {
		text, err := json.MarshalIndent(runs, "", "  ")
		if err == nil {
			err = os.WriteFile(results, append(text, '\n'), 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "demo:", err)
			os.Exit(1)
		}
	}
	if err := expect.check(runs); err != nil {
		fmt.Fprintln(os.Stderr, "demo: not as expected:", err)
		os.Exit(1)
	}
	for _, r := range runs {
		if r.Invalid != "" {
			fmt.Fprintf(os.Stderr, "demo: this machine is not fit for timing: %d of %d runs of %s are not valid: %s\n", tries, tries, r.Tool, r.Invalid)
			fmt.Fprintln(os.Stderr, "hint: boards with counted time (--board amd64) are the same on every machine")
			os.Exit(exitUnfit)
		}
	}
}

// exitUnfit is the exit code when nothing can be said about a tool, since this
// machine's own speed changed too much.
const exitUnfit = 4

// expectations are what a run of the demo must show.
type expectations struct {
	stockFails, stockWorks bool
	recipeFails, illegal   bool
	ratio                  float64
	idle                   float64 // share of all cores
	memory                 float64 // MB
}

// check returns every expectation that was missed.
func (e expectations) check(runs []run) error {
	var missed error
	miss := func(format string, args ...any) { missed = errors.Join(missed, fmt.Errorf(format, args...)) }
	for _, r := range runs {
		if r.Invalid != "" {
			continue
		}
		for _, m := range r.Missed {
			miss("%s: %s", r.Tool, m)
		}
		if r.Tool == stock {
			if e.stockFails && r.OK {
				miss("the stock kubeadm init succeeded")
			}
			if e.stockWorks && !r.OK {
				miss("the stock kubeadm init failed: %s", r.Reason)
			}
			continue
		}
		if r.Tool == recipe && e.recipeFails && r.OK {
			miss("the recipe by hand succeeded")
		}
		if e.illegal && (r.Tool == armv7 && r.Reason != "ended by SIGILL" || r.Tool == refused && !strings.Contains(r.Reason, "it would die with Illegal instruction")) {
			miss("%s: %s", r.Tool, r.Reason)
		}
		if !isArm(r.Tool) {
			continue
		}
		if !r.OK {
			miss("kubeadm-arm init failed: %s", r.Reason)
			continue
		}
		if !r.NodeReady {
			miss("the node did not become Ready")
		}
		for component, n := range r.Restarts {
			if n > r.startsAgain(component) {
				miss("%s was restarted %d times", component, n)
			}
		}
		if len(r.Manifests) != 4 {
			miss("the manifests folder holds %v", r.Manifests)
		}
		if r.OwnMB == 0 || r.OwnMB > e.memory {
			miss("kubeadm-arm used %.0f MB of memory", r.OwnMB)
		}
		if r.Idle != nil && e.idle > 0 && r.Idle.share() > e.idle {
			miss("the idle board is %.0f %% busy, want at most %.0f %%", 100*r.Idle.share(), 100*e.idle)
		}
		if r.Reboot != nil && !r.Reboot.NodeReady {
			miss("after the power cut the control plane did not come back")
		}
		if len(r.Left) > 0 {
			miss("left behind in /etc/kubernetes: %v", r.Left)
		}
	}
	if e.ratio > 0 {
		s, a := median(runs, stock), median(runs, arm)
		if s == 0 || a == 0 || a > e.ratio*s {
			miss("kubeadm-arm took %.1f s, stock %.1f s: more than %.2f times as long", a, s, e.ratio)
		}
	}
	return missed
}
