package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	flag "github.com/spf13/pflag"

	"github.com/kubeadm-arm/kubeadm-arm/lab/board"
	"github.com/kubeadm-arm/kubeadm-arm/lab/board/emulated"
	"github.com/kubeadm-arm/kubeadm-arm/lab/cgroup"
	"github.com/kubeadm-arm/kubeadm-arm/lab/deps"
	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
	"github.com/kubeadm-arm/kubeadm-arm/lab/network"
)

func depsVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	emulator := f.Bool("emulator", false, "those for lab boot instead")
	emulated := f.Bool("emulated", false, "those for emulated boards with Kubernetes (lab up --board) instead")
	return func(ctx context.Context, _ []string) (int, error) {
		if *emulated {
			return codeOf(deps.Install(ctx, deps.ForEmulated()))
		}
		if *emulator {
			return codeOf(deps.Install(ctx, deps.ForEmulator()))
		}
		return codeOf(deps.Install(ctx, deps.ForBoards()))
	}
}

func buildVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var t kube.Target
	f.StringVar(&t.Version, "kubernetes", kube.DefaultVersion, "`version` of Kubernetes")
	f.StringVar(&t.Arch, "arch", runtime.GOARCH, "CPU: amd64, arm64 or arm")
	f.StringVar(&t.ARM, "goarm", "7", "ARM version, with --arch arm: 5, 6 or 7")
	only := f.String("only", "", "build this `program` of Kubernetes, and no images")
	sysroot := f.String("sysroot", "", "root `folder` of a Debian for another --arch, to take iptables from for "+
		"kube-proxy")
	return func(ctx context.Context, _ []string) (int, error) {
		if t.Arch != "arm" {
			t.ARM = ""
		}
		if *only != "" {
			path, err := kube.BuildOnly(ctx, t, *only)
			if err == nil {
				fmt.Println(path)
			}
			return codeOf(err)
		}
		if t.Arch == runtime.GOARCH && *sysroot == "" {
			*sysroot = "/"
			if err := deps.NeedBoards(); err != nil {
				return 1, err
			}
		}
		dir, err := kube.Build(ctx, t)
		if err != nil {
			return 1, err
		}
		if _, err := kube.ImageArchive(ctx, dir, *sysroot, t); err != nil {
			return 1, err
		}
		fmt.Println(dir)
		return 0, nil
	}
}

func upVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var o board.Options
	var s board.Slowness
	var e emulated.Options
	nameFlag(f, &o.Name)
	f.StringVar(&o.Version, "kubernetes", kube.DefaultVersion, "`version` of Kubernetes")
	f.StringArrayVar(&o.Also, "also", nil, "another `version`, for an upgrade: its images are imported, too, and its "+
		"kubeadm, kubelet and kubectl are in "+board.AlsoFolder+"/VERSION; may be repeated")
	f.StringVar(&o.NodeIP, "node-ip", "", "`address` of the board (default "+board.DefaultNodeIP+
		"; in a network the first free one from there)")
	f.StringVar(&o.Network, "network", "", "`name` of a network: its boards reach each other")
	f.BoolVar(&o.Endpoint, "endpoint", false, "in a network: "+board.EndpointName+" stands for this board, too, and is "+
		"the controlPlaneEndpoint")
	f.BoolVar(&o.Bare, "no-pod-network", false, "no CNI configuration and no routes between pods: for trying pod "+
		"networks")
	f.StringArrayVar(&o.Programs, "bin", nil, "program, or folder of programs, for the board's /usr/local/bin; may "+
		"be repeated")
	f.IntVar(&o.Owner, "for", 0, "`process` that the board is for: once that has ended, the next lab up takes the "+
		"board down")
	limitFlags(f, &o.Limits)
	f.BoolVar(&s.Pace, "pace", false, "go on measuring what CPU time in slices is worth here, and give the board so "+
		"much "+
		"that its work is that of its --cpu")
	f.Var(durationValue{&s.Disk.Flush}, "disk-flush",
		"`time` of a flush of the disk's cache, such as 20ms; an fsync of ext4 takes one or two")
	f.Var(bytesValue{&s.Disk.Rate}, "disk-rate", "`bytes` a second that the disk reads and writes, such as 4MiB")
	f.StringVar(&e.Kind, "board", "", "an emulated `board` instead: "+strings.Join(emulated.Kinds(), ", "))
	f.IntVar(&e.Dilation, "time-dilation", 1, "a second on an emulated board takes so many here, and so it is that "+
		"much faster "+
		"than QEMU; for boards with more or faster cores")
	f.StringVar(&e.Speed, "speed", "", "give an emulated board counted time and this `speed`: bananapi, bananapi*2, "+
		"bananapi/4, …")
	f.Var(bytesList{&e.Disks}, "disk", "`bytes` of one more disk of an emulated board, such as 256MiB; may be repeated")
	return func(ctx context.Context, _ []string) (int, error) {
		if e.Kind != "" {
			if o.Network != "" {
				return 2, errors.New("up: --network is for boards of namespaces")
			}
			if s.Pace {
				return 2, errors.New("up: --pace is for boards that --cpu limits; an emulated one is as fast as QEMU")
			}
			if len(o.Also) > 0 {
				return 2, errors.New("up: --also is for boards without --board")
			}
			return codeOf(emulated.Up(ctx, o, e, s.Disk))
		}
		if len(e.Disks) > 0 {
			return 2, errors.New("up: --disk is for emulated boards; name one with --board")
		}
		return codeOf(board.Up(ctx, o, s))
	}
}

func throttleVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var name string
	var l cgroup.Limits
	nameFlag(f, &name)
	limitFlags(f, &l)
	return func(context.Context, []string) (int, error) {
		b, err := board.Load(name)
		if err != nil {
			return 1, err
		}
		if b.Emulated != "" {
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
		return codeOf(b.Throttle(l))
	}
}

func linkVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var name string
	var l network.Link
	nameFlag(f, &name)
	f.Var(bytesValue{&l.Rate}, "rate", "with up: `bytes` a second, each way, such as 1MiB (default no limit)")
	return func(ctx context.Context, args []string) (int, error) {
		if len(args) != 1 || args[0] != "up" && args[0] != "down" {
			return 2, errors.New("link: say up or down")
		}
		b, err := board.Load(name)
		if err != nil {
			return 1, err
		}
		l.Down = args[0] == "down"
		return codeOf(b.SetLink(ctx, l))
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
		b, err := board.Load(name)
		if err != nil {
			return board.ExitLab, err
		}
		if b.Emulated != "" {
			e, err := emulated.Of(b)
			if err != nil {
				return board.ExitLab, err
			}
			return e.Run(args, *env)
		}
		return b.Run(args, *env)
	}
}

func rebootVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var name string
	nameFlag(f, &name)
	var o emulated.RebootOptions
	f.BoolVar(&o.Orderly, "orderly", false, "of an emulated board: let it shut down first")
	f.StringVar(&o.Clock, "clock", "", "of an emulated board: what its battery clock says then, such as "+
		"2028-01-05T10:00:00 (`UTC`)")
	f.IntSliceVar(&o.Remove, "remove-disk", nil, "take out this `disk` of an emulated board before it starts; 1 is "+
		"the first --disk")
	f.IntSliceVar(&o.Insert, "insert-disk", nil, "put this `disk` back")
	return func(ctx context.Context, _ []string) (int, error) {
		b, err := board.Load(name)
		if err != nil {
			return 1, err
		}
		if b.Emulated != "" {
			e, err := emulated.Of(b)
			if err != nil {
				return 1, err
			}
			return codeOf(e.Reboot(ctx, o))
		}
		if o.Orderly || o.Clock != "" || o.Remove != nil || o.Insert != nil {
			return 2, fmt.Errorf("reboot: board %s is not emulated; its power can only be cut", name)
		}
		return codeOf(b.Reboot(ctx))
	}
}

func statusVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	asJSON := f.Bool("json", false, "as JSON, sizes in bytes and times in seconds")
	names := f.Bool("names", false, "only the boards' names; the boards are not asked")
	name := f.String("name", "", "only the board of this `name`, however long it takes to answer")
	return func(ctx context.Context, _ []string) (int, error) {
		if *names {
			return codeOf(printNames(os.Stdout))
		}
		return codeOf(status(ctx, os.Stdout, *name, *asJSON))
	}
}

// printNames prints the boards' names, one a line.
func printNames(w io.Writer) error {
	all, err := board.All()
	for _, b := range all {
		fmt.Fprintln(w, b.Name)
	}
	return err
}

// answerWithin is the time that emulated boards have to answer when all are asked: one
// that has stopped or stalled must not keep the others' from being shown.
const answerWithin = 10 * time.Second

// status prints the boards, or the one of that name.
func status(ctx context.Context, w io.Writer, name string, asJSON bool) error {
	all, err := board.All()
	if err != nil {
		return err
	}
	if name != "" {
		all = slices.DeleteFunc(all, func(b *board.Board) bool { return b.Name != name })
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, answerWithin, fmt.Errorf("no answer within %s", answerWithin))
		defer cancel()
	}
	list, errs := make([]board.Status, len(all)), make([]error, len(all))
	var asked sync.WaitGroup
	for i, b := range all {
		asked.Go(func() { list[i], errs[i] = statusOf(ctx, b) })
	}
	asked.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "no boards")
	}
	for _, s := range list {
		fmt.Fprintln(w, s)
	}
	return nil
}

func statusOf(ctx context.Context, b *board.Board) (board.Status, error) {
	if b.Emulated == "" {
		return b.Status()
	}
	e, err := emulated.Of(b)
	if err != nil {
		return board.Status{}, err
	}
	return e.Status(ctx), nil
}

func downVerb(f *flag.FlagSet) func(context.Context, []string) (int, error) {
	var name string
	nameFlag(f, &name)
	all := f.Bool("all", false, "all boards, also what a killed lab left")
	return func(context.Context, []string) (int, error) {
		if *all {
			return codeOf(board.DownAll())
		}
		return codeOf(board.DownNamed(name))
	}
}

func nameFlag(f *flag.FlagSet, name *string) {
	f.StringVar(name, "name", "board", "`name` of the board, also its hostname")
}

func limitFlags(f *flag.FlagSet, l *cgroup.Limits) {
	f.Var(shareValue{&l.CPU}, "cpu", "`share` of one core of this machine, such as 5%")
	f.Var(durationValue{&l.Period}, "period", "`time` over which the CPU share is dealt out (default 100ms)")
	f.Var(bytesValue{&l.Memory}, "memory", "`bytes` of memory, such as 1GiB")
	f.IntVar(&l.CPUs, "cpus", 0, "`number` of CPUs the board may run on (default all)")
}
