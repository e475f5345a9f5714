package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// mergedPatches holds our patches beside the owner's for one upgrade; it is
// gone after the next start of the board.
const mergedPatches = "/run/kubeadm-arm/patches"

// runUpgradeNode is `kubeadm-arm upgrade node`.
func (v invocation) runUpgradeNode(o options) error {
	if o.help() {
		return v.helpWithKubeadm(o)
	}
	own, err := v.ownFlags(o)
	if err != nil {
		return err
	}
	return v.runOrPassOn(kubeadm.UpgradeNode, own, o.theirs, "upgrades a node")
}

// upgradeArgs gives `kubeadm upgrade apply` and `upgrade node` the folder of
// patches that init wrote, because an upgrade writes the manifests anew. The owner's own
// folder is merged with that one and wins where both set the same field.
func (v invocation) upgradeArgs(path string, args []string) ([]string, error) {
	known := append(kubeadm.InitFlags(), kubeadm.OtherFlags()...)
	a, err := kubeadm.ParseArgs(args, known)
	if err != nil || a.Bool("help") || len(a.Words) < 2 || a.Words[0] != "upgrade" ||
		a.Words[1] != "apply" && a.Words[1] != "node" {
		return args, nil // kubeadm says what is wrong
	}
	ours, err := manifests.DurablePatches(board())
	if err != nil || len(ours) == 0 {
		return args, err
	}
	b, err := v.askBehaviour(context.Background(), path)
	if err != nil {
		return args, err
	}
	v.warnOfTestJob(b, a)
	flag, ok := b.PatchesFlag()
	if !ok {
		return args, nil
	}
	if _, given := a.Get("config"); given {
		printable.Fprintf(v.stderr, "kubeadm-arm: --config forbids a patches flag; "+
			"keep this board's changes with patches.directory: %s\n", board().Patches())
		return args, nil
	}
	rest, theirs, _ := cut(args, flag, known)
	if theirs == "" {
		return before(args, "--"+flag+"="+board().Patches()), nil
	}
	if _, err := v.mergePatches(ours, theirs); err != nil {
		return nil, err
	}
	return before(rest, "--"+flag+"="+mergedPatches), nil
}

// before adds a flag at the end, but before a "--", after which there are no flags.
func before(args []string, flag string) []string {
	at := slices.Index(args, "--")
	if at < 0 {
		at = len(args)
	}
	return slices.Insert(slices.Clone(args), at, flag)
}

// warnOfTestJob says beforehand how to get past a preflight check of `upgrade
// apply` whose time is fixed: it starts a Job and waits for its end.
func (v invocation) warnOfTestJob(b kubeadm.Behaviour, a kubeadm.Args) {
	limit := b.UpgradeJobLimit()
	ignored := slices.ContainsFunc(a.List("ignore-preflight-errors"), func(s string) bool {
		return strings.EqualFold(s, "CreateJob") || strings.EqualFold(s, "all")
	})
	if limit == "" || a.Words[1] != "apply" || ignored {
		return
	}
	printable.Fprintf(v.stderr, "kubeadm-arm: kubeadm gives a test Job %s, whatever the config says; "+
		"should the check CreateJob fail, repeat with --ignore-preflight-errors=CreateJob\n", limit)
}

// mergePatches writes the merged folder, names each conflict, and returns what the owner's
// patches set.
func (v invocation) mergePatches(ours map[string][]byte, theirs string) (patch.Owned, error) {
	owner, err := readPatches(theirs)
	if err != nil {
		return nil, err
	}
	kept, conflicts, err := patch.Yield(ours, owner)
	if err != nil {
		return nil, err
	}
	for _, c := range conflicts {
		printable.Fprintln(v.stderr, "kubeadm-arm:", c)
	}
	if err := os.RemoveAll(mergedPatches); err != nil {
		return nil, fmt.Errorf("merge patches: %w", err)
	}
	if err := os.MkdirAll(mergedPatches, 0o700); err != nil {
		return nil, fmt.Errorf("merge patches: %w", err)
	}
	all, err := manifests.ReadPatches(theirs)
	if err != nil {
		return nil, fmt.Errorf("merge patches: %w", err)
	}
	for name, text := range all {
		if _, ok := kept[name]; ok {
			return nil, &problem{exitBadInput, "rename it",
				fmt.Errorf("%s: one of this board's own patches has this name", filepath.Join(theirs, name))}
		}
		kept[name] = text
	}
	for name, text := range kept {
		if err := os.WriteFile(filepath.Join(mergedPatches, name), text, 0o600); err != nil {
			return nil, fmt.Errorf("merge patches: %w", err)
		}
	}
	return owner, nil
}
