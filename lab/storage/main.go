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
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	flag "github.com/spf13/pflag"
)

// trial is one board and what is done with it.
type trial struct {
	lab, kubeadmArm, version, cpu, name string
	began                               time.Time
	// results is a file, seen what goes into it.
	results string
	seen    strings.Builder
}

func main() {
	t := trial{began: time.Now()}
	flag.StringVar(&t.lab, "lab", "lab", "the lab program")
	flag.StringVar(&t.kubeadmArm, "kubeadm-arm", "kubeadm-arm", "the kubeadm-arm program, static")
	flag.StringVar(&t.version, "kubernetes", "v1.37.2", "version of Kubernetes")
	flag.StringVar(&t.cpu, "cpu", "20%", "share of one core that the board gets")
	flag.StringVar(&t.name, "name", fmt.Sprintf("storage-%d", os.Getpid()), "the board's name")
	raid := flag.Bool("raid", false, "an emulated ARM board with a RAID instead")
	flag.StringVar(&t.results, "results", "", "Markdown file for what was seen")
	flag.Parse()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-stop
		_ = t.down()
		os.Exit(130)
	}()
	steps := t.boardSteps()
	if *raid {
		steps = t.raidSteps()
	}
	err := errors.Join(t.all(steps), t.down())
	if err != nil {
		fmt.Fprintln(os.Stderr, "storage:", err)
		os.Exit(1)
	}
	t.say("all as it should be")
	if t.results != "" {
		if err := t.write(*raid); err != nil {
			fmt.Fprintln(os.Stderr, "storage:", err)
			os.Exit(1)
		}
	}
}

// write writes down what was seen.
func (t *trial) write(raid bool) error {
	what := "a throttled board at " + t.cpu + " of a core"
	if raid {
		what = "an emulated Banana Pi (QEMU, two Cortex-A7, Debian 12 armhf, systemd) with a RAID 5 of five disks"
	}
	text := fmt.Sprintf("# kubeadm-arm storage on %s\n\n%s, Kubernetes %s. Command: `make %s`.\n\n```\n%s```\n",
		what, t.began.UTC().Format("2006-01-02"), t.version, map[bool]string{true: "raid-board", false: "storage-board"}[raid], t.seen.String())
	return os.WriteFile(t.results, []byte(text), 0o644)
}

func (t *trial) say(format string, args ...any) {
	line := fmt.Sprintf("%6.1f s  %s", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...))
	fmt.Println(line)
	fmt.Fprintln(&t.seen, line)
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
		t.say("ok  %s", s.what)
	}
	return nil
}

// down takes the board away, and the loop device with it.
func (t *trial) down() error {
	_ = t.sh(`losetup --associated ` + image + ` --noheadings --output NAME | xargs -r -n 1 losetup --detach`)
	if out, err := exec.Command(t.lab, "down", "--name", t.name).CombinedOutput(); err != nil {
		return fmt.Errorf("take the board down: %w: %s", err, out)
	}
	return nil
}

func (t *trial) reboot(more ...string) error {
	if out, err := exec.Command(t.lab, append([]string{"reboot", "--name", t.name}, more...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("reboot: %w: %s", err, out)
	}
	return nil
}

// on runs a command on the board and returns what it prints.
func (t *trial) on(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.lab, append([]string{"run", "--name", t.name, "--"}, args...)...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s%s", args[0], err, tail(out.String()), tail(said.String()))
	}
	return out.String(), nil
}

func tail(s string) string { return s[max(0, len(s)-1500):] }

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
