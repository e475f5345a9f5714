package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	core "k8s.io/api/core/v1"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/certs"
	"github.com/kubeadm-arm/kubeadm-arm/cluster"
	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/internal/containerd"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// An upgrading is what an upgrade has found out about its cluster.
type upgrading struct {
	// owner is the owner's UpgradeConfiguration, nil without one.
	owner *kubeadm.Config
	// patches is the folder that kubeadm gets, ownersPatches the owner's own; empty for none.
	patches, ownersPatches string
	// worker says that the board has no control plane.
	worker   bool
	from, to kubeadm.Version
	node     kubeadm.NodeOfUpgrade
	nodes    []doctor.Node
	// members is how many etcd has, problems what is wrong with them and with other control planes.
	members  int
	problems []string
	// data is etcd's data folder, empty where etcd is elsewhere.
	data                string
	dataBytes, dataFree int64
	seen                certs.Seen
}

// runUpgrade is `kubeadm-arm upgrade`: apply and node by a plan, the rest by kubeadm.
func (v invocation) runUpgrade(args []string) error {
	a, err := kubeadm.UpgradeApply.Parse(args) // what is wrong with them is for the command to say
	if len(a.Words) > 0 {
		rest := slices.Concat(args[:a.FirstWord], args[a.FirstWord+1:])
		switch {
		case a.Words[0] == "apply" && !slices.Contains(a.Words, "phase"):
			return v.command(commandNamed(string(kubeadm.UpgradeApply)), rest)
		case a.Words[0] == "node" && len(a.Words) == 1:
			return v.command(commandNamed(string(kubeadm.UpgradeNode)), rest)
		case a.Words[0] == "plan" && err == nil && !a.Bool("help"):
			return v.runUpgradePlan(args, a)
		}
	}
	return v.passThrough(append([]string{"upgrade"}, args...))
}

// ownersConfig is the --config of the command, and clusterConfig the cluster's own, which
// an upgrade reads, and the join of another control plane.
func (r *boardRun) ownersConfig() *kubeadm.Config {
	if r.command.Upgrades() {
		return r.owner
	}
	return r.config
}

func (r *boardRun) clusterConfig() *kubeadm.Config {
	if r.command.Upgrades() {
		return r.config
	}
	return r.shared
}

// upgradeStages are all of an upgrade.
func (r *boardRun) upgradeStages() []stage {
	return []stage{
		{"gather", r.always, r.gatherUpgrade, r.nothingChanged},
		{"measure", r.afresh, r.measure, r.nothingChanged},
		{"plan", r.afresh, r.planUpgrade, r.nothingChanged},
		{"show", r.dry, r.show, r.nothingChanged},
		{"diagnose", r.freshRun, func(context.Context) error { return r.showChecks() }, r.nothingChanged},
		{"confirm", r.freshRun, r.confirmUpgrade, r.nothingChanged},
		{"run", r.notDry, r.run, nil},
		{"report", r.notDry, r.conclude, nil},
	}
}

func (r *boardRun) freshRun() bool { return r.afresh() && r.notDry() }

// gatherUpgrade reads the board and asks the cluster. As with init it changes nothing, and
// ends at a signal even when a disk does not answer.
func (r *boardRun) gatherUpgrade(ctx context.Context) error {
	looked, err := safefile.Wait(ctx, func() (boardRun, error) {
		look := *r
		return look, look.lookForUpgrade(ctx)
	})
	if err == nil {
		*r = looked
	}
	return err
}

func (r *boardRun) lookForUpgrade(ctx context.Context) error {
	var err error
	if r.gathered, err = r.readPrograms(ctx, r.command, r.own, r.args); err != nil {
		return err
	}
	if r.behaviour, err = r.askBehaviour(ctx, r.path); err != nil {
		return err
	}
	r.worker = r.command == kubeadm.UpgradeNode && !exists(board().Manifest(plan.APIServer)) &&
		manifests.StagedAt(board(), plan.APIServer) == ""
	if r.command == kubeadm.UpgradeNode && len(r.behaviour.Phases(r.command)) == 0 {
		return errPassedOn
	}
	var text []byte
	if name, ok := r.args.Get("config"); ok {
		if r.owner, text, err = readConfigFile(name); err != nil {
			return err
		}
		r.owner.For(r.command)
		if err := r.owner.FitsUpgrade(r.behaviour, name); err != nil {
			return err
		}
	}
	if r.command == kubeadm.UpgradeApply && r.own.journal == nil {
		if r.to, err = r.wantedVersion(); err != nil {
			return err
		}
	}
	r.check = checkInput(r.command, r.own, r.gathered, r.args, text)
	r.check.Ignore = ignored(r.args, r.owner)
	if r.resume, err = bootstrap.Check(board(), r.check); err != nil {
		return err
	}
	if err := r.choosePatches(); err != nil {
		return err
	}
	if r.own.benchFile != "" && r.resume == nil {
		if r.given, err = loadBench(r.own.benchFile); err != nil {
			return err
		}
	}
	if r.seen, err = certs.Look("/"); err != nil {
		return err
	}
	if r.resume != nil {
		r.config, err = readClusterConfig(board().ClusterConfig())
		return err
	}
	if err := expired(r.seen); err != nil {
		return err
	}
	return r.askCluster(ctx)
}

// expired names a certificate that has ended: nothing can be asked with it, or answers.
func expired(seen certs.Seen) error {
	for _, l := range seen.Leaves {
		if c := l.Certificate; c != nil && time.Now().After(c.NotAfter) {
			return &problem{exitCerts, "first: kubeadm-arm certs renew",
				fmt.Errorf("the certificate %s has expired: %s", l.Name, c.NotAfter.UTC().Format(time.DateOnly))}
		}
	}
	return nil
}

// wantedVersion is the version that the owner names, by a word or in the configuration.
func (r *boardRun) wantedVersion() (kubeadm.Version, error) {
	text := r.owner.Own("apply", "kubernetesVersion")
	if len(r.args.Words) > 0 {
		text = r.args.Words[0]
	}
	const hint = "name the version of the new kubeadm, such as: kubeadm-arm upgrade apply "
	example := r.behaviour.Version.String()
	switch {
	case len(r.args.Words) > 1:
		return kubeadm.Version{}, &problem{exitUsage, hint + example,
			fmt.Errorf("upgrade apply takes one version, got %q too", r.args.Words[1])}
	case text == "":
		return kubeadm.Version{}, &problem{exitUsage, hint + example, errors.New("upgrade apply: no version")}
	}
	v, err := kubeadm.ParseVersion("v" + strings.TrimPrefix(text, "v"))
	if err != nil || !kubeadm.IsExact("v"+strings.TrimPrefix(text, "v")) {
		return v, &problem{exitUsage, hint + example,
			fmt.Errorf("upgrade apply: %q is not an exact version; a label such as stable would need a network", text)}
	}
	return v, nil
}

// choosePatches finds the folder of patches that kubeadm gets: this board's, merged with the
// owner's.
func (r *boardRun) choosePatches() error {
	theirs := r.owner.Own(r.command.Section(), "patches", "directory")
	if flag, ok := r.behaviour.PatchesFlag(); ok {
		if value, given := r.args.Get(flag); given {
			theirs = value
		}
	}
	ours, err := manifests.DurablePatches(board())
	switch {
	case r.anew():
		r.patches, r.ownersPatches = board().AllPatches(), theirs
		if theirs != "" {
			r.owned, err = readPatches(theirs)
		}
		return err
	case err != nil:
		return err
	case theirs == "" && len(ours) == 0:
		return nil
	case theirs == "":
		r.patches = board().Patches()
		return nil
	}
	r.patches = theirs
	if len(ours) == 0 {
		r.owned, err = readPatches(theirs)
		return err
	}
	r.patches = mergedPatches
	r.owned, err = r.mergePatches(ours, theirs)
	return err
}

// anew reports whether the control plane's settings are decided anew.
func (r *boardRun) anew() bool {
	if r.resume == nil {
		return r.own.profile != ""
	}
	return slices.ContainsFunc(r.resume.Plan.Steps, func(s plan.Step) bool {
		render, ok := s.(plan.RenderManifests)
		return ok && render.Anew
	})
}

func readClusterConfig(path string) (*kubeadm.Config, error) {
	text, err := safefile.Read(path, kubeadm.MaxConfig)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return kubeadm.ReadConfig(bytes.NewReader(text), path)
}

// apiPatience is how long one request to the API server may take on the slowest board.
const apiPatience = time.Minute

// askCluster reads the cluster's configuration, version and nodes: from the board's own API
// server, or for a worker, which may read no Node but its own, from that of its kubelet.
func (r *boardRun) askCluster(ctx context.Context) error {
	if err := r.nameNode(); err != nil {
		return err
	}
	c, err := r.apiServer()
	if err != nil {
		return r.noCluster(err)
	}
	defer c.Close()
	var config core.ConfigMap
	var version struct{ GitVersion string }
	var nodes core.NodeList
	asked := question{"/api/v1/nodes", &nodes}
	if r.worker {
		nodes.Items = make([]core.Node, 1)
		asked = question{"/api/v1/nodes/" + url.PathEscape(r.node.Name), &nodes.Items[0]}
	}
	for _, q := range []question{
		{"/version", &version}, {configPath, &config}, asked,
	} {
		if err := c.Get(ctx, q.path, q.into); err != nil {
			if q.path == configPath && cluster.IsStatus(err, http.StatusNotFound) {
				return damagedConfig(fmt.Errorf("read kubeadm config %s: it is not there", clusterConfigName))
			}
			return r.noCluster(fmt.Errorf("read %s from the API server: %w", q.path, err))
		}
	}
	r.readNodes(nodes.Items)
	if err := r.readVersions(config.Data["ClusterConfiguration"], version.GitVersion); err != nil {
		return err
	}
	if r.worker {
		return nil
	}
	if err := r.lookAtOthers(ctx, c); err != nil {
		return err
	}
	if err := r.chooseEndpoint(); err != nil {
		return err
	}
	return r.lookAtData(ctx)
}

// A question is a path of the API and what its answer is read into.
type question struct {
	path string
	into any
}

func (r *boardRun) readNodes(all []core.Node) {
	for _, n := range all {
		ready := slices.ContainsFunc(n.Status.Conditions, func(c core.NodeCondition) bool {
			return c.Type == core.NodeReady && c.Status == core.ConditionTrue
		})
		_, plane := n.Labels["node-role.kubernetes.io/control-plane"]
		_, master := n.Labels["node-role.kubernetes.io/master"]
		r.nodes = append(r.nodes, doctor.Node{Name: n.Name, Kubelet: n.Status.NodeInfo.KubeletVersion,
			ControlPlane: plane || master, Ready: ready})
	}
}

// readVersions reads the cluster's configuration, and from where to where the board goes.
func (r *boardRun) readVersions(config, server string) (err error) {
	if r.worker {
		server = r.nodes[0].Kubelet
	}
	if r.config, err = kubeadm.ReadConfig(strings.NewReader(config), clusterConfigName); err != nil {
		return damagedConfig(err)
	}
	if r.from, err = kubeadm.ParseVersion(server); err != nil {
		return r.noCluster(err)
	}
	wants, err := kubeadm.ParseVersion(r.config.Cluster("kubernetesVersion"))
	if err != nil {
		return damagedConfig(fmt.Errorf("read kubeadm config %s: kubernetesVersion: %w", clusterConfigName, err))
	}
	if r.command == kubeadm.UpgradeNode {
		r.to = wants
	}
	return nil
}

// The ConfigMap with the cluster's own configuration.
const (
	clusterConfigName = "ConfigMap kube-system/kubeadm-config"
	configPath        = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
)

func damagedConfig(err error) error {
	return &problem{exitBadConfig, "kubeadm reads it, too; repair it: kubectl --kubeconfig " + board().AdminConf() +
		" -n kube-system edit configmap kubeadm-config", err}
}

// lookAtOthers finds out whether etcd and the other control planes can do without this one.
func (r *boardRun) lookAtOthers(ctx context.Context, c *cluster.Client) error {
	if !r.config.HasExternalEtcd() {
		r.members, r.problems = bootstrap.EtcdProblems(ctx, board())
	}
	all, err := c.Components(ctx)
	if err != nil {
		return r.noCluster(fmt.Errorf("read the control planes' pods from the API server: %w", err))
	}
	for _, n := range r.nodes {
		if !n.ControlPlane || n.Name == r.node.Name {
			continue
		}
		i := slices.IndexFunc(all, func(c cluster.Component) bool { return c.Node == n.Name && c.Name == plan.APIServer })
		if i < 0 {
			r.problems = append(r.problems, n.Name+" has no API server")
			continue
		}
		f := all[i].Flags
		other := c.At(net.JoinHostPort(f["advertise-address"], cmp.Or(f["secure-port"], "6443")))
		if err := other.Get(ctx, "/healthz", nil); err != nil {
			r.problems = append(r.problems, "the API server of "+n.Name+" is not healthy: "+printable.Brief(err.Error()))
		}
	}
	return nil
}

// chooseEndpoint has the plan made for the endpoint that the owner names.
func (r *boardRun) chooseEndpoint() error {
	refuse := func(hint, why string) error {
		return &problem{exitUsage, hint, fmt.Errorf("flag --control-plane-endpoint: %s", why)}
	}
	has := r.config.Cluster("controlPlaneEndpoint")
	_, patches := r.behaviour.PatchesFlag()
	switch missing := r.noAuthority(); {
	case r.own.endpoint == "":
		return nil
	case has != "" && has != r.own.endpoint:
		return refuse("its nodes ask for that name: let it lead elsewhere, such as in every board's /etc/hosts",
			"the cluster has the endpoint "+has+" already")
	case missing != "":
		return refuse("do it where the cluster's authority is", missing)
	case r.config.HasExternalEtcd():
		return refuse("see docs/joining.md for the steps by hand", "etcd is elsewhere, so abort could not take it back")
	case !patches:
		return refuse("see docs/joining.md for the steps by hand", "this kubeadm takes no patches")
	}
	r.config.SetCluster(r.config.API(), r.own.endpoint, "controlPlaneEndpoint")
	return nil
}

// setEndpoint writes it into what kubeadm reads in the cluster, and what joining nodes do. The
// controller-manager signs cluster-info anew.
func (r *boardRun) setEndpoint(ctx context.Context, endpoint string) error {
	if err := r.nameNode(); err != nil {
		return err
	}
	c, err := r.apiServer()
	if err != nil {
		return r.noCluster(err)
	}
	defer c.Close()
	return c.SetEndpoint(ctx, endpoint)
}

// apiServer is a client of the API server on this board, which may not be the one that
// kubeadm's kubeconfigs name; a worker's is the one that its kubelet has.
func (r *boardRun) apiServer() (*cluster.Client, error) {
	l := board()
	all := []string{l.SuperAdminConf(), l.AdminConf()}
	if r.worker {
		all = []string{l.KubeletConf()}
	}
	for _, path := range all {
		text, err := safefile.Read(path, kubeadm.MaxConfig)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c, err := cluster.FromKubeconfig(text, l.At, apiPatience)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if r.worker {
			return c, nil
		}
		return c.At(net.JoinHostPort(r.node.AdvertiseAddress, strconv.Itoa(r.node.BindPort))), nil
	}
	return nil, fmt.Errorf("none of these is there: %s", strings.Join(all, ", "))
}

func (r *boardRun) noCluster(err error) error {
	where := ""
	if r.worker {
		where = " on its board"
	}
	return &problem{exitNoCluster, "see whether the control plane runs" + where + ": kubeadm-arm status; crictl ps", err}
}

// securePort is the API server's port in its manifest.
var securePort = regexp.MustCompile(`--secure-port=(\d+)`)

// nameNode reads what certificates and manifests say about this node.
func (r *boardRun) nameNode() error {
	if r.worker {
		if r.node.Name = r.seen.NodeName(); r.node.Name == "" {
			return r.noCluster(errors.New("the name of this node is not in its kubelet's certificate"))
		}
		return nil
	}
	text, err := safefile.Read(board().Manifest(plan.APIServer), maxStream)
	if err != nil {
		return err
	}
	r.node = kubeadm.NodeOfUpgrade{Name: r.seen.NodeName(), AdvertiseAddress: r.seen.AdvertiseAddress, BindPort: 6443}
	if m := securePort.FindSubmatch(text); m != nil {
		if r.node.BindPort, err = strconv.Atoi(string(m[1])); err != nil {
			return err
		}
	}
	if r.node.Name == "" || r.node.AdvertiseAddress == "" {
		return r.noCluster(errors.New("the name and address of this node are not in its certificates and manifests"))
	}
	return nil
}

// lookAtData finds out how large etcd's data is, and how much space there is for a copy.
func (r *boardRun) lookAtData(ctx context.Context) (err error) {
	if r.config.HasExternalEtcd() {
		return nil
	}
	r.data = etcdFolder(r.config)
	if r.dataBytes, _, err = tree.Usage(ctx, filepath.Join(r.data, "member")); err != nil {
		return err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(r.data, &s); err != nil {
		return fmt.Errorf("ask for the space at %s: %w", r.data, err)
	}
	r.dataFree = int64(s.Bavail) * int64(s.Bsize) //nolint:unconvert // narrower on some architectures
	return nil
}

// planUpgrade decides, and judges the board by that.
func (r *boardRun) planUpgrade(ctx context.Context) error {
	renews := !r.worker && r.noAuthority() == "" && r.wants("certificate-renewal", "certificateRenewal")
	facts := r.facts()
	facts.HasCA = true
	r.planned = plan.MakeUpgrade(plan.UpgradeFacts{
		Facts: facts, Command: r.command, Worker: r.worker, Owner: r.owner, From: r.from, To: r.to, Node: r.node,
		Data: r.data, DataBytes: r.dataBytes, Members: r.members,
		Rendered: board().Upgrade(), Backups: board().Backups(), Now: time.Now(), Renews: renews, HasPatches: r.patches != "",
		Anew: r.anew(), Endpoint: r.own.endpoint,
	})
	r.checks = doctor.Upgrade(doctor.UpgradeFacts{
		Command: r.command, Worker: r.worker, From: r.from, To: r.to, Kubeadm: r.behaviour, Nodes: r.nodes,
		Data: r.data, DataBytes: r.dataBytes, DataFree: r.dataFree, Problems: r.problems, NoAuthority: r.noAuthority(),
		Images: r.newImages(ctx), Ignore: r.check.Ignore,
	})
	return bootstrap.CheckProgram(board(), r.planned, trustedProgram)
}

// newImages is what doctor has to know of the new version's images.
func (r *boardRun) newImages(ctx context.Context) doctor.Facts {
	f := doctor.Facts{Board: r.board, Kubeadm: r.behaviour, Known: true, Ask: doctor.Ask{
		KubernetesVersion: r.to.String(), ImageRepository: r.config.Cluster("imageRepository")}}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	all, err := containerd.Images(ctx, "/run/containerd/containerd.sock")
	f.Images, f.ImagesKnown = all, err == nil
	return f
}

// wants reports whether the owner leaves a switch of the upgrade on.
func (r *boardRun) wants(flag, field string) bool {
	if value, given := r.args.Get(flag); given {
		on, err := strconv.ParseBool(value)
		return err != nil || on
	}
	return r.owner.Own(r.command.Section(), field) != "false"
}

// noAuthority says why this board cannot sign the control plane's certificates.
func (r *boardRun) noAuthority() string {
	d := certs.Decide(r.seen, certs.Ask{Now: time.Now(), All: true})
	for _, refused := range d.Refused {
		if !strings.HasPrefix(refused.Name, "kubelet") {
			return refused.Name + " cannot be renewed: " + refused.Why
		}
	}
	return ""
}

// renewForUpgrade renews what kubeadm renews in an upgrade. The kubelet's own is left to it.
func (r *boardRun) renewForUpgrade(ctx context.Context) (kept string, err error) {
	b := certsBoard()
	if kept, err = b.Complete(r.seen); err != nil || kept != "" {
		return kept, errors.Join(err, b.Finish())
	}
	d := certs.Decide(r.seen, certs.Ask{Now: time.Now(), All: true})
	d.Renew = slices.DeleteFunc(d.Renew, func(x certs.Renewal) bool { return strings.HasPrefix(x.Name, "kubelet") })
	if len(d.Renew) == 0 {
		return "", nil
	}
	b.Kubeadm = certs.RealKubeadm(r.path, r.behaviour, r.seen, r.env, kubeadm.Exec)
	if kept, err = b.Renew(ctx, r.seen, d, 0); err != nil {
		return "", err
	}
	return kept, b.Finish()
}

// confirmUpgrade asks as kubeadm does, unless it was told not to.
func (r *boardRun) confirmUpgrade(context.Context) error {
	if r.command == kubeadm.UpgradeNode || r.args.Bool("yes") || r.args.Bool("force") ||
		r.owner.Own("apply", "forceUpgrade") == "true" {
		return nil
	}
	return r.confirm(fmt.Sprintf("upgrade the control plane from %s to %s?", r.from, r.to), "--yes")
}

// runUpgradePlan is kubeadm's own plan, and how to see kubeadm-arm's.
func (v invocation) runUpgradePlan(args []string, a kubeadm.Args) error {
	rest, asked, err := v.ownKubeadm(append([]string{"upgrade"}, args...))
	if err != nil {
		return err
	}
	path, err := v.runnableKubeadm(asked)
	if err != nil {
		return err
	}
	if err := v.child(path, rest); err != nil || !isRoot() {
		return err
	}
	if output, ok := a.Get("output"); ok && output != "text" {
		return nil // for a program
	}
	_, err = printable.Fprintln(v.stdout, "\nTo see how kubeadm-arm would upgrade this board, changing nothing:\n"+
		"  kubeadm-arm upgrade apply VERSION --dry-run")
	return err
}
