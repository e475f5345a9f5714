package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"text/tabwriter"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
)

// once is one run in a process of its own, as JSON.
func once(ctx context.Context, flags *flag.FlagSet, args []string, out io.Writer) error {
	budget := flags.Duration("budget", 0, "")
	folder := flags.String("folder", "", "")
	short := flags.Bool("short", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o := bench.Options{Budget: *budget, Short: *short}
	if *folder != "" {
		o.Folders = []string{*folder}
	}
	r, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

type key struct{ name, clock string }

func repeat(ctx context.Context, flags *flag.FlagSet, args []string, out, progress io.Writer) error {
	runs := flags.Int("runs", 5, "how many runs")
	budget := flags.Duration("budget", bench.DefaultBudget, "budget of each")
	folder := flags.String("folder", "", "measure the disk here too")
	short := flags.Bool("short", false, "the short form")
	tolerance := flags.Float64("tolerance", 0.10, "how far medians may lie apart")
	if err := flags.Parse(args); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	medians := map[key][]float64{}
	var order []key
	notes := map[string]int{}
	for i := range *runs {
		cmd := exec.CommandContext(ctx, self, "once", "-budget", budget.String(), "-folder", *folder,
			fmt.Sprintf("-short=%t", *short))
		cmd.Stderr = progress
		var text bytes.Buffer
		cmd.Stdout = &text
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("run %d of the benchmark: %w", i+1, err)
		}
		r, err := bench.Parse(text.Bytes())
		if err != nil {
			return err
		}
		for _, w := range r.Warnings {
			notes[w.Text]++
		}
		for _, s := range r.Samples {
			k := key{s.Name, s.Clock}
			if _, seen := medians[k]; !seen {
				order = append(order, k)
			}
			medians[k] = append(medians[k], s.Median)
		}
		fmt.Fprintf(progress, "run %d of %d: %.1f s\n", i+1, *runs, r.Elapsed)
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "measure\tclock\tlowest median\thighest median\tapart")
	far := 0
	for _, k := range order {
		lowest, highest := slices.Min(medians[k]), slices.Max(medians[k])
		apart := highest/lowest - 1
		mark := ""
		if apart > *tolerance {
			mark = "  too far"
			far++
		}
		fmt.Fprintf(t, "%s\t%s\t%.4g\t%.4g\t%.1f %%%s\n", k.name, k.clock, lowest, highest, 100*apart, mark)
	}
	for text, n := range notes {
		fmt.Fprintf(t, "warning in %d of %d runs: %s\n", n, *runs, text)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if far > 0 {
		return fmt.Errorf("%d of %d medians are more than %.0f %% apart", far, len(order), 100**tolerance)
	}
	return nil
}
