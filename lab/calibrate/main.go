// Command calibrate measures what the model in package plan is fitted to: on
// boards of different slowness it runs the short benchmark and then a whole
// `kubeadm-arm init`, and keeps the board report of each, with the benchmark
// beside the times that the bootstrap's steps took. It drives the programs lab
// and kubeadm-arm as a person would.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

func main() {
	c := calibration{log: drive.NewLog(os.Stderr), reports: map[string][]boardReport{}}
	var only []string
	flag.StringVar((*string)(&c.lab), "lab", "lab", "the lab program")
	flag.StringVar(&c.kubeadmArm, "kubeadm-arm", "kubeadm-arm", "the kubeadm-arm program, static, for this machine")
	flag.StringVar(&c.version, "kubernetes", "v1.37.2", "version of Kubernetes")
	flag.StringVar(&c.out, "out", "testdata/calibration", "folder for the reports")
	flag.StringSliceVar(&only, "only", nil, "these boards only; see --list")
	flag.DurationVar(&c.limit, "limit", 40*time.Minute, "longest time for one bootstrap")
	flag.IntVar(&c.rounds, "rounds", 3, "bootstraps of each slow board, and of each with counted time, on a fresh one "+
		"each; the one whose API server took neither longest nor least is kept")
	list := flag.Bool("list", false, "print the boards and end")
	flag.Parse()
	if *list {
		for _, b := range boards() {
			fmt.Printf("%-22s lab up %s\n", b.name, strings.Join(b.up(), " "))
		}
		return
	}
	if filepath.Base(c.kubeadmArm) != "kubeadm-arm" {
		// lab puts it on the board under its own name.
		fmt.Fprintf(os.Stderr, "calibrate: --kubeadm-arm %s: the file must be called kubeadm-arm\n", c.kubeadmArm)
		os.Exit(2)
	}
	boards := boards()
	if len(only) > 0 {
		boards = slices.DeleteFunc(boards, func(b board) bool { return !slices.Contains(only, b.name) })
	}
	if len(boards) == 0 {
		fmt.Fprintf(os.Stderr, "calibrate: none of the boards is called %s\nhint: --list prints them\n",
			strings.Join(only, ", "))
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	for round := range c.rounds {
		if round > 0 {
			boards = slices.DeleteFunc(boards, func(b board) bool { return !b.counted() && b.share >= quick })
		}
		if err := c.run(ctx, boards); err != nil {
			fmt.Fprintln(os.Stderr, "calibrate:", err)
			os.Exit(1)
		}
	}
}
