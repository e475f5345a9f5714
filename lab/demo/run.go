package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// run is one bootstrap on one fresh board. Times are in seconds.
type run struct {
	setup
	outcome
	cost
	faults
	host
	after
}

// setup is what was run where.
type setup struct {
	Tool string `json:"tool"`
	// Version is Kubernetes', Board the share of one core or the kind of board.
	Version string `json:"kubernetes"`
	Board   string `json:"cpu"`
}

// outcome is how the bootstrap ended.
type outcome struct {
	OK      bool    `json:"ok"`
	Reason  string  `json:"reason,omitempty"`
	Seconds float64 `json:"seconds"`
	// ReadySeconds is the time to a Ready node.
	ReadySeconds float64        `json:"readySeconds"`
	NodeReady    bool           `json:"nodeReady"`
	Restarts     map[string]int `json:"restarts"`
	// LastWords are why components were started again: exit codes and ends of logs.
	LastWords []string `json:"lastWords,omitempty"`
}

// cost is what the bootstrap used.
type cost struct {
	CPUSeconds float64 `json:"cpuSeconds"`
	// CPUAtReady includes what the board did until the node was Ready.
	CPUAtReady float64 `json:"cpuSecondsAtReady"`
	// ByProgram are the CPU seconds until Ready.
	ByProgram map[string]float64 `json:"cpuSecondsByProgram,omitempty"`
	// Connections were opened on the board, Requests served by the API server,
	// Written bytes sent to disks by the processes that live at the end.
	Connections int64 `json:"connections,omitempty"`
	Requests    int64 `json:"requests,omitempty"`
	Written     int64 `json:"writtenBytes,omitempty"`
	// OwnCPUSeconds and OwnMB are kubeadm-arm's own cost, as it says itself.
	OwnCPUSeconds float64 `json:"ownCPUSeconds,omitempty"`
	OwnMB         float64 `json:"ownMB,omitempty"`
}

// faults are what was done to the bootstrap on purpose.
type faults struct {
	// PowerCuts and Interrupts are those in the middle of it.
	PowerCuts  int `json:"powerCuts,omitempty"`
	Interrupts int `json:"interrupts,omitempty"`
	// Stalls are the places where the board was stalled, with its clock in seconds.
	Stalls []string `json:"stalls,omitempty"`
}

// host is what this machine had to do with the times.
type host struct {
	// SliceCosts are how many times the CPU time that work took in the slices of a
	// paced board (lab up --pace), measured every ten seconds.
	SliceCosts []float64 `json:"sliceCosts,omitempty"`
	// Lost is the part of the run for which this machine was kept from working.
	Lost float64 `json:"lost,omitempty"`
	// Invalid says why the run shows nothing about the tool; see invalid.
	Invalid string `json:"invalid,omitempty"`
}

// after is what the board was like afterwards.
type after struct {
	Manifests []string `json:"manifests"`
	// Left are kubeadm-arm's files that stayed in /etc/kubernetes.
	Left []string `json:"left"`
	Pods string   `json:"pods,omitempty"`
	Idle *idle    `json:"idle,omitempty"`
	// Checks are what the cluster was seen doing, Missed what it was to do and did
	// not, once it was Ready.
	Checks []check  `json:"deeds,omitempty"`
	Missed []string `json:"missed,omitempty"`
	// Decided is what kubeadm-arm's report says of an emulated board.
	Decided *decided `json:"decided,omitempty"`
	// Reboot is what came after a power cut.
	Reboot *reboot `json:"reboot,omitempty"`
}

// demo runs tools on one board after the other.
type demo struct {
	*settings
	board drive.Board
	log   drive.Log
	// version is Kubernetes'.
	version string
	place
}

// once makes a board, bootstraps it and takes it down.
func (d *demo) once(t tool) (r run, err error) {
	r.Tool, r.Version, r.Board = t.Name, d.version, d.place.name
	if err := d.up(t); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, d.board.Down(context.Background())) }()
	if err := d.prepare(t, &r); err != nil {
		return r, err
	}
	d.log.Printf("%s on %s", t.Name, d.describePlace())
	if d.fault != nil {
		if err := d.fault(d, t, &r); err != nil {
			return r, err
		}
	}
	return r, d.bootstrapTo(t, &r)
}

// up makes the board.
func (d *demo) up(t tool) error {
	flags := append([]string{"--kubernetes", d.version}, d.machines.flagsOfUp(d.place)...)
	for _, p := range d.software.programsFor(t) {
		flags = append(flags, "--bin", p)
	}
	return d.board.Up(context.Background(), flags...)
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
	out, runErr := d.bootstrap(t)
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
	r.CPUSeconds, r.ByProgram = done.Since(began)
	r.SliceCosts = done.Pace.Costs
	ready, waited := seen["ready"]
	r.OK = waited
	if !waited {
		r.Reason = reason(out, runErr)
		d.log.Printf("%s failed after %.0f s: %s", t.Name, r.Seconds, r.Reason)
		return d.countRestarts(r)
	}
	if m := ownCost.FindStringSubmatch(out); m != nil {
		r.OwnCPUSeconds, _ = strconv.ParseFloat(m[1], 64)
		r.OwnMB, _ = strconv.ParseFloat(m[2], 64)
	}
	r.CPUAtReady, r.ByProgram = ready.Since(began)
	r.Written = ready.Written
	// Its exit code was that of the wait for the node.
	r.NodeReady = runErr == nil
	if r.NodeReady {
		r.ReadySeconds = ready.Uptime - began.Uptime
		d.log.Printf("%s: node Ready after %.1f s", t.Name, r.ReadySeconds)
	} else {
		d.log.Printf("%s: the node was not Ready within %s of the end of init", t.Name, d.limit)
	}
	d.afterwards(t, r)
	return nil
}

// ownCost is kubeadm-arm's line about itself.
var ownCost = regexp.MustCompile(`kubeadm-arm itself took ([0-9.]+) s of CPU time and at most ([0-9.]+) MB`)

// bootstrap runs the tool, showing its progress and keeping what it says, and after
// its success waits for the node.
func (d *demo) bootstrap(t tool) (string, error) {
	var out bytes.Buffer
	err := d.bootstrapCommand(t, &out).Run()
	return out.String(), err
}

// bootstrapCommand is the command of bootstrap; what is said goes to all of to, too.
func (d *demo) bootstrapCommand(t tool, to ...io.Writer) *exec.Cmd {
	words := append([]string{"sh", "-c", bootstrapScript, d.board.Name, d.patience(d.limit)},
		t.commandFor(d.version)...)
	cmd := d.board.Command(context.Background(), d.stall.environment(), words...)
	out := io.MultiWriter(append(to, &progress{log: d.log, quiet: !isArm(t.Name)})...)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd
}

// progress shows lines with the time. Of stock kubeadm only its phases' lines:
// its system check prints a screenful of the kernel's options.
type progress struct {
	log   drive.Log
	quiet bool
	line  []byte
}

func (p *progress) Write(b []byte) (int, error) {
	for _, c := range b {
		if c != '\n' {
			p.line = append(p.line, c)
			continue
		}
		if text := string(p.line); text != "" && (!p.quiet || strings.HasPrefix(text, "[")) {
			p.log.Printf("  %s", text)
		}
		p.line = p.line[:0]
	}
	return len(b), nil
}

// ownFolder is kubeadm-arm's on the board.
const ownFolder = "/etc/kubernetes/kubeadm-arm"

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
		case path == ownFolder, strings.HasPrefix(path, ownFolder+"/patches"), path == ownFolder+"/held-back":
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
	code := drive.ExitCode(err)
	if code < 0 {
		return err.Error()
	}
	if name := unix.SignalName(syscall.Signal(code - 128)); code > 128 && name != "" {
		return "ended by " + name
	}
	return lines[len(lines)-1]
}
