// Package drive is the client of the program lab for the programs beside it: it
// makes boards, runs commands there, disturbs them and takes the boards away again, as
// a person would with lab's command line.
//
// It imports none of lab's other packages: what it can do is what lab's arguments can.
package drive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// KubeadmConfig is the configuration for kubeadm init that lab lays down on every board.
const KubeadmConfig = "/etc/kubeadm-lab.yaml"

// Lab is the path of the program.
type Lab string

// Board names a board, which need not be up yet.
func (l Lab) Board(name string) Board { return Board{l, name} }

// Board is one board.
type Board struct {
	Lab  Lab
	Name string
}

// command is lab with arguments. When ctx ends, lab is interrupted, so that it clears up
// what it has begun.
func (l Lab) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, string(l), args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// Output runs a command and returns its standard output. The error names the command
// after lab's own arguments, and has the end of both outputs.
func Output(cmd *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		what := strings.Join(cmd.Args[1:], " ")
		if _, words, ok := strings.Cut(what, " -- "); ok {
			what = words
		}
		return out.String(), fmt.Errorf("%.200s: %w: %s%s", what, err, tail(out.String()), tail(errs.String()))
	}
	return out.String(), nil
}

// tail is the end of an output that may be long.
func tail(s string) string {
	const most = 1500 // bytes
	return s[max(0, len(s)-most):]
}

// ExitCode is that of a command which has ended with err: 0 for nil, -1 where err is
// not a command's end. lab run keeps a command's code, and says 128+n for signal n.
func ExitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// Up makes the board, with further flags of lab up. lab takes it down by itself once
// this program has ended without doing so. What lab says goes to this program's standard
// error, since the first board takes a quarter of an hour.
func (b Board) Up(ctx context.Context, flags ...string) error {
	args := append([]string{"up", "--name", b.Name, "--for", strconv.Itoa(os.Getpid())}, flags...)
	cmd := b.Lab.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("make board %s: %w", b.Name, err)
	}
	return nil
}

// Down takes the board away, also after ctx has ended.
func (b Board) Down(ctx context.Context) error {
	if _, err := Output(b.Lab.command(context.WithoutCancel(ctx), "down", "--name", b.Name)); err != nil {
		return fmt.Errorf("take board %s down: %w", b.Name, err)
	}
	return nil
}

// DownAll takes all boards away whose name begins with prefix, also those that do not
// answer.
func (l Lab) DownAll(ctx context.Context, prefix string) error {
	out, err := Output(l.command(ctx, "status", "--names"))
	if err != nil {
		return fmt.Errorf("list the boards: %w", err)
	}
	for _, name := range strings.Fields(out) {
		if strings.HasPrefix(name, prefix) {
			err = errors.Join(err, l.Board(name).Down(ctx))
		}
	}
	return err
}

// Command is a command on the board, to be started by the caller. env are NAME=VALUE.
func (b Board) Command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	words := []string{"run", "--name", b.Name}
	for _, e := range env {
		words = append(words, "--env", e)
	}
	return b.Lab.command(ctx, append(append(words, "--"), args...)...)
}

// Run runs a command on the board and returns its standard output.
func (b Board) Run(ctx context.Context, args ...string) (string, error) {
	return Output(b.Command(ctx, nil, args...))
}

// Copy copies a file of this machine to a path on the board.
func (b Board) Copy(ctx context.Context, file, path string) error {
	_, err := Output(b.Lab.command(ctx, "cp", file, b.Name+":"+path))
	return err
}

// Reboot cuts the board's power and starts it again, or does what flags of lab reboot
// say.
func (b Board) Reboot(ctx context.Context, flags ...string) error {
	_, err := Output(b.RebootCommand(ctx, flags...))
	return err
}

// RebootCommand is for those who do not wait for its end.
func (b Board) RebootCommand(ctx context.Context, flags ...string) *exec.Cmd {
	return b.Lab.command(ctx, append([]string{"reboot", "--name", b.Name}, flags...)...)
}

// Throttle changes the board's limits.
func (b Board) Throttle(ctx context.Context, flags ...string) error {
	_, err := Output(b.Lab.command(ctx, append([]string{"throttle", "--name", b.Name}, flags...)...))
	return err
}

// BuildProgram builds one of Kubernetes' commands for 32-bit ARM unless it is in lab's
// cache, and returns its path.
func (l Lab) BuildProgram(ctx context.Context, version, goarm, program string) (string, error) {
	cmd := l.command(ctx, "build", "--kubernetes", version, "--arch", "arm", "--goarm", goarm, "--only", program)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build %s: %w", program, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// BuildHere is the same for this machine.
func (l Lab) BuildHere(ctx context.Context, version, program string) (string, error) {
	cmd := l.command(ctx, "build", "--kubernetes", version, "--only", program)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("build %s: %w", program, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Booted is how a command of lab boot went.
type Booted struct {
	ExitCode   int     `json:"exitCode"`
	Signal     string  `json:"signal"`
	Stdout     string  `json:"stdout"`
	Stderr     string  `json:"stderr"`
	CPUSeconds float64 `json:"cpuSeconds"`
}

// Boot boots an emulated board with programs, each NAME=FILE, and runs commands there.
func (l Lab) Boot(ctx context.Context, board string, programs []string, commands [][]string, flags ...string) ([]Booted,
	error) {
	args := append([]string{"boot", "--board", board, "--json"}, flags...)
	for _, p := range programs {
		args = append(args, "--bin", p)
	}
	for _, c := range commands {
		args = append(append(args, "--"), c...)
	}
	cmd := l.command(ctx, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("boot %s: %w", board, err)
	}
	var results []Booted
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, fmt.Errorf("read what lab boot printed: %w", err)
	}
	if len(results) != len(commands) {
		return nil, fmt.Errorf("read what lab boot printed: %d results of %d commands", len(results), len(commands))
	}
	return results, nil
}

// exitInterrupted is a shell's exit code for SIGINT.
const exitInterrupted = 128 + int(syscall.SIGINT)

// OnInterrupt has clear run when this program is to end, and then ends it.
func OnInterrupt(clear func()) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-stop
		clear()
		os.Exit(exitInterrupted)
	}()
}
