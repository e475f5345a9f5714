// Command reports makes the reports in testdata/reports, and the pages of them
// in docs/boards, from boards that nobody needs to own: this machine with a CFS
// quota on one core or two, and ARM boards that lab boots in QEMU. It needs
// root, the programs of make lab and make cross, what `lab deps --emulator`
// installs, and Debian's package archive for the boards' kernels.
//
//	make reports
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/kubeadm-arm/kubeadm-arm/bench"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "boards:", err)
		os.Exit(1)
	}
}

// board is one to make a report of.
type board struct {
	name, label string
	// measure returns the report as JSON.
	measure func(ctx context.Context) ([]byte, error)
}

func run(ctx context.Context) error {
	out := flag.String("out", "testdata/reports", "folder for the reports")
	pages := flag.String("pages", "docs/boards", "folder for the pages")
	lab := flag.String("lab", "bin/lab", "the lab program")
	dist := flag.String("dist", "dist", "folder of the kubeadm-arm programs that make cross builds")
	results := flag.String("cost", "docs/results/bench-cost.md", "file for what the benchmark costs on emulated boards")
	only := flag.String("only", "", "make only these, names with commas between them")
	inside := flag.String("inside", "", "measure within this cgroup and print the report (used by the program itself)")
	cores := flag.Int("cores", 0, "use this many cores, 0 for all (with -inside)")
	flag.Parse()
	if *inside != "" {
		return measureInside(ctx, *inside, *cores)
	}
	var list []board
	var costs []cost
	list = append(list, throttledBoards()...)
	list = append(list, emulatedBoards(*lab, *dist, &costs)...)
	if err := os.MkdirAll(*pages, 0o755); err != nil {
		return err
	}
	found := false
	for _, b := range list {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), b.name) {
			continue
		}
		found = true
		began := time.Now()
		fmt.Fprintf(os.Stderr, "%-28s ", b.name)
		text, err := b.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		r, err := report.Parse(text)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		if err := write(*out, *pages, b, r); err != nil {
			return err
		}
		// At once, as an interrupted run keeps what it has.
		if err := errors.Join(writeCosts(*results, costs), writeIndex(*out, *pages, list)); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%3.0f s; benchmark %.1f s, %.0f MB\n", time.Since(began).Seconds(), r.Bench.Elapsed,
			float64(r.Bench.PeakMemory)/1e6)
	}
	if !found {
		return fmt.Errorf("no board is called %q", *only)
	}
	return nil
}

// write puts the report where it belongs, as JSON and as a page.
func write(folder, pages string, b board, r report.Report) error {
	r.Label = b.label
	// Boards without a battery think that it is 1970.
	r.Created = time.Now().UTC().Truncate(time.Second)
	// The identity of a boot says nothing to others.
	r.Bench.BootID = ""
	var found hwdetect.Board
	if err := json.Unmarshal(r.Board, &found); err != nil {
		return fmt.Errorf("read the board of %s: %w", b.name, err)
	}
	r.Versions = map[string]string{"kernel": found.Kernel.Release}
	for _, form := range []struct {
		path  string
		write func(*renameio.PendingFile) error
	}{
		{filepath.Join(folder, b.name+".json"), func(f *renameio.PendingFile) error { return report.JSON(f, r) }},
		{filepath.Join(pages, b.name+".md"), func(f *renameio.PendingFile) error { return report.Markdown(f, r) }},
	} {
		f, err := renameio.NewPendingFile(form.path, renameio.WithPermissions(0o644))
		if err != nil {
			return err
		}
		err = errors.Join(form.write(f), f.CloseAtomicallyReplace())
		f.Cleanup()
		if err != nil {
			return err
		}
	}
	return nil
}

// measure makes the report on the board itself. Folder is measured too, unless
// it is empty.
func measure(ctx context.Context, folder string) (report.Report, error) {
	o := bench.Options{}
	if folder != "" {
		o.Folders = []string{folder}
	}
	result, err := bench.Run(ctx, o)
	if err != nil {
		return report.Report{}, err
	}
	r := report.New(result.Started)
	r.Bench = &result
	b, err := hwdetect.Read("/")
	if err != nil {
		return report.Report{}, err
	}
	return r, r.SetBoard(b)
}
