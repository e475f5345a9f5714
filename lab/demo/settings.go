package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// settings are what all boards of one call have in common.
type settings struct {
	lab drive.Lab
	// boardsPrefix is what all names of the boards begin with: two demos may run at once.
	boardsPrefix string
	// kubernetes are versions.
	kubernetes []string
	// tools are tried one after the other, or at once; see schedule.
	tools []tool
	limit time.Duration
	// fault disturbs each bootstrap once, nil for none.
	fault fault
	software
	machines
	schedule
	measurements
}

// software is what the boards get beyond what lab gives them.
type software struct {
	kubeadmArm string
	// deb is kubeadm-arm's Debian package, to be installed on an emulated board
	// instead; empty for none.
	deb string
	// bundle is a folder of kubeadm-arm images build, which takes the place of the
	// Kubernetes on an emulated board.
	bundle string
	// programs are more that a board gets.
	programs []string
}

func (s *software) flags(f *flag.FlagSet) {
	f.StringVar(&s.kubeadmArm, "kubeadm-arm", "kubeadm-arm", "the kubeadm-arm program, static, for this machine")
	f.StringVar(&s.deb, "deb", "", "install kubeadm-arm on an emulated board from this Debian package instead")
	f.StringVar(&s.bundle, "bundle", "", "folder of kubeadm-arm images build, to be unpacked and imported on an "+
		"emulated board "+
		"in place of its Kubernetes")
	f.StringArrayVar(&s.programs, "bin", nil, "one more program for every board; may be repeated")
}

// programsFor are the files that lab up puts on a tool's board.
func (s *software) programsFor(t tool) []string {
	switch {
	case s.deb == "":
		return append(slices.Clone(s.programs), s.kubeadmArm)
	case t.needsArm():
		// A serial line would take minutes.
		return append(slices.Clone(s.programs), s.deb)
	}
	return s.programs
}

// machines are the boards.
type machines struct {
	// kind is of emulated boards, empty for throttled ones, and speed that of those with
	// counted time, empty for the kind's own.
	kind, speed string
	// dilation is how many seconds here one of an emulated board's takes.
	dilation int
	// shares are of one core, of throttled boards.
	shares []string
	// pace has throttled boards do their share's work, whatever that costs here.
	pace bool
	// places are made of these.
	places []place
}

// place is where a bootstrap runs.
type place struct {
	// name is the share of a throttled board, or the kind of an emulated one and what
	// happens to it.
	name  string
	stall stall
}

func (m *machines) flags(f *flag.FlagSet) {
	f.StringSliceVar(&m.shares, "cpu", []string{"5%"}, "shares of one core that a board gets, one after the other")
	f.BoolVar(&m.pace, "pace", false, "give boards the CPU time with which their work is that of their share (lab up "+
		"--pace): "+
		"for hosts that are not quiet")
	f.StringVar(&m.kind, "board", "", "emulated boards of this kind (lab up --board) instead of shares of a core")
	f.StringVar(&m.speed, "speed", "", "give emulated boards counted time and this speed (lab up --speed), such as "+
		"bananapi or bananapi/4")
	f.IntVar(&m.dilation, "time-dilation", 1, "a second on an emulated board takes so many here (lab up "+
		"--time-dilation); times are the board's")
}

// prepare checks the flags and makes the places, each with one of the stalls, if any.
func (m *machines) prepare(stalls []stall) error {
	if m.dilation < 1 || m.dilation > 1 && m.kind == "" {
		return errors.New("--time-dilation is for --board, and at least 1")
	}
	if m.kind == "" {
		if len(stalls) > 0 {
			return errors.New("stalls are for --board")
		}
		for _, share := range m.shares {
			m.places = append(m.places, place{name: share})
		}
		return nil
	}
	board := strings.TrimSpace(m.kind + " " + m.speed)
	if len(stalls) == 0 {
		m.places = []place{{name: board}}
	}
	for _, s := range stalls {
		m.places = append(m.places, place{board + ", " + s.String(), s})
	}
	return nil
}

// flagsOfUp are lab up's.
func (m *machines) flagsOfUp(at place) []string {
	var flags []string
	if m.kind != "" {
		flags = append(flags, "--board", m.kind, "--time-dilation", strconv.Itoa(m.dilation))
	} else {
		flags = append(flags, "--cpu", at.name)
	}
	if m.speed != "" {
		flags = append(flags, "--speed", m.speed)
	}
	if m.pace {
		flags = append(flags, "--pace")
	}
	return flags
}

// describePlace names the board for people.
func (d *demo) describePlace() string {
	switch {
	case d.kind == "":
		return "a board with " + d.place.name + " of one core"
	case d.dilation > 1:
		return fmt.Sprintf("an emulated %s whose seconds take %d", d.kind, d.dilation)
	case d.speed != "" && d.stall.length > 0:
		return "an emulated " + d.place.name
	case d.speed != "":
		return fmt.Sprintf("an emulated %s with counted time, as fast as %s", d.kind, d.speed)
	}
	return "an emulated " + d.kind
}

// schedule is what runs beside what.
type schedule struct {
	rounds int
	// sideBySide has the tools of a round, and all versions, run at once; atOnce all
	// rounds and places, too.
	sideBySide, atOnce bool
}

func (s *schedule) flags(f *flag.FlagSet) {
	f.IntVar(&s.rounds, "rounds", 1, "pairs of runs; medians are compared")
	f.BoolVar(&s.sideBySide, "side-by-side", false,
		"the tools of a round, and all versions, at once, each on its own board; for small shares")
	f.BoolVar(&s.atOnce, "at-once", false, "all rounds and shares at once, too")
}

// measurements are what is looked at once a node is Ready.
type measurements struct {
	// detail asks for connections and requests.
	detail bool
	// settle and idleFor are how long to wait and to measure the idle load; zero
	// measures none.
	settle, idleFor time.Duration
	// conformance has every cluster show that it works.
	conformance bool
	// reboot cuts the power and waits for the control plane.
	reboot bool
	// reports is where the boards' reports are kept, empty for nowhere.
	reports string
}

func (m *measurements) flags(f *flag.FlagSet) {
	f.BoolVar(&m.detail, "detail", false, "count connections and API requests, too")
	f.BoolVar(&m.reboot, "reboot", false, "afterwards cut the power, start the board again and wait for the control "+
		"plane")
	f.StringVar(&m.reports, "reports", "", "folder to keep kubeadm-arm's board reports in")
}
