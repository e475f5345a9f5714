package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// gathered is what gather reads: the programs, the board, the owner's files and what an
// earlier run has left.
type gathered struct {
	// path is the real kubeadm's.
	path      string
	behaviour kubeadm.Behaviour
	board     hwdetect.Board
	// config is the owner's --config, nil without one, and noConfig why none can be
	// written instead of the owner's flags.
	config   *kubeadm.Config
	noConfig string
	// owned is what the owner's own patches set.
	owned patch.Owned
	// hasCA says that there are certificates already.
	hasCA bool
	check bootstrap.CheckInput
	// resume is the journal of an interrupted run, nil without one.
	resume *journal.Journal
	// given is the benchmark of --arm-bench, nil without it.
	given *measured
}

// readBoard reads all of that. The cheapest questions come first, so that what is wrong
// is said soon.
func (v invocation) readBoard(ctx context.Context, command kubeadm.Verb, own ownFlags,
	args kubeadm.Args) (g gathered, err error) {
	dry := args.Bool("dry-run")
	if g, err = v.readPrograms(ctx, command, own, args); err != nil {
		return g, err
	}
	text, err := g.readOwnersFiles(ctx, v, command, args)
	if bad := (*kubeadm.ConfigError)(nil); errors.As(err, &bad) {
		bad.Verb = command
	}
	if err != nil {
		return g, err
	}
	layout := board()
	g.hasCA = exists(filepath.Join(layout.Certificates(g.config, args), "ca.crt"))
	g.check = checkInput(command, own, g, args, text)
	if !dry {
		if g.resume, err = bootstrap.Check(layout, g.check); err != nil {
			return g, err
		}
	}
	if api := cmp.Or(g.config.API(), g.behaviour.ConfigWrite()); own.validity > 0 && !plan.HasValidity(api) {
		return g, &problem{exitUsage, "after init: kubeadm-arm certs renew --validity " + own.validity.String(),
			fmt.Errorf("flag --certificate-validity: nothing is set for it in kubeadm's %s", api)}
	}
	if own.validity > 0 && g.noConfig != "" {
		return g, &problem{exitUsage,
			"put the flags into a --config file; or afterwards: kubeadm-arm certs renew --validity " + own.validity.String(),
			fmt.Errorf("flag --certificate-validity: it needs a configuration: %s", g.noConfig)}
	}
	if own.benchFile != "" && g.resume == nil {
		g.given, err = loadBench(own.benchFile)
	}
	return g, err
}

// readPrograms finds kubeadm and the kubelet, and reads what the board is.
func (v invocation) readPrograms(_ context.Context, command kubeadm.Verb, own ownFlags,
	args kubeadm.Args) (g gathered, err error) {
	if !args.Bool("dry-run") || command.Upgrades() {
		if err := needRoot(string(command)); err != nil {
			return g, err
		}
	}
	if g.path, err = v.realKubeadm(own.kubeadmPath); err != nil {
		return g, err
	}
	if g.board, err = hwdetect.Read("/"); err != nil {
		return g, err
	}
	if binary, err := hwdetect.ReadBinary(g.path); err == nil {
		if err := g.board.Runs(binary); err != nil {
			return g, err
		}
	}
	if err := v.needKubelet(); err != nil {
		return g, err
	}
	return g, nil
}

// readOwnersFiles reads the configuration and the patches, as the kubeadm at hand would,
// and returns the configuration's text.
func (g *gathered) readOwnersFiles(ctx context.Context, v invocation, command kubeadm.Verb,
	args kubeadm.Args) (text []byte, err error) {
	if name, ok := args.Get("config"); ok {
		if g.config, text, err = readConfigFile(name); err != nil {
			return nil, err
		}
		g.config.For(command)
	}
	if g.behaviour, err = v.askBehaviour(ctx, g.path); err != nil {
		return nil, err
	}
	if g.config == nil {
		// Flags that have no place in a configuration leave only the way of passing
		// everything on as it came.
		if _, err := new(kubeadm.Config).For(command).Translate(args, g.behaviour, g.behaviour.ConfigWrite()); err != nil {
			g.noConfig = err.Error()
		}
	}
	g.owned, err = fits(args, g.config, g.behaviour, true)
	return text, err
}

// askBehaviour asks a kubeadm for its version, and says so when that takes long.
func (v invocation) askBehaviour(ctx context.Context, path string) (kubeadm.Behaviour, error) {
	note := time.AfterFunc(3*time.Second, func() {
		_, _ = printable.Fprintf(v.rawStderr, "waiting for the version of %s, at most %s\n", path, kubeadm.AskPatience)
	})
	defer note.Stop()
	version, err := kubeadm.AskVersion(ctx, kubeadm.Exec, path)
	if err != nil {
		return kubeadm.Behaviour{}, err
	}
	return kubeadm.BehaviourOf(version)
}

// needKubelet looks for what a bootstrap cannot do without before kubeadm's preflight
// finds it missing half a minute later.
func (v invocation) needKubelet() error {
	if hwdetect.Find(v.getenv("PATH"), "kubelet") != "" {
		return nil
	}
	return &problem{exitMissing, "install the kubelet package of your Kubernetes version",
		fmt.Errorf("find kubelet: not in PATH (%s)", v.getenv("PATH"))}
}

// checkInput is what bootstrap compares with an interrupted run's journal.
func checkInput(command kubeadm.Verb, own ownFlags, g gathered, args kubeadm.Args, config []byte) bootstrap.CheckInput {
	in := bootstrap.CheckInput{
		Command: command, Request: journal.RequestOf(args, config), Ignore: ignored(args, g.config), Board: boardID(g.board),
		KubeadmVersion: g.behaviour.Version.String(), Addresses: addresses(), Now: time.Now(), Anyway: own.anyway,
	}
	if own.journal != nil {
		in.Request, in.Resume = own.journal.RequestAgain(in.Request), true
	}
	return in
}

func boardID(b hwdetect.Board) journal.BoardID {
	cpu := b.CPU.ModelName
	if len(b.CPU.Cores) > 0 && b.CPU.Cores[0].Name != "" {
		cpu = b.CPU.Cores[0].Name
	}
	return journal.BoardID{Model: b.Model, CPU: cpu, Cores: b.CPU.Count}
}

// addresses are those of all interfaces, nil if they cannot be asked for.
func addresses() []string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var texts []string
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			texts = append(texts, n.IP.String())
		}
	}
	return texts
}

func readConfigFile(name string) (*kubeadm.Config, []byte, error) {
	text, err := safefile.Read(name, kubeadm.MaxConfig)
	var refused *safefile.RefusedError
	switch {
	case errors.As(err, &refused):
		// kubeadm reads it several times, and a run that is resumed once more.
		return nil, nil, &kubeadm.ConfigError{File: name, Err: errors.New("it " + refused.Why),
			Help: "name a file of kubeadm configuration with --config; it is read several times, so a pipe does not do"}
	case err != nil:
		return nil, nil, &kubeadm.ConfigError{File: name, Err: unwrapPath(err), Help: "name a readable file with --config"}
	}
	c, err := kubeadm.ReadConfig(bytes.NewReader(text), name)
	return c, text, err
}

// unwrapPath drops the path from an error whose sentence names it already.
func unwrapPath(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// fits is the one judgement of the owner's files, for a run and for doctor: a
// configuration that this kubeadm refuses, or patches that it would stop at. It
// returns the patches. Of a kubeadm whose version is not known it is only asked
// what all of them ask.
func fits(args kubeadm.Args, c *kubeadm.Config, b kubeadm.Behaviour, known bool) (patch.Owned, error) {
	if name, ok := args.Get("config"); ok {
		if !known {
			var err error
			if b, err = kubeadm.BehaviourOf(kubeadm.Version{Major: 1, Minor: kubeadm.NewestMinor}); err != nil {
				return nil, err
			}
			b.Nearest = true
		}
		if err := c.Fits(b, name); err != nil {
			return nil, err
		}
		if err := besideConfig(args, b, name); err != nil {
			return nil, err
		}
	}
	dir := patchesFolder(args, c)
	if dir == "" {
		return nil, nil
	}
	return readPatches(dir)
}

// besideConfig refuses the flags that kubeadm takes instead of a configuration only.
func besideConfig(args kubeadm.Args, b kubeadm.Behaviour, name string) error {
	for _, f := range args.Flags {
		known := kubeadm.Init.Knows(f.Name) || kubeadm.Join.Knows(f.Name) // others are for kubeadm to refuse
		if known && !b.AllowedBesideConfig(f.Name) && !b.Nearest {
			return &problem{exitUsage, fmt.Sprintf("set it in %s, or leave --config out and give flags only", name),
				fmt.Errorf("flag --%s: kubeadm does not take it beside --config", f.Name)}
		}
	}
	return nil
}

// readPatches reads what the owner's patches set.
func readPatches(dir string) (patch.Owned, error) {
	owned, err := patch.ReadOwned(dir)
	if err != nil {
		return nil, &problem{exitBadInput, "fix or remove the patch; kubeadm would stop at it half way", err}
	}
	return owned, nil
}

// patchesFolder is the owner's, empty without one.
func patchesFolder(args kubeadm.Args, c *kubeadm.Config) string {
	dir := c.Own("patches", "directory")
	for _, flag := range []string{"patches", "experimental-patches"} {
		if value, ok := args.Get(flag); ok {
			dir = value
		}
	}
	return dir
}

// etcdFolder is where etcd's data will lie.
func etcdFolder(c *kubeadm.Config) string {
	if dir := c.Cluster("etcd", "local", "dataDir"); dir != "" {
		return dir
	}
	return "/var/lib/etcd"
}

func ignored(a kubeadm.Args, c *kubeadm.Config) []string {
	return slices.Concat(a.List("ignore-preflight-errors"), c.Ignores())
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
