// Command storage shows that a control plane lives on a disk that kubeadm-arm
// storage gave it.
//
// On a throttled board with real Kubernetes, kubeadm-arm init --storage puts etcd
// and containerd on a loop device with ext4; then the power is cut with and
// without that disk. Without it no etcd may begin a database; with it the data has
// to be there. At the end storage undo brings all back.
//
// With --raid it is an emulated ARM board with Debian, systemd and a RAID 5 of five
// disks: the board is started again with all of them, with one gone, with three
// gone, and with all of them back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/drive"
)

// trial is one board and what is done with it.
type trial struct {
	board                    drive.Board
	kubeadmArm, version, cpu string
	// log prints, and keeps in seen what goes into the results.
	log  drive.Log
	seen strings.Builder
}

func main() {
	var t trial
	t.log = drive.NewLog(io.MultiWriter(os.Stdout, &t.seen))
	lab := flag.String("lab", "lab", "the lab program")
	flag.StringVar(&t.kubeadmArm, "kubeadm-arm", "kubeadm-arm", "the kubeadm-arm program, static")
	flag.StringVar(&t.version, "kubernetes", "v1.37.2", "version of Kubernetes")
	flag.StringVar(&t.cpu, "cpu", "20%", "share of one core that the board gets")
	name := flag.String("name", fmt.Sprintf("storage-%d", os.Getpid()), "the board's name")
	raid := flag.Bool("raid", false, "an emulated ARM board with a RAID instead")
	results := flag.String("results", "", "Markdown file for what was seen")
	flag.Parse()
	t.board = drive.Lab(*lab).Board(*name)
	drive.OnInterrupt(func() { _ = t.down() })
	steps := t.boardSteps()
	if *raid {
		steps = t.raidSteps()
	}
	err := errors.Join(t.all(steps), t.down())
	if err != nil {
		fmt.Fprintln(os.Stderr, "storage:", err)
		os.Exit(1)
	}
	t.log.Printf("all as it should be")
	if *results != "" {
		if err := t.write(*results, *raid); err != nil {
			fmt.Fprintln(os.Stderr, "storage:", err)
			os.Exit(1)
		}
	}
}

// write writes down what was seen.
func (t *trial) write(path string, raid bool) error {
	what := "a throttled board at " + t.cpu + " of a core"
	if raid {
		what = "an emulated Banana Pi (QEMU, two Cortex-A7, Debian 12 armhf, systemd) with a RAID 5 of five disks"
	}
	text := fmt.Sprintf("# kubeadm-arm storage on %s\n\n%s, Kubernetes %s. Command: `make %s`.\n\n```\n%s```\n",
		what, t.log.Began().UTC().Format("2006-01-02"), t.version, map[bool]string{true: "raid-board",
			false: "storage-board"}[raid], t.seen.String())
	return os.WriteFile(path, []byte(text), 0o644)
}

// step is one thing to be shown.
type step struct {
	what string
	do   func() error
}

func (t *trial) all(steps []step) error {
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		t.log.Printf("ok  %s", s.what)
	}
	return nil
}

// down takes the board away, and the loop device with it.
func (t *trial) down() error {
	_ = t.sh(`losetup --associated ` + image + ` --noheadings --output NAME | xargs -r -n 1 losetup --detach`)
	return t.board.Down(context.Background())
}

// on runs a command on the board and returns what it prints.
func (t *trial) on(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	return t.board.Run(ctx, args...)
}

func (t *trial) sh(script string) error {
	_, err := t.on("sh", "-c", script)
	return err
}

// wait repeats a script until it succeeds, which on a quiet machine takes at most
// usual; on a busy one it takes as long as it takes.
func (t *trial) wait(usual time.Duration, script string) error {
	var err error
	limit := 20 * usual
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(time.Second) {
		if err = t.sh(script); err == nil {
			return nil
		}
	}
	return fmt.Errorf("not within %s: %w", limit, err)
}
