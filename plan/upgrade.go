package plan

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
)

// UpgradeFacts are what a plan of an upgrade is made from. Config of [Facts] is the
// cluster's own configuration here.
type UpgradeFacts struct {
	Facts
	// Command is upgrade apply or upgrade node, Worker the latter where there is no control plane.
	Command kubeadm.Verb
	Worker  bool
	// Owner is the owner's UpgradeConfiguration, nil without one.
	Owner *kubeadm.Config
	// From is the version of this board, To the new one.
	From, To kubeadm.Version
	Node     kubeadm.NodeOfUpgrade
	// Data is etcd's data folder, DataBytes what is in it, Members how many etcd has.
	Data      string
	DataBytes int64
	Members   int
	// Rendered is the folder for the new manifests.
	Rendered string
	// Backups is the folder that gets the copy of /etc/kubernetes.
	Backups string
	// Now dates the copies.
	Now time.Time
	// Renews says that kubeadm would renew certificates.
	Renews bool
	// HasPatches says that this board has patches of its own for kubeadm, Anew that they are to be
	// made anew, for Profile of [Facts].
	HasPatches, Anew bool
	// Endpoint is what the cluster is to be reached by from now on, empty to leave that alone.
	Endpoint string
}

// MakeUpgrade plans `kubeadm-arm upgrade apply` and `upgrade node`.
func MakeUpgrade(f UpgradeFacts) Plan {
	u := upgradeMaker{newMaker(f.Command, f.Facts), f}
	if f.Worker {
		u.noteSlowdown()
		u.newerKubeadm()
	} else {
		u.board()
	}
	if _, given := f.Args.Get("skip-phases"); !given {
		u.skip = f.Owner.Skips()
	}
	u.config()
	u.p.Steps = u.steps()
	return u.p
}

type upgradeMaker struct {
	*maker
	f UpgradeFacts
}

// components are those that the upgrade replaces.
func (u upgradeMaker) components() []string {
	all := Components()
	if len(u.localEtcd()) == 0 {
		all = all[1:]
	}
	return all
}

func (u upgradeMaker) steps() []Step {
	checks := u.preflight()
	rest := RunPhases{Name: "rest", What: "run kubeadm's upgrade, which finds the manifests equal",
		Keep: u.f.Kubeadm.AllBut(u.p.Command, "preflight"), Ignore: checks.Ignore, Attempts: 5}
	switch {
	case u.f.Worker:
		rest.Name, rest.What = workerPhases, "run kubeadm's upgrade of the node"
		return []Step{checks, u.backUp(), rest}
	case u.whole():
		rest.What = "run kubeadm's upgrade"
		return []Step{checks, u.backUp(), rest}
	}
	return slices.Concat(
		[]Step{checks, u.backUp(), u.render()},
		u.renew(),
		u.serveEndpoint(),
		[]Step{u.switchOver()},
		u.startAgain(),
		u.setEndpoint(),
		[]Step{rest},
	)
}

// workerPhases names the step that changes nothing but the kubelet's configuration.
const workerPhases = "worker"

// whole reports whether kubeadm replaces the manifests itself: the owner skips that
// phase, or the board's changes cannot be passed to this kubeadm, so that it would write others.
func (u upgradeMaker) whole() bool {
	_, patches := u.f.Kubeadm.PatchesFlag()
	if !patches && u.f.Anew {
		u.warn("the manifests' settings stay as they are: this kubeadm takes no patches")
	}
	switch {
	case u.skipped("control-plane"):
		u.leave(GroupUpgrade, "manifests", "left alone", "the owner skips the phase control-plane")
		if u.f.Endpoint != "" {
			u.warn("the cluster gets no endpoint: the owner skips the phase control-plane")
		}
	case !patches && u.f.HasPatches:
		u.leave(GroupUpgrade, "manifests", "replaced by kubeadm", "this kubeadm takes no patches")
	default:
		u.decide(GroupUpgrade, "manifests", "replaced by kubeadm-arm",
			"kubeadm gives each component a fixed time and then goes back to the old one; kubeadm-arm waits for as long as "+
				"there is progress, and kubeadm leaves manifests alone that are equal to its own")
		return false
	}
	return true
}

func (u upgradeMaker) preflight() RunPhases {
	keep := []string{"preflight"}
	what := "run kubeadm's checks before an upgrade"
	if len(u.f.Kubeadm.Phases(u.p.Command)) == 0 {
		what = "run kubeadm's dry run of the upgrade, with its checks"
	}
	attempts := 1
	if u.slow {
		attempts = 3 // most of what they ask the API server has one try of 10 s, and they change nothing
	}
	return RunPhases{Name: "checks", What: what, Keep: keep, Ignore: u.testJob(), Attempts: attempts}
}

// testJob is the check that starts a Job and gives it a fixed time.
func (u upgradeMaker) testJob() []string {
	limit := u.f.Kubeadm.UpgradeJobLimit()
	if limit == "" || !u.slow || u.p.Command != kubeadm.UpgradeApply {
		return nil
	}
	u.decide(GroupUpgrade, "kubeadm's test Job", "its failure is ignored",
		"it has "+limit+" to start a pod and end, whatever the config says, which tests the speed of this board more than "+
			"the cluster; that all nodes are Ready is checked as well")
	return []string{"CreateJob"}
}

// dated is the name of the copies.
func (u upgradeMaker) dated() string {
	return fmt.Sprintf("upgrade-%s-from-%s", u.f.Now.UTC().Format("20060102-150405"), u.f.From)
}

func (u upgradeMaker) backUp() Step {
	to := filepath.Join(u.f.Backups, u.dated())
	u.decide(GroupUpgrade, "copy of /etc/kubernetes and the kubelet's configuration", to,
		"kubeadm-arm abort goes back to it while the upgrade is not finished")
	return BackUp{To: to}
}

func (u upgradeMaker) render() Step {
	s := RenderManifests{To: u.f.Rendered, Version: u.f.To.String(), Node: u.f.Node, All: u.components()}
	if u.slow {
		s.Startup = u.startBudget()
	}
	if s.Anew = u.f.Anew; s.Anew && u.split() {
		s.Settings = u.settings()
	}
	return s
}

func (u upgradeMaker) switchOver() Step {
	s := SwitchManifests{What: "stop the control plane and put in the manifests of " + u.f.To.String(), From: u.f.Rendered,
		All: u.components()}
	if s.All[0] == Etcd {
		s.Data, s.Keep, s.Others = u.f.Data, "kubeadm-arm-"+u.dated(), u.f.Members > 1
		abort := "kubeadm-arm abort puts it back"
		if s.Others {
			abort = "kubeadm-arm abort leaves etcd's data, which one of several members cannot put back alone"
		}
		u.decide(GroupUpgrade, "copy of etcd's data", filepath.Join(s.Data, s.Keep),
			fmt.Sprintf("%.1f MB, copied while etcd is stopped and read again; %s", float64(u.f.DataBytes)/1e6, abort))
	}
	return s
}

func (u upgradeMaker) renew() []Step {
	if !u.f.Renews {
		u.leave(GroupUpgrade, "certificates", "left alone", "the owner says so, or this board cannot sign any")
		return nil
	}
	u.decide(GroupUpgrade, "certificates", "renewed before the new version starts",
		"kubeadm renews those of a component whose manifest it replaces, and it will find all manifests equal")
	return []Step{RenewCertificates{}}
}

func (u upgradeMaker) serveEndpoint() []Step {
	if u.f.Endpoint == "" {
		return nil
	}
	host, _ := kubeadm.SplitEndpoint(u.f.Endpoint)
	u.decide(GroupUpgrade, "certificate of the API server", "made anew, for "+host+" as well",
		"other control planes and nodes will ask for that name; the rest of it is as before")
	return []Step{ServeEndpoint{Host: host, Version: u.f.To.String(), Node: u.f.Node}}
}

func (u upgradeMaker) setEndpoint() []Step {
	if u.f.Endpoint == "" {
		return nil
	}
	u.decide(GroupUpgrade, "controlPlaneEndpoint", u.f.Endpoint,
		"in kubeadm's configuration and in cluster-info, once the new certificate is served; kubeadm-arm abort takes it "+
			"back with etcd's data")
	return []Step{SetEndpoint{Endpoint: u.f.Endpoint}}
}

// startAgain starts all components in groups, each once the one before is healthy.
func (u upgradeMaker) startAgain() (steps []Step) {
	var groups [][]string
	switch all := u.components(); {
	case !u.slow:
		last := len(all) - 1 // the controller-manager ends itself when the API server is late
		groups = [][]string{all[:last], all[last:]}
	case u.cores() >= enoughForTwo:
		groups = [][]string{all[:len(all)-2], all[len(all)-2:]}
	default:
		for _, c := range all {
			groups = append(groups, []string{c})
		}
	}
	var names []string
	for _, g := range groups {
		names = append(names, strings.Join(g, " and "))
		steps = slices.Concat(steps, u.release(g...), u.await(g...))
	}
	u.decide(GroupUpgrade, "start of the new version", strings.Join(names, ", then "),
		"all stop at once and start as after a power cut: less time without an API server than one restart after the other, "+
			"and no moment in which two versions are mixed")
	return steps
}

// config decides the timeouts that kubeadm's own part of the upgrade has.
func (u upgradeMaker) config() {
	if !u.f.Kubeadm.HasUpgradeConfig() {
		if u.slow {
			u.leave(GroupConfig, "timeouts", "kubeadm's",
				"this kubeadm's upgrade has no settings for them; it is repeated instead")
		}
		return
	}
	api := u.f.Owner.API()
	if api == "" {
		api = u.f.Kubeadm.ConfigWrite()
	}
	if kubeadm.IsExperimental(api) {
		u.warn("the config is kubeadm.k8s.io/v1, which is experimental: it is passed on as it is, without longer timeouts")
		return
	}
	c := &ConfigPlan{API: api, Translate: true}
	var all []timeoutValue
	switch {
	case u.f.Worker:
		all = []timeoutValue{u.callToOthers()}
	case u.slow:
		all = u.timeoutsOf(u.p.Command)
	}
	for _, t := range all {
		u.timeout(u.f.Owner, c, RaisedTimeout{Path: []string{"timeouts", t.field}, AtLeast: t.value}, t.why)
	}
	u.p.Config = c
}

// GoBack plans the way back from an upgrade that is not finished, to the version before
// it. done counts the upgrade's finished steps, begun says that the next is under way.
// The second value is false where nothing has been changed yet.
func GoBack(p Plan, done int, begun bool) (Plan, bool) {
	back := Plan{Command: p.Command, GoesBack: true}
	var kept BackUp
	changed, switched := false, false
	for i, s := range p.Steps {
		if i > done || i == done && !begun {
			break
		}
		switch s := s.(type) {
		case BackUp:
			kept = s
		case SwitchManifests:
			changed, switched = true, true
			old := SwitchManifests{
				What: "stop the control plane and put the old manifests back", All: s.All, Data: s.Data, Back: s.Keep,
				From: filepath.Join(kept.To, "kubernetes/manifests"),
			}
			if s.Others {
				old.Back = ""
			}
			back.Steps = append(back.Steps, old, RestoreFiles{From: kept.To})
		case RunPhases:
			if s.Name == workerPhases {
				changed = true
				back.Steps = append(back.Steps, RestoreFiles{From: kept.To})
			}
		}
	}
	if !switched {
		return back, changed
	}
	for _, s := range p.Steps {
		switch s.(type) {
		case ReleaseManifest, AwaitHealthy:
			back.Steps = append(back.Steps, s)
		}
	}
	return back, true
}
