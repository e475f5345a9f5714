package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board"
	"github.com/kubeadm-arm/kubeadm-arm/lab/board/supervisor"
	"github.com/kubeadm-arm/kubeadm-arm/lab/network"
)

const usage = `lab makes throwaway boards with real Kubernetes, slowed down.

  lab deps [--emulator|--emulated]
                               install the Debian packages that are missing
  lab build [flags]            build Kubernetes, etcd, CoreDNS and their images
  lab up [flags]               start a board; with --board an emulated one
  lab run [flags] -- COMMAND   run a command on a board; its exit code is kept
  lab cp FILE NAME:PATH        copy a file to a board, or back: lab cp NAME:PATH FILE
  lab throttle [flags]         change the limits of a running board
  lab link up|down [flags]     plug a board of a network in or out, or slow its link
  lab reboot [--name N]        cut the board's power and start it again
  lab status [--name N] [--json] | --names
                               show the boards, or one
  lab down [--name N | --all]  take a board away with all that belongs to it
  lab boot [flags] -- COMMAND [-- COMMAND]...
                               boot an emulated ARM board, run commands there

lab VERB --help lists the flags of a verb. On a board, /etc/kubeadm-lab.yaml is
a configuration for kubeadm init.
`

// The main goroutine stays on the process's first thread: a board's process 1
// and lab run enter namespaces, which belong to threads.
func init() { runtime.LockOSThread() }

func main() {
	code, err := lab(os.Args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
	}
	os.Exit(code)
}

// verb is one of lab's commands. It adds its flags to f and returns what runs
// once they are parsed; that returns the exit code.
type verb func(f *flag.FlagSet) func(ctx context.Context, args []string) (int, error)

func verbs() map[string]verb {
	return map[string]verb{
		"deps": depsVerb, "build": buildVerb, "up": upVerb, "run": runVerb, "cp": copyVerb, "throttle": throttleVerb,
		"reboot": rebootVerb, "status": statusVerb, "down": downVerb, "boot": bootVerb, "link": linkVerb,
	}
}

func lab(args []string) (int, error) {
	switch filepath.Base(args[0]) {
	case "systemctl":
		return supervisor.Systemctl(args[1:]), nil
	case "journalctl":
		return supervisor.Journalctl(args[1:]), nil
	case imagesName:
		return imagesCommand(args[1:]), nil
	}
	if len(args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		return 2, nil
	}
	name, rest := args[1], args[2:]
	switch name {
	// Started by lab itself.
	case "inside":
		return 1, board.Inside(rest)
	case "supervise":
		return 1, supervisor.Run()
	case "pacer":
		return 1, board.RunPacer(rest)
	case "switch":
		return 1, network.Serve(rest)
	case "disk":
		return 1, board.ServeDisk(rest)
	case "help", "--help", "-h":
		fmt.Print(usage)
		return 0, nil
	}
	v := verbs()[name]
	if v == nil {
		fmt.Fprint(os.Stderr, usage)
		return 2, fmt.Errorf("unknown verb %q", name)
	}
	f := flag.NewFlagSet("lab "+name, flag.ContinueOnError)
	// What follows the command of lab run belongs to the command.
	f.SetInterspersed(name != "run" && name != "boot")
	run := v(f)
	if err := f.Parse(rest); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, nil
		}
		return 2, err
	}
	if os.Geteuid() != 0 && name != "build" && name != "boot" {
		return 1, fmt.Errorf("%s: only root can make namespaces and cgroups", name)
	}
	// lab run passes signals on instead.
	ctx := context.Background()
	if name != "run" {
		var stop func()
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
		defer stop()
	}
	return run(ctx, f.Args())
}

// codeOf is the exit code of a verb that has no codes of its own.
func codeOf(err error) (int, error) {
	if err != nil {
		return 1, err
	}
	return 0, nil
}
