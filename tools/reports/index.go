package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
	"github.com/kubeadm-arm/kubeadm-arm/report"
)

// writeIndex writes the page that leads to the others, with what matters most
// of each board and what the plan makes of it. It is made from the reports
// alone.
func writeIndex(folder, pages string, list []board) error {
	var b bytes.Buffer
	fmt.Fprint(&b, `# How fast boards are

Each line is a report of `+"`kubeadm-arm bench`"+`, made by `+"`make reports`"+`. The boards are this machine with a share of a CPU core, and ARM boards
that QEMU emulates. Emulated boards are as slow as QEMU is on that machine, not as the real boards. To see your own board
like this, run `+"`kubeadm-arm bench -o markdown`"+` on it.

| board | handshake, RSA | handshake, ECDSA | Go work | fsync p99 | slowdown | expected API server start | the benchmark took |
|---|---|---|---|---|---|---|---|
`)
	for _, one := range list {
		r, err := report.ReadFile(filepath.Join(folder, one.name+".json"))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		disk := ""
		if len(r.Bench.Folders) > 0 {
			disk = r.Bench.Folders[0].Path
		}
		s := plan.SpeedOf(*r.Bench, disk)
		times, _ := s.Slowdown()
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s | %s | %.1f | %s | %.1f s, %.0f MB |\n", r.Label, one.name,
			amount(s.HandshakeRSA), amount(s.HandshakeECDSA), amount(s.Work), amount(s.FsyncP99), times,
			bench.Format(plan.Calibrated().Predict(plan.APIServer, s),
				"s"), r.Bench.Elapsed, float64(r.Bench.PeakMemory)/1e6)
	}
	fmt.Fprint(&b, "\nHandshakes are mutual and full, server and client together; times are of one core, stretched "+
		"by the CPU quota.\n")
	return renameio.WriteFile(filepath.Join(pages, "README.md"), b.Bytes(), 0o644)
}

// amount is a time for people, a dash for what was not measured.
func amount(seconds float64) string {
	if seconds <= 0 {
		return "–"
	}
	return bench.Format(seconds, "s")
}
