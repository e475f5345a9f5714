package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	flag "github.com/spf13/pflag"
)

const usage = `lab makes throwaway boards with real Kubernetes, slowed down.

  lab deps [--emulator|--whole]
                               install the Debian packages that are missing
  lab build [flags]            build Kubernetes, etcd, CoreDNS and their images
  lab up [flags]               start a board; with --board a whole emulated one
  lab run [flags] -- COMMAND   run a command on a board; its exit code is kept
  lab cp FILE NAME:PATH        copy a file to a board, or back: lab cp NAME:PATH FILE
  lab throttle [flags]         change the limits of a running board
  lab reboot [--name N]        cut the board's power and start it again
  lab status [--name N] [--json]
                               show the boards, or one
  lab down [--name N | --all]  take a board away with all that belongs to it
  lab boot [flags] -- COMMAND [-- COMMAND]...
                               boot an emulated ARM board, run commands there

lab VERB --help lists the flags of a verb. On a board, /etc/kubeadm-lab.yaml is
a configuration for kubeadm init.
`

// defaultVersion is the newest Kubernetes that kubeadm-arm knows.
const defaultVersion = "v1.37.2"

// exitLab is the exit code of lab run when lab itself failed and not the
// command, as with docker run.
const exitLab = 125

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
		"reboot": rebootVerb, "status": statusVerb, "down": downVerb, "boot": bootVerb,
	}
}

func lab(args []string) (int, error) {
	switch filepath.Base(args[0]) {
	case "systemctl":
		return systemctl(args[1:]), nil
	case "journalctl":
		return journalctl(args[1:]), nil
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
		return 1, inside(rest)
	case "supervise":
		return 1, supervise()
	case "pacer":
		return 1, runPacer(rest)
	case "disk":
		return 1, serveDisk(rest)
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

func depsVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	emulator := f.Bool("emulator", false, "those for lab boot instead")
	whole := f.Bool("whole", false, "those for whole emulated boards (lab up --board) instead")
	return func(ctx context.Context, _ []string) (int, error) {
		if *whole {
			return codeOf(installDeps(ctx, wholePrograms()))
		}
		if *emulator {
			return codeOf(installDeps(ctx, emulatorPrograms()))
		}
		return codeOf(installDeps(ctx, neededPrograms()))
	}
}

func buildVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var t target
	f.StringVar(&t.Version, "kubernetes", defaultVersion, "`version` of Kubernetes")
	f.StringVar(&t.Arch, "arch", runtime.GOARCH, "CPU: amd64, arm64 or arm")
	f.StringVar(&t.ARM, "goarm", "7", "ARM version, with --arch arm: 5, 6 or 7")
	only := f.String("only", "", "build this `program` of Kubernetes, and no images")
	sysroot := f.String("sysroot", "", "root `folder` of a Debian for another --arch, to take iptables from for kube-proxy")
	return func(ctx context.Context, _ []string) (int, error) {
		if t.Arch != "arm" {
			t.ARM = ""
		}
		if *only != "" {
			return codeOf(buildOnly(ctx, t, *only))
		}
		if t.Arch == runtime.GOARCH && *sysroot == "" {
			*sysroot = "/"
			if err := needDebianPrograms(); err != nil {
				return 1, err
			}
		}
		dir, err := build(ctx, t)
		if err != nil {
			return 1, err
		}
		if _, err := imageArchive(ctx, dir, *sysroot, t); err != nil {
			return 1, err
		}
		fmt.Println(dir)
		return 0, nil
	}
}

func upVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	o := upOptions{}
	nameFlag(f, &o.name)
	f.StringVar(&o.version, "kubernetes", defaultVersion, "`version` of Kubernetes")
	f.StringVar(&o.nodeIP, "node-ip", defaultNodeIP, "address of the board")
	f.StringArrayVar(&o.programs, "bin", nil, "program, or folder of programs, for the board's /usr/local/bin; may be repeated")
	limitFlags(f, &o.limits)
	f.BoolVar(&o.pace, "pace", false, "go on measuring what CPU time in slices is worth here, and give the board so much that its work is that of its --cpu")
	f.Var(durationValue{&o.disk.Flush}, "disk-flush", "`time` of a flush of the disk's cache, such as 20ms; an fsync of ext4 takes one or two")
	f.Var(bytesValue{&o.disk.Rate}, "disk-rate", "`bytes` a second that the disk reads and writes, such as 4MiB")
	f.StringVar(&o.board, "board", "", "a whole emulated `board` instead: "+strings.Join(wholeBoards(), ", "))
	f.IntVar(&o.dilation, "time-dilation", 1, "a second on an emulated board takes so many here, and so it is that much faster than QEMU; for boards with more or faster cores")
	f.StringVar(&o.speed, "speed", "", "give an emulated board counted time and this `speed`: bananapi, bananapi*2, bananapi/4, …")
	f.IntVar(&o.owner, "for", 0, "`process` that the board is for: once that has ended, the next lab up takes the board down")
	f.Var(bytesList{&o.disks}, "disk", "`bytes` of one more disk of an emulated board, such as 256MiB; may be repeated")
	return func(ctx context.Context, _ []string) (int, error) {
		if o.board != "" {
			if o.pace {
				return 2, errors.New("up: --pace is for boards that --cpu limits; an emulated one is as fast as QEMU")
			}
			return codeOf(upWhole(ctx, o))
		}
		if len(o.disks) > 0 {
			return 2, errors.New("up: --disk is for emulated boards; name one with --board")
		}
		return codeOf(up(ctx, o))
	}
}

func throttleVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var name string
	var l limits
	nameFlag(f, &name)
	limitFlags(f, &l)
	return func(context.Context, []string) (int, error) {
		b, err := loadBoard(name)
		if err != nil {
			return 1, err
		}
		if b.whole() {
			return 1, fmt.Errorf("board %s: an emulated board is as fast as QEMU; there is nothing to throttle", name)
		}
		// What is not named stays as it is.
		if !f.Changed("cpu") {
			l.CPU = b.Limits.CPU
		}
		if !f.Changed("period") {
			l.Period = b.Limits.Period
		}
		if !f.Changed("memory") {
			l.Memory = b.Limits.Memory
		}
		if !f.Changed("cpus") {
			l.CPUs = b.Limits.CPUs
		}
		groups, err := findCgroups(b.Name)
		if err != nil {
			return 1, err
		}
		if err := groups.limit(l); err != nil {
			return 1, err
		}
		b.Limits = l
		return codeOf(b.save())
	}
}

func runVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var name string
	nameFlag(f, &name)
	env := f.StringArray("env", nil, "`NAME=VALUE` for the command; may be repeated")
	return func(_ context.Context, args []string) (int, error) {
		if len(args) == 0 {
			return 2, errors.New("run: name a command after --")
		}
		b, err := loadBoard(name)
		if err != nil {
			return exitLab, err
		}
		if b.whole() {
			return b.runWhole(args, *env)
		}
		return runOn(b, args, *env)
	}
}

func rebootVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var name string
	nameFlag(f, &name)
	var o rebootOptions
	f.BoolVar(&o.orderly, "orderly", false, "of an emulated board: let it shut down first")
	f.StringVar(&o.clock, "clock", "", "of an emulated board: what its battery clock says then, such as 2028-01-05T10:00:00 (`UTC`)")
	f.IntSliceVar(&o.remove, "remove-disk", nil, "take out this `disk` of an emulated board before it starts; 1 is the first --disk")
	f.IntSliceVar(&o.insert, "insert-disk", nil, "put this `disk` back")
	return func(ctx context.Context, _ []string) (int, error) {
		b, err := loadBoard(name)
		if err != nil {
			return 1, err
		}
		if b.whole() {
			return codeOf(b.rebootWhole(ctx, o))
		}
		if o.orderly || o.clock != "" || o.remove != nil || o.insert != nil {
			return 2, fmt.Errorf("reboot: board %s is not emulated; its power can only be cut", name)
		}
		return codeOf(reboot(ctx, b))
	}
}

func statusVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	asJSON := f.Bool("json", false, "as JSON, sizes in bytes and times in seconds")
	name := f.String("name", "", "only the board of this `name`")
	return func(context.Context, []string) (int, error) { return codeOf(status(*name, *asJSON)) }
}

func downVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var name string
	nameFlag(f, &name)
	all := f.Bool("all", false, "all boards, also what a killed lab left")
	return func(context.Context, []string) (int, error) {
		if *all {
			return codeOf(downAll())
		}
		return codeOf(downNamed(name))
	}
}

func nameFlag(f *flag.FlagSet, name *string) {
	f.StringVar(name, "name", "board", "`name` of the board, also its hostname")
}

func limitFlags(f *flag.FlagSet, l *limits) {
	f.Var(shareValue{&l.CPU}, "cpu", "`share` of one core of this machine, such as 5%")
	f.Var(durationValue{&l.Period}, "period", "`time` over which the CPU share is dealt out (default 100ms)")
	f.Var(bytesValue{&l.Memory}, "memory", "`bytes` of memory, such as 1GiB")
	f.IntVar(&l.CPUs, "cpus", 0, "`number` of CPUs the board may run on (default all)")
}
