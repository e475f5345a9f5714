package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/internal/linux"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

const startAfresh = "to give the interrupted run up: kubeadm-arm abort; to remove what it made as well: kubeadm-arm reset"

// untouched tells whether a run had changed nothing yet when it ended, as when
// kubeadm's preflight checks failed.
func (l Layout) untouched(j *Journal) bool {
	for _, step := range j.Plan.Steps[:j.Done] {
		if _, ok := step.(plan.TuneServices); !ok {
			return false // drop-ins bind nobody: the next run writes them anew
		}
	}
	now, err := l.files()
	return err == nil && slices.Equal(now, j.Before) && len(l.stagedNow()) == 0
}

// unchanged compares the present with what an interrupted run was begun with and
// names every difference.
func (l Layout) unchanged(j *Journal, in CheckInput) error {
	if gone := l.gone(j); gone != "" {
		return &RefusedError{Changed,
			fmt.Errorf("what the interrupted run made is gone: %s", gone),
			"if kubeadm reset has been run since: kubeadm-arm abort, then init again"}
	}
	if diff := j.Request.changed(in.Request); len(diff) > 0 {
		return &RefusedError{Changed,
			fmt.Errorf("an interrupted run is recorded (%s), and since then %s", j.Progress(), strings.Join(diff, ", ")),
			"go on with what was asked for then: kubeadm-arm resume; " + startAfresh}
	}
	if in.KubeadmVersion != "" && j.KubeadmVersion != in.KubeadmVersion {
		return &RefusedError{Changed,
			fmt.Errorf("the interrupted run was begun with kubeadm %s, this is kubeadm %s", j.KubeadmVersion, in.KubeadmVersion),
			"install that version again or name it with --arm-kubeadm; " + startAfresh}
	}
	if in.Board != (BoardID{}) && j.Board != in.Board && !in.Anyway {
		return &RefusedError{Changed,
			fmt.Errorf("the interrupted run was begun on another board: %s; this is %s", j.Board, in.Board),
			"its plan was made for that one; if it suits here: kubeadm-arm resume --anyway; " + startAfresh}
	}
	if err := l.addressStays(in.Addresses); err != nil {
		return err
	}
	if err := l.damagedFiles(j); err != nil {
		return err
	}
	return l.clockFits(in.Now)
}

// gone names what an interrupted run had made and is nowhere any more.
func (l Layout) gone(j *Journal) string {
	for _, c := range plan.Components() {
		path := l.Manifest(c)
		if _, made := j.Written[path]; made && !fileExists(path) && l.stagedAt(c) == "" {
			return path
		}
	}
	return ""
}

// damagedFiles compares manifests with the hashes in the journal. An owner's
// edit is no damage; a file that cannot be read as a manifest is.
func (l Layout) damagedFiles(j *Journal) error {
	for _, c := range plan.Components() {
		path := l.Manifest(c)
		if staged := l.stagedAt(c); staged != "" {
			path = staged
		}
		was, known := j.Written[l.Manifest(c)]
		text, err := safefile.Read(path, maxFile)
		if err != nil || !known || hashFile(path) == was {
			continue
		}
		if len(bytes.Trim(text, "\x00 \n")) == 0 {
			return &RefusedError{Changed, fmt.Errorf("%s is empty since the interruption: the disk lost it", path), startAfresh}
		}
	}
	return nil
}

// advertised is the address in kubeadm's manifest of the API server or etcd.
var advertised = regexp.MustCompile(`--(?:advertise-address=|listen-client-urls=https://127\.0\.0\.1:2379,https://)\[?([0-9a-fA-F.:]+?)\]?(?::2379)?["']?\s`)

// addressStays refuses to go on when the board has lost the address that stands
// in etcd's manifest and in the certificates: etcd cannot listen on it.
func (l Layout) addressStays(have []string) error {
	if have == nil {
		return nil
	}
	text, err := safefile.Read(l.Manifest(plan.Etcd), maxFile)
	if err != nil {
		return nil // an etcd elsewhere, or none yet
	}
	m := advertised.FindSubmatch(text)
	if m == nil || slices.Contains(have, string(m[1])) {
		return nil
	}
	return &RefusedError{Changed,
		fmt.Errorf("the board's address has changed: certificates and etcd were made for %s, now it has %s", m[1], strings.Join(have, ", ")),
		"give the board the address " + string(m[1]) + " again (a fixed lease or a static address) and go on with: kubeadm-arm resume; " + startAfresh}
}

// clockFits refuses to go on when the certificates are not valid at the board's
// present time: a board without a battery makes them in 1970, and then the
// network brings the time.
func (l Layout) clockFits(now time.Time) error {
	if now.IsZero() {
		return nil
	}
	for _, name := range []string{"ca.crt", "apiserver.crt", "apiserver-kubelet-client.crt", "etcd/server.crt"} {
		cert := readCertificate(filepath.Join(filepath.Dir(l.CACert()), name))
		if cert == nil {
			continue
		}
		const day = "2006-01-02"
		switch {
		case now.Before(cert.NotBefore):
			return &RefusedError{Changed,
				fmt.Errorf("the clock has jumped back: it says %s, and %s is valid from %s", now.UTC().Format(day), name, cert.NotBefore.UTC().Format(day)),
				"set the clock (timedatectl, or wait for the network's time) and repeat"}
		case now.After(cert.NotAfter):
			return &RefusedError{Changed,
				fmt.Errorf("the clock has jumped: it says %s, and %s was valid from %s to %s", now.UTC().Format(day), name, cert.NotBefore.UTC().Format(day), cert.NotAfter.UTC().Format(day)),
				"if the clock is right now, certificates have to be made anew: kubeadm-arm reset, then init again"}
		}
	}
	return nil
}

// otherInit refuses to run beside a kubeadm that is setting the board up. Only root's
// can: what a user's process calls itself keeps nobody from work.
func (l Layout) otherInit() error {
	self, _ := os.Stat("/proc/self/exe")
	proc := linux.Proc(l.Proc())
	for _, id := range linux.Numbers(l.Proc()) {
		dir := filepath.Join(l.Proc(), id)
		// The program itself, and not the name that its command line gives it.
		program, err := os.Readlink(filepath.Join(dir, "exe"))
		if name := filepath.Base(program); err != nil || !strings.HasPrefix(name, "kubeadm") || strings.HasPrefix(name, "kubeadm-arm") {
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
		return &RefusedError{Locked, fmt.Errorf("a kubeadm is at work on this board (pid %s: kubeadm %s)", id, verb),
			"wait until it has ended"}
	}
	return nil
}

// verbOf is the command of kubeadm's that changes a board, empty for another.
func verbOf(words []string) string {
	for _, w := range words {
		if slices.Contains([]string{"init", "join", "reset"}, w) {
			return w
		}
	}
	return ""
}

// errNothingToResume says that no interrupted run is recorded.
var errNothingToResume = errors.New("no interrupted run is recorded on this board")

// Interrupted returns the journal of an interrupted run for going on by hand.
func Interrupted(l Layout) (*Journal, error) {
	j, err := readJournal(l.Journal())
	if err != nil {
		return nil, &RefusedError{BadJournal, err, startAfresh}
	}
	if j == nil {
		return nil, &RefusedError{NotRecorded, errNothingToResume, "begin one with: kubeadm-arm init"}
	}
	return j, nil
}

// RequestAgain is the request of a run that goes on with a journal's own
// arguments. Those that the journal does not hold cannot have changed.
func (j *Journal) RequestAgain(now Request) Request {
	all := Request{}
	for name, hash := range now {
		all[name] = hash
	}
	for _, name := range j.Omitted {
		if was, ok := j.Request["--"+name]; ok {
			all["--"+name] = was
		}
	}
	return all
}
