// Command manifests makes the static pod manifests below testdata/manifests: it
// builds the real kubeadm of each version from its Go module and has its phases
// write the manifests, in an empty root folder without a network.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := generate(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// generate goes on after a version that fails, and names all that did.
func generate(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("generate", flag.ExitOnError)
	only := flags.String("only", "", "comma-separated `versions` instead of all")
	out := flags.String("out", "../../testdata/manifests", "`folder` for <version>/<config>/<component>.yaml")
	program := flags.String("kubeadm", "", "`path` of a static kubeadm of the one version that -only names, instead "+
		"of building it")
	check := flags.Bool("check-patches", false, "write nothing: have kubeadm apply the patches that kubeadm-arm lays "+
		"down for upgrades, and compare")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("only root can give kubeadm a root folder of its own")
	}
	list := versions()
	if *only != "" {
		list = strings.Split(*only, ",")
	}
	var failed error
	for _, v := range list {
		if ctx.Err() != nil {
			return errors.Join(failed, ctx.Err())
		}
		if err := generateVersion(ctx, v, *program, *out, *check); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", v, err))
			fmt.Fprintln(os.Stderr, "generate:", v, "failed:", err)
		}
	}
	return failed
}

func generateVersion(ctx context.Context, version, kubeadm, out string, check bool) error {
	minor, err := minorOf(version)
	if err != nil {
		return err
	}
	if kubeadm == "" {
		if kubeadm, err = buildKubeadm(ctx, version); err != nil {
			return err
		}
	}
	for _, c := range configs() {
		to := filepath.Join(out, version, c.name)
		if check {
			if err := checkPatches(ctx, kubeadm, form{version, minor}, c, to); err != nil {
				return fmt.Errorf("config %s: %w", c.name, err)
			}
			continue
		}
		if err := writeManifests(ctx, kubeadm, form{version, minor}, c, to); err != nil {
			return fmt.Errorf("config %s: %w", c.name, err)
		}
	}
	fmt.Fprintln(os.Stderr, "generate:", version, "done")
	return nil
}
