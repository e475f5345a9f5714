package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// runJoin is `kubeadm-arm join` of a worker.
func (v invocation) runJoin(o options) error {
	if len(o.theirs.Words) > 0 && o.theirs.Words[0] == "phase" || hasRootfs(o.theirs) {
		return v.passThrough(slices.Concat([]string{"join"}, o.raw)) // not a join of this board
	}
	if o.help() {
		return v.helpWithKubeadm(o)
	}
	own, err := v.ownFlags(o)
	if err != nil {
		return err
	}
	if kubeadm.JoinsControlPlane(joinConfig(o.theirs), o.theirs) {
		printable.Fprintln(v.stderr, "kubeadm-arm: another control plane is joined by kubeadm alone, as it is")
		return v.passThrough(slices.Concat([]string{"join"}, o.theirs.Words, o.theirs.Without()))
	}
	return v.runStages(kubeadm.Join, own, o.theirs)
}

// joinConfig is the owner's configuration, nil without one; what is wrong with it is said
// later.
func joinConfig(args kubeadm.Args) *kubeadm.Config {
	if name, ok := args.Get("config"); ok {
		if c, _, err := readConfigFile(name); err == nil {
			return c
		}
	}
	return nil
}

// joinStages are all of join.
func (r *boardRun) joinStages() []stage {
	return []stage{
		{"gather", r.always, r.gatherJoin, r.nothingChanged},
		{"diagnose", r.always, r.diagnose, r.nothingChanged},
		{"measure", r.afresh, r.measure, r.nothingChanged},
		{"plan", r.afresh, r.planJoin, r.nothingChanged},
		{"show", r.dry, r.show, r.nothingChanged},
		{"run", r.notDry, r.run, nil},
		{"report", r.notDry, r.conclude, nil},
	}
}

// gatherJoin reads this board and asks the cluster. It changes nothing.
func (r *boardRun) gatherJoin(ctx context.Context) error {
	if err := r.gather(ctx); err != nil {
		return err
	}
	file, _ := r.args.Get("config")
	config := r.config
	if copied := board().ConfigCopy(); r.resume != nil && exists(copied) {
		// The token of an interrupted run may be nowhere else.
		var err error
		if config, _, err = readConfigFile(copied); err != nil {
			return err
		}
		file = copied
		config.For(kubeadm.Join)
	}
	d, err := kubeadm.DiscoveryOf(config, r.args, file)
	if err != nil {
		return err
	}
	q, err := questionOf(d)
	if err != nil || q.Endpoint == "" {
		return err
	}
	q.Node = bootstrap.NodeName(r.config, r.args)
	waiting := time.AfterFunc(3*time.Second, func() {
		_, _ = printable.Fprintf(r.rawStderr, "waiting for an answer of %s, at most %s\n", q.Endpoint,
			q.Dialing+4*q.Patience+q.Signing)
	})
	defer waiting.Stop()
	found := cluster.Discover(ctx, q)
	r.discovery, r.found = d, &found
	return nil
}

// How long the look at the cluster may take: for a first connection, for each of four
// requests, and for the signature of a token that was made just now. kubeadm asks for much
// longer, but a board on which nothing can succeed should say so soon.
const (
	dialPatience    = 15 * time.Second
	requestPatience = 20 * time.Second
	// A slow board's controller-manager takes seconds to sign with a new token.
	signingPatience = time.Minute
)

// questionOf is what is to be asked of a cluster; without an endpoint nothing can be, as with
// a discovery file that lies elsewhere.
func questionOf(d kubeadm.Discovery) (cluster.Question, error) {
	q := cluster.Question{Endpoint: d.Endpoint, Token: d.Token, Hashes: d.Hashes, Bearer: d.BootstrapToken,
		Patience: requestPatience,
		Dialing:  dialPatience, Signing: signingPatience}
	if d.File == "" || kubeadm.IsURL(d.File) {
		return q, nil
	}
	text, err := safefile.Read(d.File, kubeadm.MaxConfig)
	if err != nil {
		return q, badDiscovery(d.File, unwrapPath(err))
	}
	asItIs := func(path string) string { return path }
	if q.Endpoint, q.CA, err = cluster.ServerOf(text, asItIs); err != nil {
		return q, badDiscovery(d.File, err)
	}
	if d.BootstrapToken == "" {
		if q.Client, err = cluster.FromKubeconfig(text, asItIs, requestPatience); err != nil {
			return q, badDiscovery(d.File, fmt.Errorf("it has no credentials to join with: %w", err))
		}
	}
	return q, nil
}

func badDiscovery(file string, err error) error {
	return &problem{exitBadInput, "copy it anew from a control-plane node: kubectl -n kube-public get configmap " +
		"cluster-info -o jsonpath='{.data.kubeconfig}'; and give --tls-bootstrap-token",
		fmt.Errorf("discovery file %s: %w", file, err)}
}

// planJoin decides.
func (r *boardRun) planJoin(context.Context) error {
	r.planned = plan.MakeJoin(r.facts())
	return nil
}
