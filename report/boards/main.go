// Command boards makes the reports in testdata/reports, from boards that
// nobody needs to own: this machine with a CFS quota on one core or all, and
// ARM boards that lab boots in QEMU. It needs root, what `lab deps --emulator`
// installs, and Debian's package archive for the boards' kernels.
//
//	go run ./report/boards -out testdata/reports [-only NAME]
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
	only := flag.String("only", "", "make only this one")
	inside := flag.String("inside", "", "measure within this cgroup and print the report (used by the program itself)")
	cores := flag.Int("cores", 0, "use this many cores, 0 for all (with -inside)")
	flag.Parse()
	if *inside != "" {
		return measureInside(ctx, *inside, *cores)
	}
	work, err := os.MkdirTemp("", "boards-")
	if err != nil {
		return fmt.Errorf("make a folder to work in: %w", err)
	}
	defer os.RemoveAll(work)
	var list []board
	list = append(list, throttledBoards()...)
	list = append(list, emulatedBoards(work)...)
	found := false
	for _, b := range list {
		if *only != "" && b.name != *only {
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
		if err := write(*out, b, r); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%3.0f s; benchmark %.1f s, %.0f MB\n", time.Since(began).Seconds(), r.Bench.Elapsed, float64(r.Bench.PeakMemory)/1e6)
	}
	if !found {
		return fmt.Errorf("no board is called %q", *only)
	}
	return nil
}

// write puts the report where it belongs, as JSON and Markdown.
func write(folder string, b board, r report.Report) error {
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
		ending string
		write  func(*renameio.PendingFile) error
	}{
		{".json", func(f *renameio.PendingFile) error { return report.JSON(f, r) }},
		{".md", func(f *renameio.PendingFile) error { return report.Markdown(f, r) }},
	} {
		f, err := renameio.NewPendingFile(filepath.Join(folder, b.name+form.ending), renameio.WithPermissions(0o644))
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
