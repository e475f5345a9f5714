package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/text"
	"github.com/kubeadm-arm/kubeadm-arm/patch"
)

// JoinEtcd makes the board a member of etcd that votes, with kubeadm's phase for it, for as
// long as something moves.
type JoinEtcd struct {
	plain
	// Keep is that phase.
	Keep []string `json:"keep"`
	// Settings are what kubeadm is to patch into the manifest that it writes: the kubelet
	// starts etcd at once. Startup is the time that the manifest's startup probe is made from.
	Settings patch.Settings `json:"settings"`
	Startup  time.Duration  `json:"startupNanoseconds"`
	// Quiet, Patience and Restarts are the limits of bootstrap's watch; Poll is the time
	// between two looks.
	Quiet    time.Duration `json:"quietNanoseconds"`
	Patience time.Duration `json:"patienceNanoseconds"`
	Restarts int           `json:"restarts"`
	Poll     time.Duration `json:"pollNanoseconds"`
}

// Kind implements Step.
func (JoinEtcd) Kind() string         { return "joinEtcd" }
func (JoinEtcd) Title() string        { return "join etcd" }
func (JoinEtcd) Components() []string { return []string{Etcd} }

// Detail implements Step.
func (s JoinEtcd) Detail() string {
	return fmt.Sprintf("%s; until it votes; given up when nothing moves for %s, nothing new comes for %s, or after "+
		"%d restarts", strings.Join(s.Keep, ", "), text.Duration(s.Quiet), text.Duration(s.Patience), s.Restarts)
}

// Check implements Step.
func (s JoinEtcd) Check() error {
	return checkWait(s.Restarts, limit{"startup", s.Startup}, limit{"quiet", s.Quiet}, limit{"patience", s.Patience},
		limit{"poll", s.Poll})
}

// joinEtcd has etcd join alone, with the settings that its manifest is to have.
func (m *maker) joinEtcd(s patch.Settings) []Step {
	if len(m.localEtcd()) == 0 {
		return nil
	}
	m.decide(GroupStart, "etcd joins", "alone, before the API server",
		"each of kubeadm's requests has 2 s; it is run again only if the list of members shows that it has to be, and a "+
			"learner is promoted as soon as it has caught up")
	wait := m.awaitHealthy(Etcd)
	return []Step{JoinEtcd{
		Keep: m.kept(etcdPhases()...), Settings: s, Startup: m.startBudget(),
		Quiet: max(2*time.Minute, wait.Quiet), Patience: max(joinPatience, wait.Patience), Restarts: wait.Restarts,
		Poll: max(time.Second, wait.Poll),
	}}
}

// etcdPhases are the phases by which etcd joins; which of them a kubeadm has, and which does
// something, depends on its version.
func etcdPhases() []string { return []string{"etcd-join", "control-plane-join/etcd"} }
