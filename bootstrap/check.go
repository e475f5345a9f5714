package bootstrap

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// Reason tells why a run is refused before anything is changed.
type Reason int

// The reasons.
const (
	ClusterHere Reason = iota + 1
	ForeignManifests
	NoSpace
	Locked
	BadJournal
	// Changed: not what the interrupted run was begun with.
	Changed
	// NotRecorded: there is no interrupted run.
	NotRecorded
	// BadManifest: a staged manifest cannot be put back.
	BadManifest
	// UntrustedProgram: systemd would have to start a program that others than root
	// can replace.
	UntrustedProgram
)

// RefusedError says that a run is not begun, and what to do about it.
type RefusedError struct {
	Reason Reason
	Err    error
	Help   string
}

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// Hint says what can be done.
func (e *RefusedError) Hint() string { return e.Help }

// needFree is the room that certificates, kubeconfigs, manifests and journal
// need, several times over.
const needFree = 16 << 20

// CheckInput is what is known before a run.
type CheckInput struct {
	Request Request
	// Ignore is the owner's --ignore-preflight-errors.
	Ignore []string
	Board  BoardID
	// KubeadmVersion is that of the kubeadm that is going to be run.
	KubeadmVersion string
	// Addresses are those of the board's interfaces; nil is not looked at.
	Addresses []string
	// Now is the board's clock, which certificates are judged by; zero is not
	// looked at.
	Now time.Time
	// Anyway goes on with an interrupted run although the board looks like
	// another one.
	Anyway bool
}

// Check looks whether a run can begin, changing nothing. It returns the journal
// of an interrupted run of the same request to go on with, or nil. Everything
// that speaks against is a [*RefusedError].
func Check(l Layout, in CheckInput) (*Journal, error) {
	if err := l.checkState(); err != nil {
		return nil, err
	}
	j, err := readJournal(l.Journal())
	if err != nil {
		return nil, &RefusedError{BadJournal, err, startAfresh}
	}
	if j != nil && l.untouched(j) {
		j = nil // it ended before it had changed anything: any run may begin
	}
	if j != nil {
		if err := l.unchanged(j, in); err != nil {
			return nil, err
		}
	}
	if err := checkSpace(l); err != nil {
		return nil, err
	}
	if err := l.otherInit(); err != nil {
		return nil, err
	}
	files, err := l.files()
	if err != nil {
		return nil, &RefusedError{ForeignManifests, err, "look what is in it, and move what does not belong there away"}
	}
	if err := l.refuseSpecial(files); err != nil {
		return nil, err
	}
	if j != nil {
		return j, nil
	}
	if staged := l.stagedNow(); len(staged) > 0 && fileExists(l.HeldBack()) {
		return nil, &RefusedError{ClusterHere,
			fmt.Errorf("a control plane is set up here already, and not all of it has started yet: %s", strings.Join(staged, ", ")),
			"see how far it is with: kubeadm-arm status; or remove it with: kubeadm-arm reset"}
	} else if len(staged) > 0 {
		return nil, &RefusedError{BadJournal,
			fmt.Errorf("there is no journal, but manifests are staged: %s", strings.Join(staged, ", ")),
			"put them back with: kubeadm-arm abort"}
	}
	return nil, checkFresh(l, in.Ignore)
}

// refuseSpecial refuses pipes and the like below /etc/kubernetes where kubeadm reads or
// writes files. Sockets of plugins, such as a KMS's, are called otherwise.
func (l Layout) refuseSpecial(files []string) error {
	all := []string{l.KubeletConfig(), l.at("/var/lib/kubelet/kubeadm-flags.env")}
	for _, f := range files {
		if slices.Contains([]string{".conf", ".yaml", ".crt", ".key", ".pub"}, filepath.Ext(f)) {
			all = append(all, filepath.Join(l.Kubernetes(), f))
		}
	}
	return refuseSpecialFiles(all)
}

// refuseSpecialCertificates does the same with the owner's folder of certificates.
func (r *run) refuseSpecialCertificates() error {
	dir := r.layout.Certificates(r.Config, r.Args)
	var all []string
	for _, name := range kubeadm.CertificateFiles() {
		all = append(all, filepath.Join(dir, name))
	}
	return refuseSpecialFiles(all)
}

// refuseSpecialFiles refuses what is there and no regular file: kubeadm would wait for
// the other end of a pipe for ever, whatever is ignored.
func refuseSpecialFiles(all []string) error {
	for _, path := range all {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			err := fmt.Errorf("%s is %s, not a regular file", path, safefile.Kind(info.Mode()))
			return &RefusedError{ForeignManifests, err, "look who made it, and remove it"}
		}
	}
	return nil
}

// checkFresh looks for another cluster.
func checkFresh(l Layout, ignore []string) error {
	all := slices.Contains(ignore, "all")
	for _, c := range plan.Components() {
		check := "FileAvailable--etc-kubernetes-manifests-" + c + ".yaml"
		if _, err := os.Lstat(l.Manifest(c)); err == nil && !all && !contains(ignore, check) {
			return &RefusedError{ClusterHere,
				fmt.Errorf("a control plane is set up here already: %s is there", l.Manifest(c)),
				"look at it with: kubectl --kubeconfig /etc/kubernetes/admin.conf get nodes; or remove it with: kubeadm reset"}
		}
	}
	for _, path := range []string{l.KubeletConf(), l.KubeletConfig()} {
		if _, err := os.Lstat(path); err == nil && !all && !contains(ignore, "FileAvailable-"+strings.ReplaceAll(path, "/", "-")) {
			return &RefusedError{ClusterHere,
				fmt.Errorf("this board belongs to a cluster already: %s is there", path),
				"leave that cluster first with: kubeadm reset"}
		}
	}
	return checkForeign(l)
}

// contains is kubeadm's own comparison: check names know no case.
func contains(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

// checkSpace refuses to begin on a full disk.
func checkSpace(l Layout) error {
	for _, path := range []string{l.at("/etc/kubernetes"), l.at("/var/lib/etcd"), l.at("/var/lib/kubelet")} {
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
			return &RefusedError{NoSpace, fmt.Errorf("the disk under %s is mounted read-only", path),
				"dmesg tells why, often a failing SD card; if it is sound: mount -o remount,rw the file system that findmnt --target " + dir + " names"}
		}
		free := fs.Bavail * uint64(fs.Bsize)
		if free < needFree {
			return &RefusedError{NoSpace,
				fmt.Errorf("the disk under %s is full: %d KiB free, at least %d KiB are needed", path, free>>10, needFree>>10),
				"make room: df -h " + dir}
		}
	}
	return nil
}
