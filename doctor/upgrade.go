package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// UpgradeFacts are what findings before an upgrade are made from.
type UpgradeFacts struct {
	// Command is upgrade apply or upgrade node, Worker the latter where there is no control plane.
	Command kubeadm.Verb
	Worker  bool
	// From is the version of the board's API server, or of a worker's kubelet; To the one asked
	// for, or the cluster's; Kubeadm that of kubeadm.
	From, To kubeadm.Version
	Kubeadm  kubeadm.Behaviour
	Nodes    []Node
	// Data is etcd's data folder, empty where etcd is elsewhere; DataBytes is what is in
	// it, DataFree what its file system has room for.
	Data                string
	DataBytes, DataFree int64
	// Problems are those of etcd's members and of the other control planes' API servers.
	Problems []string
	// NoAuthority says why this board cannot sign certificates, empty where it can.
	NoAuthority string
	// Images are what the check of init's images is made from, for the new version.
	Images Facts
	// Ignore is --ignore-preflight-errors.
	Ignore []string
}

// A Node is one of the cluster's.
type Node struct {
	Name, Kubelet       string
	ControlPlane, Ready bool
}

// Upgrade makes findings about an upgrade, the worst first.
func Upgrade(f UpgradeFacts) Report {
	r := Report{Schema: Schema, Command: f.Command, Verdict: OK, Kubeadm: f.Kubeadm.Version.String(),
		Findings: []Finding{}}
	checks := []func(UpgradeFacts) []Finding{upgradeSkew, upgradeKubeadm, upgradeKubelets, upgradeNodes, upgradeOthers,
		upgradeSpace, upgradeSigning, func(f UpgradeFacts) []Finding { return images(f.Images) }}
	if f.Worker {
		checks = []func(UpgradeFacts) []Finding{upgradeKubeadm, upgradeKubelets, upgradeNodes}
	}
	for _, check := range checks {
		for _, found := range check(f) {
			if found.Severity == Fail && found.ignoredBy(f.Ignore) {
				found.Severity, found.Ignored = Warning, true
			}
			if found.Severity.rank() > r.Verdict.rank() {
				r.Verdict = found.Severity
			}
			r.Findings = append(r.Findings, found)
		}
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity.rank(), a.Severity.rank()) })
	return r
}

func upgradeSkew(f UpgradeFacts) []Finding {
	const id = "upgrade-version"
	seen := fmt.Sprintf("from %s to %s", f.From, f.To)
	switch {
	case f.From.Behind(f.To) > 1:
		return one(Finding{ID: id, Severity: Fail, Seen: seen, Rule: KubeadmRule,
			Means: "kubeadm goes one minor version at a time",
			Fix: []string{fmt.Sprintf("# first to the newest v1.%d, with its kubeadm: kubeadm-arm upgrade apply v1.%d.…",
				f.From.Minor+1, f.From.Minor+1)}})
	case f.To.Compare(f.From) < 0:
		return one(Finding{ID: id, Severity: Fail, Seen: seen, Rule: OwnRule,
			Means: "this is no upgrade; an older API server may not read what a newer one has stored",
			Fix:   []string{"# name the version of the new kubeadm: " + f.Kubeadm.Version.String()}})
	}
	return fine(id, seen)
}

func upgradeKubeadm(f UpgradeFacts) []Finding {
	const id = "upgrade-kubeadm"
	v := f.Kubeadm.Version
	seen := "kubeadm is " + v.String()
	switch {
	case v.Behind(f.To) == 0 && v.Compare(f.To) >= 0:
		return fine(id, seen)
	case f.Command == kubeadm.UpgradeNode:
		return one(Finding{ID: id, Severity: Fail, Seen: seen + ", the cluster's version " + f.To.String(), Rule: OwnRule,
			Means: "upgrade node brings a node to the cluster's version, with a kubeadm of that version",
			Fix: []string{"# kubeadm newer: first, on the first control plane: kubeadm-arm upgrade apply " + v.String(),
				"# kubeadm older: install kubeadm " + f.To.String() + ", or name it with --arm-kubeadm"}})
	}
	return one(Finding{ID: id, Severity: Fail, Seen: seen + ", the version asked for " + f.To.String(), Rule: KubeadmRule,
		Means: "kubeadm upgrades to its own version or an older patch release of it",
		Fix:   []string{"# install kubeadm " + f.To.String() + " first, or name it with --arm-kubeadm"}})
}

func upgradeKubelets(f UpgradeFacts) []Finding {
	const id = "upgrade-kubelets"
	var old []string
	skew := number(f.Kubeadm.Value(kubeadm.PolicySkew))
	for _, n := range f.Nodes {
		if v, err := kubeadm.ParseVersion(n.Kubelet); err == nil && v.Behind(f.To) > skew {
			old = append(old, n.Name+" "+n.Kubelet)
		}
	}
	if old == nil {
		return fine(id, "every kubelet is new enough")
	}
	return one(Finding{ID: id, Severity: Fail, Seen: "kubelets too old for " + f.To.String() + ": " +
		strings.Join(old, ", "), Rule: OwnRule,
		Means: "such a kubelet may not understand the new API server, and its pods stay as they are",
		Fix:   []string{"# first, on each of these nodes: install a newer kubelet and restart it"}})
}

func upgradeNodes(f UpgradeFacts) (all []Finding) {
	const id = "upgrade-nodes"
	var down, workers, planes []string
	for _, n := range f.Nodes {
		switch {
		case n.ControlPlane && !n.Ready:
			down = append(down, n.Name)
		case !n.Ready:
			workers = append(workers, n.Name)
		}
		if n.ControlPlane {
			planes = append(planes, n.Name)
		}
	}
	if down != nil {
		all = append(all, Finding{ID: id, Severity: Fail, Seen: "control-plane nodes that are not Ready: " +
			strings.Join(down, ", "), Rule: PreflightRule, Checks: []string{"ControlPlaneNodesReady"},
			Means: "the upgrade would begin on a cluster that is broken already",
			Fix:   []string{"kubectl --kubeconfig /etc/kubernetes/admin.conf describe node " + down[0]}})
	}
	if workers != nil {
		all = append(all, Finding{ID: id, Severity: Warning, Seen: "nodes that are not Ready: " + strings.Join(workers, ", "),
			Rule: OwnRule, Means: "their kubelets are not upgraded by this, but look at them first"})
	}
	if len(planes) > 1 {
		all = append(all, Finding{ID: "upgrade-planes", Severity: Warning, Rule: OwnRule,
			Seen:  fmt.Sprintf("%d control-plane nodes: %s", len(planes), strings.Join(planes, ", ")),
			Means: "upgrade one at a time, the next once this one's etcd member votes and its API server serves"})
	}
	if all == nil {
		return fine(id, "every node is Ready")
	}
	return all
}

// upgradeOthers is about what has to carry the cluster while this board's part is exchanged.
func upgradeOthers(f UpgradeFacts) []Finding {
	const id = "upgrade-others"
	if f.Problems == nil {
		return fine(id, "etcd and the other control planes are well")
	}
	return one(Finding{ID: id, Severity: Fail, Seen: strings.Join(f.Problems, "; "), Rule: OwnRule,
		Means: "while this board's control plane stops, the cluster lives on the others, and etcd has to be whole",
		Fix:   []string{"kubeadm-arm status # on each control plane"}})
}

// roomFor is what a copy needs: a tenth more than its size, and etcd must not be stopped by a
// full disk.
func roomFor(bytes int64) int64 { return bytes + bytes/10 + 64<<20 }

func upgradeSpace(f UpgradeFacts) []Finding {
	const id = "upgrade-space"
	if f.Data == "" {
		return one(Finding{ID: id, Severity: Warning, Seen: "etcd is not on this board", Rule: OwnRule,
			Means: "its data is not copied before the upgrade: keep a snapshot of your own"})
	}
	mb := func(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
	seen := fmt.Sprintf("%s holds %s, %s are free", f.Data, mb(f.DataBytes), mb(f.DataFree))
	if f.DataFree >= roomFor(f.DataBytes) {
		return fine(id, seen)
	}
	return one(Finding{ID: id, Severity: Fail, Seen: seen, Rule: OwnRule,
		Means: "a copy of etcd's data is kept during the upgrade, which needs " + mb(roomFor(f.DataBytes)),
		Fix:   []string{"df -h " + f.Data + " # make room; copies of earlier upgrades: ls -d " + f.Data + "/kubeadm-arm-*"}})
}

func upgradeSigning(f UpgradeFacts) []Finding {
	const id = "upgrade-certificates"
	if f.NoAuthority == "" {
		return fine(id, "this board can sign certificates")
	}
	return one(Finding{ID: id, Severity: Warning, Seen: f.NoAuthority, Rule: OwnRule,
		Means: "an upgrade renews the control plane's certificates, and here it cannot",
		Fix:   []string{"kubeadm-arm certs status"}})
}
