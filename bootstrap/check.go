package bootstrap

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// needFree is the room that certificates, kubeconfigs, manifests and journal
// need, several times over.
const needFree = 16 << 20

// CheckInput is what is known before a run.
type CheckInput struct {
	// Command is the one that is to run.
	Command kubeadm.Verb
	Request journal.Request
	// Ignore is the owner's --ignore-preflight-errors.
	Ignore []string
	Board  journal.BoardID
	// KubeadmVersion is that of the kubeadm that is going to be run.
	KubeadmVersion string
	// Addresses are those of the board's interfaces; nil is not looked at.
	Addresses []string
	// Now is the board's clock, which certificates are judged by; zero is not
	// looked at.
	Now time.Time
	// Anyway resumes an interrupted run although the board looks like another one.
	Anyway bool
	// Resume goes on with an interrupted run, also where that had changed nothing
	// yet: what its plan was made from, such as a profile, is not asked for again.
	Resume bool
}

// Check looks whether a run can begin, changing nothing. It returns the journal
// of an interrupted run of the same request to go on with, or nil. Everything
// that prevents it is a [*state.RefusedError].
func Check(l state.Layout, in CheckInput) (*journal.Journal, error) {
	if err := state.Check(l); err != nil {
		return nil, err
	}
	j, err := journal.Read(l.Journal())
	if err != nil {
		return nil, state.Refuse(state.BadJournal, err, giveUp(""))
	}
	if j != nil && !in.Resume && untouched(l, j) {
		j = nil // it ended before it had changed anything: any run may begin
	}
	if j != nil {
		if j.Plan.Command != in.Command {
			return nil, state.Refuse(state.Changed,
				fmt.Errorf("an interrupted %s is recorded (%s)", j.Plan.Command, j.Progress()),
				"go on with it: kubeadm-arm resume; "+giveUp(j.Plan.Command))
		}
		if err := unchanged(l, j, in); err != nil {
			return nil, err
		}
	}
	places := []string{l.At("/etc/kubernetes"), l.At("/var/lib/etcd"), l.At("/var/lib/kubelet")}
	if in.Command.Upgrades() {
		places = append(places, l.Backups())
		if err := state.CheckFolder(l.Backups()); err != nil {
			return nil, err
		}
	}
	if err := checkSpace(places); err != nil {
		return nil, err
	}
	if err := otherInit(l); err != nil {
		return nil, err
	}
	files, err := files(l)
	if err != nil {
		return nil, state.Refuse(state.ForeignManifests, err, "look what is in it, and move away what does not belong there")
	}
	if err := refuseSpecial(l, files); err != nil {
		return nil, err
	}
	if j != nil {
		return j, nil
	}
	if staged := manifests.Staged(l); len(staged) > 0 && durable.Exists(l.BootList()) {
		return nil, state.Refuse(state.ClusterHere,
			fmt.Errorf("a control plane is set up here already, and not all of it has started yet: %s", strings.Join(staged,
				", ")),
			"see how far it is with: kubeadm-arm status; or remove it with: kubeadm-arm reset")
	} else if len(staged) > 0 {
		return nil, state.Refuse(state.BadJournal,
			fmt.Errorf("there is no journal, but manifests are staged: %s", strings.Join(staged, ", ")),
			"put them back with: kubeadm-arm abort")
	}
	return nil, mayBegin(l, in)
}

// mayBegin looks whether the board is in the state that a command starts from.
func mayBegin(l state.Layout, in CheckInput) error {
	needs, what, hint := []string{l.KubeletConf()}, "this board belongs to no cluster", "join one first: kubeadm-arm join"
	switch {
	case !in.Command.Upgrades():
		return checkFresh(l, in.Ignore) // init sets up a board that belongs to no cluster
	case in.Command == kubeadm.UpgradeApply:
		needs = []string{l.Manifest(plan.APIServer), l.AdminConf(), l.KubeletConf()}
		what = "there is no control plane of kubeadm's here"
		hint = "upgrade apply is for the first control-plane node; on all others: kubeadm-arm upgrade node"
	case durable.Exists(l.Manifest(plan.APIServer)):
		needs = append(needs, l.AdminConf())
	}
	for _, path := range needs {
		if !durable.Exists(path) {
			return state.Refuse(state.NoCluster, fmt.Errorf("%s: %s is missing", what, path), hint)
		}
	}
	return manifests.CheckForeign(l)
}

// refuseSpecial refuses pipes and the like below /etc/kubernetes where kubeadm reads or
// writes files. Sockets of plugins, such as a KMS's, have other names.
func refuseSpecial(l state.Layout, files []string) error {
	all := []string{l.KubeletConfig(), l.KubeletFlags()}
	for _, f := range files {
		if slices.Contains([]string{".conf", ".yaml", ".crt", ".key", ".pub"}, filepath.Ext(f)) {
			all = append(all, filepath.Join(l.Kubernetes(), f))
		}
	}
	return refuseSpecialFiles(all)
}

// refuseSpecialCertificates does the same with the owner's folder of certificates.
func (r *run) refuseSpecialCertificates() error {
	dir := r.certificates()
	var all []string
	for _, name := range kubeadm.CertificateFiles() {
		all = append(all, filepath.Join(dir, name))
	}
	return refuseSpecialFiles(all)
}

// refuseSpecialFiles refuses what is there and no regular file: kubeadm would wait for
// the other end of a pipe forever, whatever is ignored.
func refuseSpecialFiles(all []string) error {
	for _, path := range all {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			err := fmt.Errorf("%s is %s, not a regular file", path, safefile.Kind(info.Mode()))
			return state.Refuse(state.ForeignManifests, err, "look who made it, and remove it")
		}
	}
	return nil
}

// checkFresh looks for another cluster.
func checkFresh(l state.Layout, ignore []string) error {
	all := slices.Contains(ignore, "all")
	for _, c := range plan.Components() {
		check := "FileAvailable--etc-kubernetes-manifests-" + c + ".yaml"
		if _, err := os.Lstat(l.Manifest(c)); err == nil && !all && !contains(ignore, check) {
			return state.Refuse(state.ClusterHere,
				fmt.Errorf("a control plane is set up here already: %s is there", l.Manifest(c)),
				"look at it with: kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes; or remove it with: kubeadm reset")
		}
	}
	for _, path := range []string{l.KubeletConf(), l.KubeletConfig()} {
		if _, err := os.Lstat(path); err == nil && !all && !contains(ignore, "FileAvailable-"+strings.ReplaceAll(path, "/",
			"-")) {
			return state.Refuse(state.ClusterHere,
				fmt.Errorf("this board belongs to a cluster already: %s is there", path),
				"leave that cluster first with: kubeadm reset")
		}
	}
	return manifests.CheckForeign(l)
}

// contains is kubeadm's own comparison: names of checks are compared without case.
func contains(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

// checkSpace refuses to begin on a full disk.
func checkSpace(places []string) error {
	for _, path := range places {
		dir := path
		for {
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				break
			}
			if parent := filepath.Dir(dir); parent != dir {
				dir = parent
				continue
			}
			return nil
		}
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil {
			return fmt.Errorf("ask for the free space of %s: %w", dir, err)
		}
		if fs.Flags&unix.ST_RDONLY != 0 {
			return state.Refuse(state.NoSpace, fmt.Errorf("the disk under %s is mounted read-only", path),
				"dmesg has the reason, often a failing SD card; if it is sound: mount -o remount,rw the file system that findmnt "+
					"--target "+dir+" names")
		}
		free := fs.Bavail * uint64(fs.Bsize)
		if free < needFree {
			return state.Refuse(state.NoSpace,
				fmt.Errorf("the disk under %s is full: %d KiB free, at least %d KiB are needed", path, free>>10, needFree>>10),
				"make room: df -h "+dir)
		}
	}
	return nil
}

// otherInit refuses to run beside a kubeadm that is setting the board up. Only root's
// processes count: a user's process can take any name.
func otherInit(l state.Layout) error {
	self, _ := os.Stat("/proc/self/exe")
	proc := linux.Proc(l.Proc())
	for _, id := range linux.Numbers(l.Proc()) {
		dir := filepath.Join(l.Proc(), id)
		// The program itself, and not the name that its command line gives it.
		program, err := os.Readlink(filepath.Join(dir, "exe"))
		if name := filepath.Base(program); err != nil || !strings.HasPrefix(name, "kubeadm") || strings.HasPrefix(name,
			"kubeadm-arm") {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, "exe")); err == nil && self != nil && os.SameFile(info, self) {
			continue // this program under another name
		}
		cmdline, err := linux.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue
		}
		verb := verbOf(strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00"))
		pid, err := strconv.Atoi(id)
		if err != nil || verb == "" {
			continue
		}
		p, err := proc.Process(pid)
		if err != nil {
			p = linux.Process{PID: pid}
		}
		if p.Zombie() || !proc.Trusted(p) {
			continue
		}
		return state.Refuse(state.Locked, fmt.Errorf("a kubeadm is running on this board (pid %s: kubeadm %s)", id, verb),
			"wait until it has ended")
	}
	return nil
}

// verbOf is the command of kubeadm's that changes a board, empty for another.
func verbOf(words []string) string {
	for i, w := range words {
		if slices.Contains([]string{"init", "join", "reset"}, w) {
			return w
		}
		if w == "upgrade" && i+1 < len(words) && slices.Contains([]string{"apply", "node"}, words[i+1]) {
			return w + " " + words[i+1]
		}
	}
	return ""
}
