// Command join shows how boards join a cluster on slow boards, with stock kubeadm and
// with kubeadm-arm: a worker, or with --ha two more control planes. The boards of a trial
// are in one network of lab's, and equal for every tool. A pod on each board must reach the
// pods on the others and the service, by address and by name.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// settings are what all trials have in common.
type settings struct {
	lab        drive.Lab
	name       string
	kubeadmArm string
	versions   []string
	tools      []string
	rounds     int
	// first and others are shares of a core, as lab takes them; init is the first board's
	// until it is Ready.
	first, others, init, period string
	// clock is the speed of the emulated board in which this runs, empty on a machine.
	clock          string
	ha             bool
	limit          time.Duration
	json, document string
}

func main() {
	var s settings
	flag.StringVar((*string)(&s.lab), "lab", "lab", "the lab program")
	flag.StringVar(&s.kubeadmArm, "kubeadm-arm", "", "the kubeadm-arm program, static; needed for the tool of that name")
	flag.StringSliceVar(&s.versions, "kubernetes", []string{"v1.37.2"}, "versions of Kubernetes")
	flag.StringSliceVar(&s.tools, "tools", []string{"stock", "kubeadm-arm"}, "what inits and joins: stock, kubeadm-arm")
	flag.IntVar(&s.rounds, "rounds", 3, "trials of each tool, in turns")
	flag.StringVar(&s.first, "first", "10%", "`share` of a core of the first board")
	flag.StringVar(&s.others, "others", "", "of those that join (default 5%, with --ha that of the first)")
	flag.StringVar(&s.init, "init", "", "of the first board until it is Ready (default that of the first)")
	flag.StringVar(&s.period, "period", "20ms", "`time` over which shares are dealt out")
	flag.BoolVar(&s.ha, "ha", false, "two more control planes join instead of a worker")
	flag.DurationVar(&s.limit, "limit", time.Hour, "longest time for one command or wait")
	flag.StringVar(&s.name, "name", fmt.Sprintf("join-%d", os.Getpid()), "the network's `name`, with which "+
		"boards' names begin")
	flag.StringVar(&s.json, "json", "join.json", "`file` that keeps the trials: those of this call are added")
	flag.StringVar(&s.document, "document", "", "Markdown `file` for the trials of --json")
	speed := flag.String("inside", "", "make all boards in one emulated board of this `speed`, such as bananapi*4, with "+
		"counted time; shares are of its core")
	flag.StringVar(&s.clock, "clock", "", "what --inside passes on")
	flag.Parse()
	if s.others == "" {
		s.others = "5%"
		if s.ha {
			s.others = s.first
		}
	}
	if s.init == "" {
		s.init = s.first
	}
	ctx, end := context.WithCancel(context.Background())
	drive.OnInterrupt(func() { end(); _ = s.lab.DownAll(ctx, s.name+"-") })
	work := s.run
	if *speed != "" {
		work = func(ctx context.Context) error { return s.inside(ctx, *speed) }
	}
	if err := work(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "join:", err)
		os.Exit(1)
	}
}

// run makes all trials. What stock kubeadm cannot do is a result; that kubeadm-arm cannot,
// an error at the end.
func (s *settings) run(ctx context.Context) error {
	for _, t := range s.tools {
		if t != stock && t != kubeadmArm {
			return fmt.Errorf("tool %q: want stock or kubeadm-arm", t)
		}
		if t == kubeadmArm && s.kubeadmArm == "" {
			return fmt.Errorf("name the program kubeadm-arm with --kubeadm-arm")
		}
	}
	log, failed := drive.NewLog(os.Stderr), []string{}
	for round := range s.rounds {
		for _, version := range s.versions {
			for _, tool := range s.tools {
				t := trial{Tool: tool, Version: version, First: s.first, Others: s.others, Period: s.period, HA: s.ha,
					Clock: s.clock}
				one := cluster{settings: s, trial: &t, log: log.With(fmt.Sprintf("%d %s %s: ", round+1, version, tool))}
				if err := one.once(ctx); err != nil {
					return err
				}
				if t.Failed != "" && tool == kubeadmArm {
					failed = append(failed, t.Failed)
				}
				if err := s.keep(t); err != nil {
					return err
				}
			}
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("kubeadm-arm: %s", strings.Join(failed, "; "))
	}
	return nil
}

// add keeps trials that another of this program has made.
func (s *settings) add(text []byte) error {
	var more []trial
	if err := json.Unmarshal(text, &more); err != nil {
		return fmt.Errorf("read the trials: %w", err)
	}
	return s.keep(more...)
}

// keep adds trials to those that earlier calls have kept.
func (s *settings) keep(more ...trial) error {
	var all []trial
	if text, err := os.ReadFile(s.json); err == nil {
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("read %s: %w", s.json, err)
		}
	}
	all = append(all, more...)
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.json, append(text, '\n'), 0o644); err != nil {
		return err
	}
	if s.document == "" {
		return nil
	}
	return os.WriteFile(s.document, []byte(document(all)), 0o644)
}

// median of numbers, 0 without any.
func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
