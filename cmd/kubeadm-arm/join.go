package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// errPassedOn says that a command is kubeadm's alone.
var errPassedOn = errors.New("passed on to kubeadm")

// runJoin is `kubeadm-arm join`.
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
	return v.runOrPassOn(kubeadm.Join, own, o.theirs, "joins another control plane")
}

// runOrPassOn is a command that some kubeadms can only do in one piece.
func (v invocation) runOrPassOn(verb kubeadm.Verb, own ownFlags, args kubeadm.Args, does string) error {
	err := v.runStages(verb, own, args)
	if errors.Is(err, errPassedOn) {
		printable.Fprintln(v.stderr, "kubeadm-arm: this kubeadm "+does+" alone, as it is")
		return v.passThrough(slices.Concat(verb.Words(), args.Words, args.Without()))
	}
	return err
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
	for _, f := range r.args.Flags {
		// A flag without a field leaves only the way of passing all of them on, the token as well.
		if !kubeadm.Join.Knows(f.Name) && !r.behaviour.Nearest {
			return &problem{exitUsage, "see kubeadm join --help", fmt.Errorf("unknown flag %s", f.Tokens[0])}
		}
	}
	r.controlPlane = kubeadm.JoinsControlPlane(r.config, r.args)
	if r.controlPlane && !r.behaviour.Has(kubeadm.ControlPlaneJoin) {
		return errPassedOn
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
	if err != nil {
		return err
	}
	if r.controlPlane {
		q.ControlPlane.Wanted = true
		if q.ControlPlane.Key, err = kubeadm.CertificateKey(config, r.args, file); err != nil {
			return err
		}
		r.hasKey = q.ControlPlane.Key != ""
	}
	if q.Endpoint == "" {
		return r.clusterOfJoin()
	}
	q.Node = bootstrap.NodeName(r.config, r.args)
	waiting := time.AfterFunc(3*time.Second, func() {
		_, _ = printable.Fprintf(r.rawStderr, "waiting for an answer of %s, at most %s\n", q.Endpoint,
			q.Dialing+4*q.Patience+q.Signing)
	})
	defer waiting.Stop()
	found := cluster.Discover(ctx, q)
	d.Endpoint = q.Endpoint // a discovery file's as well
	r.discovery, r.found = d, &found
	return r.clusterOfJoin()
}

// joining is what the join of another control plane has found out beside what all do.
type joining struct {
	controlPlane, hasKey bool
	// shared is the cluster's own configuration, nil where it is not known.
	shared *kubeadm.Config
}

// clusterOfJoin reads the cluster's configuration from its answer, or as the interrupted run
// had it.
func (r *boardRun) clusterOfJoin() (err error) {
	switch {
	case !r.controlPlane:
		return nil
	case r.resume != nil && exists(board().ClusterConfig()):
		r.shared, err = readClusterConfig(board().ClusterConfig())
	case r.found != nil && r.found.ControlPlane.Config != "":
		r.shared, err = kubeadm.ReadConfig(strings.NewReader(r.found.ControlPlane.Config),
			"ConfigMap kube-system/kubeadm-config")
	}
	return err
}

// joinDoctor is what doctor knows of a join.
func (r *boardRun) joinDoctor() *doctor.Join {
	d := r.discovery
	j := &doctor.Join{Endpoint: d.Endpoint, TokenID: kubeadm.TokenID(cmp.Or(d.Token, d.BootstrapToken)), File: d.File,
		Found: r.found, Node: bootstrap.NodeName(r.config, r.args), Now: time.Now()}
	if r.controlPlane {
		j.ControlPlane = &doctor.JoinControlPlane{Key: r.hasKey, Cluster: r.shared,
			Copied: copiedAuthority(board().Certificates(r.shared, kubeadm.Args{}))}
	}
	return j
}

// copiedAuthority is the hash of the authority in a folder of certificates, empty where it is
// not there with its key.
func copiedAuthority(dir string) string {
	pair, err := safefile.LoadKeyPair(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"), kubeadm.MaxConfig)
	if err != nil {
		return ""
	}
	return cluster.KeyHash(pair.Leaf)
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
	var refused *safefile.RefusedError
	switch {
	case errors.As(err, &refused):
		return q, badDiscovery(d.File, errors.New("it "+refused.Why))
	case err != nil:
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
	f := r.facts()
	if r.shared != nil {
		var err error
		if f.Config, err = r.config.WithCluster(r.shared); err != nil {
			return err
		}
	}
	if r.found != nil {
		ticks := r.found.ControlPlane.Ticks()
		f.Members = len(ticks)
		for _, t := range ticks {
			f.Tick = plan.EtcdTick{Heartbeat: max(f.Tick.Heartbeat, t[0]), Election: max(f.Tick.Election, t[1])}
		}
	}
	r.planned = plan.MakeJoin(f)
	return nil
}
