package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/report"
)

// bench is `kubeadm-arm bench`.
func (v invocation) bench(args []string) error {
	f := flag.NewFlagSet("kubeadm-arm bench", flag.ContinueOnError)
	f.SetOutput(v.stderr)
	budget := f.Duration("budget", 0, fmt.Sprintf("upper bound of the whole benchmark (default %s, with --short %s, at most %s with less than a core)", bench.DefaultBudget, bench.ShortBudget, bench.ShortQuotaBudget))
	short := f.Bool("short", false, "only what init needs to know")
	folders := f.StringSlice("folder", []string{"/var/lib/etcd"}, "folder whose disk is measured; may be repeated")
	output := f.StringP("output", "o", "text", "text, json, yaml, markdown or html")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return &problem{exitUsage, "see kubeadm-arm bench --help", err}
	}
	if f.NArg() > 0 {
		return &problem{exitUsage, "name folders with --folder", fmt.Errorf("bench takes no arguments, got %q", f.Arg(0))}
	}
	if *budget < 0 {
		return &problem{exitUsage, "see kubeadm-arm bench --help", fmt.Errorf("flag --budget: %s is less than nothing", *budget)}
	}
	if !slices.Contains([]string{"text", "json", "yaml", "markdown", "html"}, *output) {
		return &problem{exitUsage, "see kubeadm-arm bench --help", fmt.Errorf("flag --output: %q is not text, json, yaml, markdown or html", *output)}
	}
	stop := listenForSignals()
	defer stop.close()
	var places []string
	for _, dir := range *folders {
		places = append(places, bench.NearestFolder(dir))
	}
	began := time.Now()
	res, err := bench.Run(stop.ctx, bench.Options{Short: *short, Budget: *budget, Folders: places, Progress: func(step string, done, total int) {
		fmt.Fprintf(v.stderr, "%5.1f s  %d/%d %s\n", time.Since(began).Seconds(), done, total, step)
	}})
	if sig := stop.signal(); sig != 0 {
		return &problem{128 + int(sig), "run it again", fmt.Errorf("interrupted by %s", signalName(sig))}
	}
	var folder *bench.FolderError
	if errors.As(err, &folder) {
		hint := folder.Hint()
		if hint == "" {
			hint = "name a folder that can be written with --folder"
		}
		return &problem{exitDisk, hint, err}
	}
	if err != nil {
		return err
	}
	if isRoot() {
		_ = keepBench(res)
	}
	if *output == "text" {
		return bench.Text(v.stdout, res)
	}
	r := report.New(res.Started)
	r.Bench = &res
	if board, err := hwdetect.Read("/"); err == nil {
		if err := r.SetBoard(board); err != nil {
			return err
		}
	}
	return reportWriters()[*output](v.stdout, r)
}
