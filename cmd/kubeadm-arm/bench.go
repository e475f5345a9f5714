package main

import (
	"errors"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/report"
)

// runBench is `kubeadm-arm bench`.
func (v invocation) runBench(o options) error {
	budget, err := o.duration("budget")
	if err != nil {
		return err
	}
	output := o.text("output")
	stop := v.listen()
	defer stop.close()
	var places []string
	for _, dir := range o.list("folder") {
		places = append(places, bench.NearestFolder(dir))
	}
	began := time.Now()
	progress := func(step string, done, total int) {
		printable.Fprintf(v.stderr, "%5.1f s  %d/%d %s\n", time.Since(began).Seconds(), done, total, step)
	}
	res, err := bench.Run(stop.ctx, bench.Options{
		Short: o.on("short"), Budget: budget, Folders: places, Progress: progress,
	})
	if err := stop.interrupted("run it again"); err != nil {
		return err
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
		_ = storeBench(res)
	}
	if output == "text" {
		return bench.Text(v.stdout, res)
	}
	r := report.New(res.Started)
	r.Bench = &res
	if board, err := hwdetect.Read("/"); err == nil {
		if err := r.SetBoard(board); err != nil {
			return err
		}
	}
	return reportWriters()[output](v.stdout, r)
}
