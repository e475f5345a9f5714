package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	flag "github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/lab/cache"
	"github.com/kubeadm-arm/kubeadm-arm/lab/kube"
)

// imagesName is the name under which this program serves an owner at a PC: as
// kubeadm-arm-images it builds what a board needs, and has no other verbs.
// kubeadm-arm images hands over to it.
const imagesName = "kubeadm-arm-images"

// The exit codes are kubeadm-arm's own (its README has them all).
const (
	exitUsage   = 10
	exitNoSpace = 16
	exitNoTool  = 20
	exitOther   = 30
)

const imagesUsage = `kubeadm-arm images builds Kubernetes for boards that no release serves any more.

  kubeadm-arm images build --cpu armv6|armv7|arm64|amd64 [flags]

On a PC with Go it builds kubeadm, kubelet and kubectl, the control plane's images,
etcd, CoreDNS and pause from their Go modules, and writes them to a folder:

  kubernetes-VERSION-linux-CPU.tar.gz   programs and the kubelet's unit: unpack over the board's /
  images-VERSION-linux-CPU.tar          images: ctr -n k8s.io images import --all-platforms FILE
  manifest.json, SHA256SUMS             what is in them, and their checksums

Raspberry Pi 1 and Zero are armv6; other boards with 32 bits armv7. kubeadm-arm detect says which.

Flags:
`

// imagesCommand is the whole program under that name.
func imagesCommand(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-signals
		cancel(interrupted{s.(syscall.Signal)})
	}()
	err := imagesBuild(ctx, args)
	if err == nil {
		return 0
	}
	var end interrupted
	if errors.As(context.Cause(ctx), &end) {
		fmt.Fprintln(os.Stderr, "kubeadm-arm images:", end)
		fmt.Fprintln(os.Stderr, "hint: what was built is kept; the same command goes on from there")
		return 128 + int(end.signal)
	}
	code, hint := exitOther, ""
	var noSpace *kube.NoSpaceError
	var noTools *kube.NoNetfilterError
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		code, hint = exitUsage, usage.hint
	case errors.As(err, &noSpace), errors.Is(err, syscall.ENOSPC), strings.Contains(err.Error(),
		"no space left on device"):
		code, hint = exitNoSpace, "make room, or name other folders with --out, KUBEADM_ARM_CACHE, GOCACHE and GOPATH"
	case errors.As(err, &noTools):
		code, hint = exitNoTool, "name a Debian's root folder for that CPU with --sysroot, apt sources that have it "+
			"with --sources, or leave iptables out with --no-iptables"
	case errors.Is(err, exec.ErrNotFound):
		code, hint = exitNoTool, "install Go 1.21 or newer; it fetches the version that each Kubernetes wants by itself"
	}
	fmt.Fprintf(os.Stderr, "kubeadm-arm images: %v\n", err)
	if hint != "" {
		fmt.Fprintf(os.Stderr, "hint: %s\n", hint)
	}
	return code
}

// interrupted says that a signal ended the program.
type interrupted struct{ signal syscall.Signal }

func (e interrupted) Error() string { return "interrupted by " + unix.SignalName(e.signal) }

// usageError is a call that cannot be meant so.
type usageError struct {
	hint string
	err  error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func imagesBuild(ctx context.Context, args []string) error {
	var b kube.Bundle
	var cpu string
	f := flag.NewFlagSet("build", flag.ContinueOnError)
	f.Usage = func() {}
	f.StringVar(&b.Target.Version, "kubernetes", kube.DefaultVersion, "`version` of Kubernetes")
	f.StringVar(&cpu, "cpu", "", "the board's `CPU`: armv6, armv7, arm64 or amd64")
	f.StringVar(&b.Out, "out", "", "`folder` to write to (default kubernetes-VERSION-linux-CPU)")
	f.StringVar(&b.Sysroot, "sysroot", "", "root `folder` of a Debian for that CPU, to take iptables from for "+
		"kube-proxy; else apt fetches it")
	f.StringVar(&b.Sources, "sources", "", "`file` of apt sources (sources.list(5)) to fetch iptables from, instead "+
		"of this machine's")
	f.BoolVar(&b.Bare, "no-iptables", false, "make kube-proxy's image without iptables; it cannot work unless the "+
		"board brings them")
	help := func() error {
		fmt.Print(imagesUsage, f.FlagUsages())
		return nil
	}
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return help()
	} else if err != nil {
		return &usageError{"see kubeadm-arm images --help", err}
	}
	switch words := f.Args(); {
	case len(words) == 0 && len(args) == 0, len(words) == 1 && words[0] == "help":
		return help()
	case len(words) != 1 || words[0] != "build":
		return &usageError{"kubeadm-arm images build --cpu armv7",
			fmt.Errorf("what to do with %q", strings.Join(words, " "))}
	}
	var err error
	if b.Target, err = targetOf(b.Target.Version, cpu); err != nil {
		return err
	}
	if b.Out == "" {
		b.Out = "kubernetes-" + b.Target.Version + "-linux-" + cpu
	}
	if b.Sysroot != "" && !cache.IsDir(b.Sysroot) {
		return &usageError{"name the folder that holds usr and lib",
			fmt.Errorf("flag --sysroot: %s is no folder", b.Sysroot)}
	}
	if b.Sources != "" {
		if _, err := os.Stat(b.Sources); err != nil {
			return &usageError{"name a file as /etc/apt/sources.list is one", fmt.Errorf("flag --sources: %w", err)}
		}
	}
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("find Go: %w", err)
	}
	if !kube.IsBuilt(b.Target) {
		if err := kube.EnoughBuildSpace(ctx); err != nil {
			return err
		}
	}
	files, err := b.Make(ctx)
	if err != nil {
		return err
	}
	fmt.Print(nextSteps(b.Out, files))
	return nil
}

// targetOf reads the owner's words for a target.
func targetOf(version, cpu string) (kube.Target, error) {
	t := kube.Target{Version: version, Arch: cpu}
	switch cpu {
	case "armv6", "armv7":
		t.Arch, t.ARM = "arm", strings.TrimPrefix(cpu, "armv")
	case "arm64", "amd64":
	case "":
		return t, &usageError{"kubeadm-arm detect says on the board which it is: armv6, armv7, arm64 or amd64",
			errors.New("flag --cpu is missing")}
	default:
		return t, &usageError{"kubeadm-arm detect says on the board which it is",
			fmt.Errorf("flag --cpu: %q is not armv6, armv7, arm64 or amd64", cpu)}
	}
	if !kube.VersionForm.MatchString(version) {
		return t, &usageError{"a version is written like " + kube.DefaultVersion,
			fmt.Errorf("flag --kubernetes: %q is no version of Kubernetes", version)}
	}
	return t, nil
}

// nextSteps says what to do with the files on the board. --all-platforms: containerd
// 1.6 does not read for which ARM an image is, and on ARMv6 would leave it out.
func nextSteps(out string, files []string) string {
	return fmt.Sprintf(`%s holds %s.
Copy it to the board, and there, as root in that folder:

  sha256sum --check SHA256SUMS
  tar -xzf %s -C /
  systemctl daemon-reload && systemctl enable kubelet
  ctr -n k8s.io images import --all-platforms %s
  kubeadm-arm init
`, out, strings.Join(files, ", "), files[0], files[1])
}
