package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// run is one bootstrap on one fresh board. Times are in seconds.
type run struct {
	Tool string `json:"tool"`
	// Version is Kubernetes', Board the share of one core.
	Version string  `json:"kubernetes"`
	Board   string  `json:"cpu"`
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
	// ReadySeconds is the time to a Ready node.
	ReadySeconds float64 `json:"readySeconds"`
	CPUSeconds   float64 `json:"cpuSeconds"`
	// CPUAtReady includes what the board did until the node was Ready.
	CPUAtReady float64 `json:"cpuSecondsAtReady"`
	// ByProgram are the CPU seconds until Ready.
	ByProgram map[string]float64 `json:"cpuSecondsByProgram,omitempty"`
	// Connections were opened on the board, Requests served by the API server,
	// Written bytes sent to disks by the processes that live at the end.
	Connections int64          `json:"connections,omitempty"`
	Requests    int64          `json:"requests,omitempty"`
	Written     int64          `json:"writtenBytes,omitempty"`
	Idle        *idle          `json:"idle,omitempty"`
	NodeReady   bool           `json:"nodeReady"`
	Restarts    map[string]int `json:"restarts"`
	Manifests   []string       `json:"manifests"`
	// Left are files of ours that stayed in /etc/kubernetes.
	Left []string `json:"left"`
	// LastWords are why components were started again: exit codes and ends of logs.
	LastWords []string `json:"lastWords,omitempty"`
	// Stalls are the places where the board was stalled, with its clock in seconds.
	Stalls []string `json:"stalls,omitempty"`
	// PowerCuts and Interrupts are those in the middle of it.
	PowerCuts  int `json:"powerCuts,omitempty"`
	Interrupts int `json:"interrupts,omitempty"`
	// OwnCPUSeconds and OwnMB are kubeadm-arm's own cost, as it says itself.
	OwnCPUSeconds float64 `json:"ownCPUSeconds,omitempty"`
	OwnMB         float64 `json:"ownMB,omitempty"`
	// SliceCosts are how many times the CPU time that work took in the slices of a
	// paced board (lab up --pace), measured every ten seconds.
	SliceCosts []float64 `json:"sliceCosts,omitempty"`
	// Lost is the part of the run for which this machine was kept from working.
	Lost float64 `json:"lost,omitempty"`
	// Invalid says why the run shows nothing about the tool; see invalid.
	Invalid string `json:"invalid,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Pods    string `json:"pods,omitempty"`
	// Deeds are what the cluster was seen doing, Missed what it was to do and did
	// not, once it was Ready.
	Deeds  []deed   `json:"deeds,omitempty"`
	Missed []string `json:"missed,omitempty"`
	// Decided is what kubeadm-arm's report tells of an emulated board.
	Decided *decided `json:"decided,omitempty"`
	// Reboot is what came after a power cut.
	Reboot *reboot `json:"reboot,omitempty"`
}

// demo runs bootstraps.
type demo struct {
	lab, kubeadmArm, version, cpu string
	limit                         time.Duration
	// interrupt says to interrupt every kubeadm-arm run once and repeat it.
	interrupt bool
	began     time.Time
	// prefix stands before every line, where several boards talk at once.
	prefix string
	// board is its name, or what all names of its boards begin with: two demos may
	// run at once.
	board string
	// tools are tried one after the other, or with sideBySide at once; with atOnce
	// all rounds and shares are.
	tools              []tool
	sideBySide, atOnce bool
	// printing is held while a table is printed.
	printing *sync.Mutex
	// settle and idle are how long to wait and to measure the idle load; zero
	// measures none.
	settle, idle time.Duration
	// reports is where the boards' reports are kept, empty for nowhere.
	reports string
	// conformance has every cluster show that it works.
	conformance bool
	// detail asks for connections and requests, too.
	detail bool
	// pace has throttled boards do their share's work, whatever that costs here.
	pace bool
	// kind is of emulated boards, empty for throttled ones, and speed that of those with
	// counted time, empty for the kind's own; cut says to cut the power in the middle of
	// every kubeadm-arm run and repeat it.
	kind, speed, deb string
	// dilation is how many seconds here one of an emulated board's takes.
	dilation    int
	reboot, cut bool
	// bundle is a folder of kubeadm-arm images build, which takes the place of the
	// Kubernetes on an emulated board.
	bundle string
	// stalls are what keeps the boards from working, one after the other, and stall
	// the one of now.
	stalls []stall
	stall  stall
	// programs are more that a board gets.
	programs []string
}

// place names the board for people.
func (d *demo) place() string {
	if d.kind != "" {
		if d.dilation > 1 {
			return fmt.Sprintf("an emulated %s whose seconds take %d", d.kind, d.dilation)
		}
		if d.speed != "" && d.stall.length > 0 {
			return "an emulated " + d.cpu
		}
		if d.speed != "" {
			return fmt.Sprintf("an emulated %s with counted time, as fast as %s", d.kind, d.speed)
		}
		return "an emulated " + d.kind
	}
	return "a board with " + d.cpu + " of one core"
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(d.began).Seconds(), d.prefix+fmt.Sprintf(format, args...))
}

// how tells which boards ran beside one another.
func (d *demo) how() string {
	switch {
	case d.atOnce:
		return "All boards ran at the same time."
	case d.sideBySide:
		return "The tools of a round ran at the same time, each on its own board."
	}
	return "The tools of a round ran one after the other."
}

// each does n pieces of work, one after the other until one fails, or all at once.
func each(n int, atOnce bool, work func(i int) ([]run, error)) ([]run, error) {
	runs, errs := make([][]run, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		one := func() { runs[i], errs[i] = work(i) }
		if atOnce {
			group.Go(one)
			continue
		}
		if one(); errs[i] != nil {
			break
		}
	}
	group.Wait()
	return slices.Concat(runs...), errors.Join(errs...)
}

// shares runs everything on boards of each share of a core, one share after the
// other, or with atOnce all at once, and prints their tables.
func (d *demo) shares(all, versions []string, rounds int) ([]run, error) {
	return each(len(all), d.atOnce, func(i int) ([]run, error) {
		one := *d
		one.cpu = all[i]
		if len(d.stalls) > 0 {
			one.stall = d.stalls[i]
		}
		if len(all) > 1 {
			one.board = boardOf(d.board, i)
		}
		if d.atOnce && len(all) > 1 {
			one.prefix = one.cpu + " "
		}
		runs, err := one.versions(versions, rounds)
		d.printing.Lock()
		defer d.printing.Unlock()
		for _, version := range versions {
			if some := slices.DeleteFunc(slices.Clone(runs), func(r run) bool { return r.Version != version }); len(some) > 0 {
				printTable(os.Stdout, one.place(), version, some)
			}
		}
		return runs, err
	})
}

// versions runs the rounds of every version, one version after the other, or
// with sideBySide all at once.
func (d *demo) versions(all []string, rounds int) ([]run, error) {
	return each(len(all), d.sideBySide, func(i int) ([]run, error) {
		one := *d
		one.version, one.board = all[i], boardOf(d.board, i)
		if d.sideBySide && len(all) > 1 {
			one.prefix += one.version + " "
		}
		return one.rounds(rounds)
	})
}

// boardOf is the name of one of several boards.
func boardOf(name string, i int) string { return fmt.Sprintf("%s-%d", name, i) }

// rounds runs all tools alternately, so that a change in the machine's own
// speed meets all of them.
func (d *demo) rounds(n int) ([]run, error) {
	var all []run
	tools := d.tools
	if d.interrupt || d.cut {
		tools = slices.DeleteFunc(slices.Clone(tools), func(t tool) bool { return !isArm(t.Name) })
	}
	if d.atOnce {
		tools, n = slices.Repeat(tools, n), 1
	}
	for range n {
		runs, err := each(len(tools), d.sideBySide, func(i int) ([]run, error) {
			one := *d
			one.board = boardOf(d.board, i)
			if d.sideBySide {
				one.prefix += tools[i].Name + ": "
			}
			return one.valid(tools[i])
		})
		if err != nil {
			return all, err
		}
		all = append(all, runs...)
	}
	return all, nil
}

// once makes a board, bootstraps it and takes it down.
func (d *demo) once(t tool) (r run, err error) {
	r.Tool, r.Version, r.Board = t.Name, d.version, d.cpu
	if err := d.up(t); err != nil {
		return r, fmt.Errorf("make a board: %w", err)
	}
	defer func() {
		if e := d.down(); err == nil {
			err = e
		}
	}()
	if err := d.prepare(t, &r); err != nil {
		return r, err
	}
	d.say("%s on %s", t.Name, d.place())
	if d.interrupt && isArm(t.Name) {
		r.Interrupts++
		if err := d.interrupted(t); err != nil {
			return r, err
		}
	}
	if d.cut && isArm(t.Name) {
		if err := d.cutInTheMiddle(t, &r); err != nil {
			return r, err
		}
	}
	return r, d.bootstrapTo(t, &r)
}

// up makes the board.
func (d *demo) up(t tool) error {
	words := []string{"up", "--name", d.board, "--for", strconv.Itoa(os.Getpid()), "--kubernetes", d.version}
	if d.kind != "" {
		words = append(words, "--board", d.kind, "--time-dilation", strconv.Itoa(d.dilation))
	} else {
		words = append(words, "--cpu", d.cpu)
	}
	if d.speed != "" {
		words = append(words, "--speed", d.speed)
	}
	if d.pace {
		words = append(words, "--pace")
	}
	programs := slices.Clone(d.programs)
	switch {
	case d.deb == "":
		programs = append(programs, d.kubeadmArm)
	case t.needsArm():
		// A serial line would take minutes.
		programs = append(programs, d.deb)
	}
	for _, p := range programs {
		words = append(words, "--bin", p)
	}
	cmd := exec.Command(d.lab, words...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// prepare installs what the board is to have beyond what lab gives it.
func (d *demo) prepare(t tool, r *run) error {
	if d.deb != "" && t.needsArm() {
		if err := d.install(r); err != nil {
			return err
		}
	}
	if d.bundle != "" {
		return d.unpack(r)
	}
	return nil
}

// bootstrapTo runs the tool, waits for the node, and notes in r how both went.
func (d *demo) bootstrapTo(t tool, r *run) error {
	before, err := d.usage()
	if err != nil {
		return err
	}
	machine, begin := readStandstill(), time.Now()
	out, runErr := d.bootstrap(t, "", nil)
	r.Lost = readStandstill().minus(machine).seconds() / time.Since(begin).Seconds()
	seen, err := d.milestones(before)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if d.stall.length > 0 {
		if r.Stalls, err = d.stallsSeen(); err != nil {
			return err
		}
	}
	began, done := seen["began"], seen["done"]
	r.Seconds = done.Uptime - began.Uptime
	r.CPUSeconds, r.ByProgram = done.since(began)
	r.SliceCosts = done.Pace.Costs
	ready, waited := seen["ready"]
	r.OK = waited
	if !waited {
		r.Reason = reason(out, runErr)
		d.say("%s failed after %.0f s: %s", t.Name, r.Seconds, r.Reason)
		return d.countRestarts(r)
	}
	if m := ownCost.FindStringSubmatch(out); m != nil {
		r.OwnCPUSeconds, _ = strconv.ParseFloat(m[1], 64)
		r.OwnMB, _ = strconv.ParseFloat(m[2], 64)
	}
	r.CPUAtReady, r.ByProgram = ready.since(began)
	r.Written = ready.Written
	// Its exit code was that of the wait for the node.
	r.NodeReady = runErr == nil
	if r.NodeReady {
		r.ReadySeconds = ready.Uptime - began.Uptime
		d.say("%s: node Ready after %.1f s", t.Name, r.ReadySeconds)
	} else {
		d.say("%s: the node was not Ready within %s of the end of init", t.Name, d.limit)
	}
	d.afterwards(t, r)
	return nil
}

// ownCost is kubeadm-arm's line about itself.
var ownCost = regexp.MustCompile(`kubeadm-arm itself took ([0-9.]+) s of CPU time and at most ([0-9.]+) MB`)

// interrupted starts kubeadm-arm and sends it SIGINT in the middle of the
// longest wait. Afterwards all four manifests have to be in their folder.
func (d *demo) interrupted(t tool) error {
	out, err := d.bootstrap(t, middle, func() {
		if out, err := d.onBoard(time.Minute, "pkill", "-INT", "-x", "kubeadm-arm"); err != nil {
			d.say("interrupt kubeadm-arm: %v: %s", err, out)
		}
	})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		return fmt.Errorf("interrupt kubeadm-arm: want exit code 130, got: %v\n%s", err, out)
	}
	list, err := d.onBoard(time.Minute, "ls", "/etc/kubernetes/manifests")
	if err != nil {
		return err
	}
	if files := strings.Fields(list); len(files) != 4 {
		return fmt.Errorf("after the interrupt the manifests folder holds %v", files)
	}
	d.say("interrupted; all four manifests are in place; the same command again")
	return nil
}

// middle is what kubeadm-arm says at the start of its longest wait.
const middle = "wait for kube-apiserver: "

// bootstrap runs the tool, showing its progress and keeping what it says, and after
// its success waits for the node. Once it has said at, then is called.
func (d *demo) bootstrap(t tool, at string, then func()) (string, error) {
	words := append([]string{"run", "--name", d.board}, d.stall.environment()...)
	words = append(words, "--", "sh", "-c", bootstrapScript, d.board, d.patience(d.limit))
	cmd := exec.Command(d.lab, append(words, t.wordsFor(d.version)...)...)
	var out bytes.Buffer
	w := &progress{d: d, out: &out, quiet: !isArm(t.Name), trigger: []byte(at), then: then}
	cmd.Stdout, cmd.Stderr = w, w
	err := cmd.Run()
	return out.String(), err
}

// progress shows lines with the time. Of stock kubeadm only its phases' lines:
// its system check prints a screenful of the kernel's options.
type progress struct {
	d     *demo
	out   *bytes.Buffer
	quiet bool
	line  []byte
	// then is called once, when trigger has been written.
	trigger []byte
	then    func()
}

func (p *progress) Write(b []byte) (int, error) {
	p.out.Write(b)
	if p.then != nil && bytes.Contains(p.out.Bytes(), p.trigger) {
		p.then()
		p.then = nil
	}
	for _, c := range b {
		if c != '\n' {
			p.line = append(p.line, c)
			continue
		}
		if text := string(p.line); text != "" && (!p.quiet || strings.HasPrefix(text, "[")) {
			p.d.say("  %s", text)
		}
		p.line = p.line[:0]
	}
	return len(b), nil
}

// inspect looks at what the run left on the board.
func (d *demo) inspect(r *run) error {
	list, err := d.onBoard(time.Minute, "find", "/etc/kubernetes", "-mindepth", "1", "-not", "-path", "*/pki/*")
	if err != nil {
		return fmt.Errorf("look at /etc/kubernetes: %w: %s", err, list)
	}
	for _, path := range strings.Fields(list) {
		switch {
		case filepath.Dir(path) == "/etc/kubernetes/manifests":
			r.Manifests = append(r.Manifests, filepath.Base(path))
		case path == "/etc/kubernetes/kubeadm-arm" || strings.HasPrefix(path, "/etc/kubernetes/kubeadm-arm/patches"), path == "/etc/kubernetes/kubeadm-arm/held-back":
			// For upgrades, and for later starts: these are to stay.
		case strings.Contains(path, "kubeadm-arm"):
			r.Left = append(r.Left, path)
		}
	}
	sort.Strings(r.Manifests)
	return nil
}

// startsAgain is how often a component may be started again because of what the demo
// did: when the power goes, whatever runs; when kubeadm-arm is interrupted, those that
// it puts back into the kubelet's sight and takes away again when it goes on.
func (r *run) startsAgain(component string) int {
	n := r.PowerCuts
	if component == "kube-scheduler" || component == "kube-controller-manager" {
		n += r.Interrupts
	}
	return n
}

func (d *demo) down() error {
	out, err := exec.Command(d.lab, "down", "--name", d.board).CombinedOutput()
	if err != nil {
		return fmt.Errorf("take the board down: %w: %s", err, out)
	}
	return nil
}

// reason is the line of a failed run that says why.
func reason(out string, err error) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for _, prefix := range []string{"error: ", "error execution phase", "kubeadm-arm: "} {
		for _, l := range lines {
			if l = strings.TrimSpace(l); strings.HasPrefix(l, prefix) {
				return strings.TrimPrefix(l, "error: ")
			}
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if code := exit.ExitCode(); code > 128 && unix.SignalName(syscall.Signal(code-128)) != "" {
			return "ended by " + unix.SignalName(syscall.Signal(code-128))
		}
		return lines[len(lines)-1]
	}
	return err.Error()
}

// downAll takes down what an interrupted call has made.
func (d *demo) downAll() {
	all, err := d.allBoards()
	if err != nil {
		d.say("%v", err)
	}
	for _, b := range all {
		if strings.HasPrefix(b.Name, d.board+"-") {
			one := *d
			one.board = b.Name
			_ = one.down()
		}
	}
}
