package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/manifests"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// giveUp is how to give an interrupted run up. After an upgrade, reset would remove a cluster that
// was there before; so it is not named where the command is not known, either.
func giveUp(command kubeadm.Verb) string {
	const abort = "to give the interrupted run up: kubeadm-arm abort"
	switch {
	case command.Upgrades():
		return "to go back to the version before: kubeadm-arm abort"
	case command == "":
		return abort
	}
	return abort + "; to remove what it made as well: kubeadm-arm reset"
}

// untouched reports whether a run had changed nothing yet when it ended, as when
// kubeadm's preflight checks failed.
func untouched(l state.Layout, j *journal.Journal) bool {
	if j.Plan.GoesBack {
		return false // the way back has something to undo
	}
	for _, step := range j.Plan.Steps[:j.Done] {
		switch step := step.(type) {
		case plan.TuneServices: // drop-ins do not matter: the next run writes them anew
		case plan.KubeletCertificates: // nor does a serving certificate matter
			if step.Client {
				return false
			}
		default:
			return false
		}
	}
	now, err := files(l)
	return err == nil && slices.Equal(now, j.Before) && len(manifests.Staged(l)) == 0
}

// unchanged compares the present with what an interrupted run was begun with and
// names every difference.
func unchanged(l state.Layout, j *journal.Journal, in CheckInput) error {
	if gone := gone(l, j); gone != "" {
		return state.Refuse(state.Changed,
			fmt.Errorf("what the interrupted run made is gone: %s", gone),
			"if kubeadm reset has been run since: kubeadm-arm abort, then "+string(j.Plan.Command)+" again")
	}
	if diff := j.Request.Changed(in.Request); len(diff) > 0 {
		return state.Refuse(state.Changed,
			fmt.Errorf("an interrupted run is recorded (%s), and since then %s", j.Progress(), strings.Join(diff, ", ")),
			"go on with what was asked for then: kubeadm-arm resume; "+giveUp(j.Plan.Command))
	}
	if in.KubeadmVersion != "" && j.KubeadmVersion != in.KubeadmVersion {
		return state.Refuse(state.Changed,
			fmt.Errorf("the interrupted run was begun with kubeadm %s, this is kubeadm %s", j.KubeadmVersion, in.KubeadmVersion),
			"install that version again or name it with --arm-kubeadm; "+giveUp(j.Plan.Command))
	}
	if in.Board != (journal.BoardID{}) && j.Board != in.Board && !in.Anyway {
		return state.Refuse(state.Changed,
			fmt.Errorf("the interrupted run was begun on another board: %s; this is %s", j.Board, in.Board),
			"its plan was made for that one; if it suits here: kubeadm-arm resume --anyway; "+giveUp(j.Plan.Command))
	}
	if err := addressStays(l, j.Plan.Command, in.Addresses); err != nil {
		return err
	}
	if err := damagedFiles(l, j); err != nil {
		return err
	}
	return clockFits(l, j.Plan.Command, in.Now)
}

// gone names what an interrupted run had made and is nowhere any more.
func gone(l state.Layout, j *journal.Journal) string {
	for _, c := range plan.Components() {
		path := l.Manifest(c)
		if _, made := j.Written[path]; made && !durable.Exists(path) && manifests.StagedAt(l, c) == "" {
			return path
		}
	}
	return ""
}

// damagedFiles compares manifests with the hashes in the journal. An owner's
// edit is no damage; a file that cannot be read as a manifest is.
func damagedFiles(l state.Layout, j *journal.Journal) error {
	for _, c := range plan.Components() {
		path := l.Manifest(c)
		if staged := manifests.StagedAt(l, c); staged != "" {
			path = staged
		}
		was, known := j.Written[l.Manifest(c)]
		text, err := safefile.Read(path, state.MaxFile)
		if err != nil || !known || journal.HashFile(path) == was {
			continue
		}
		if len(bytes.Trim(text, "\x00 \n")) == 0 {
			return state.Refuse(state.Changed, fmt.Errorf("%s is empty since the interruption: the disk lost it", path),
				giveUp(j.Plan.Command))
		}
	}
	return nil
}

// advertised is the address in kubeadm's manifest of the API server or etcd.
var advertised = regexp.MustCompile(`--(?:advertise-address=|listen-client-urls=https://127\.0\.0\.1:2379,https://)\[?([0-9a-fA-F.:]+?)\]?(?::2379)?["']?\s`)

// addressStays refuses to go on when the board has lost the address that stands
// in etcd's manifest and in the certificates: etcd cannot listen on it.
func addressStays(l state.Layout, command kubeadm.Verb, have []string) error {
	if have == nil {
		return nil
	}
	text, err := safefile.Read(l.Manifest(plan.Etcd), state.MaxFile)
	if err != nil {
		return nil // an etcd elsewhere, or none yet
	}
	m := advertised.FindSubmatch(text)
	if m == nil || slices.Contains(have, string(m[1])) {
		return nil
	}
	return state.Refuse(state.Changed,
		fmt.Errorf("the board's address has changed: certificates and etcd were made for %s, now it has %s", m[1],
			strings.Join(have, ", ")),
		"give the board the address "+string(m[1])+" again (a fixed lease or a static address) and go on with: "+
			"kubeadm-arm resume; "+giveUp(command))
}

// clockFits refuses to go on when the certificates are not valid at the board's
// present time: a board without a battery-backed clock may make them in 1970, before its
// time is synchronized.
func clockFits(l state.Layout, command kubeadm.Verb, now time.Time) error {
	if now.IsZero() {
		return nil
	}
	for _, name := range []string{"ca.crt", "apiserver.crt", "apiserver-kubelet-client.crt", "etcd/server.crt"} {
		cert := readCertificate(filepath.Join(filepath.Dir(l.CACert()), name))
		if cert == nil {
			continue
		}
		const day = "2006-01-02"
		anew := "kubeadm-arm reset, then " + string(command) + " again"
		if command.Upgrades() {
			anew = "kubeadm-arm certs renew, then kubeadm-arm resume"
		}
		switch {
		case now.Before(cert.NotBefore):
			return state.Refuse(state.Changed,
				fmt.Errorf("the clock has jumped back: it says %s, and %s is valid from %s", now.UTC().Format(day), name,
					cert.NotBefore.UTC().Format(day)),
				"set the clock (timedatectl, or wait for the network's time) and repeat")
		case now.After(cert.NotAfter):
			return state.Refuse(state.Changed,
				fmt.Errorf("the clock has jumped: it says %s, and %s was valid from %s to %s", now.UTC().Format(day), name,
					cert.NotBefore.UTC().Format(day), cert.NotAfter.UTC().Format(day)),
				"if the clock is right now, certificates have to be made anew: "+anew)
		}
	}
	return nil
}

// stageAgain restores what an interrupted run had staged and put back when it
// ended: every manifest that was staged and whose release is still to come. Once
// the API server is healthy nothing is gained by it any more, and one that is starting
// would have to begin again.
func (r *run) stageAgain(ctx context.Context) error {
	var again []string
	staged := false
	for i, s := range r.journal.Plan.Steps {
		switch s := s.(type) {
		case plan.StageManifests, plan.SwitchManifests:
			staged = i < r.journal.Done
		case plan.ReleaseManifest:
			if staged && i >= r.journal.Done {
				again = append(again, s.Component)
			}
		}
	}
	if len(again) == 0 || r.waiter.Healthy(ctx, plan.APIServer) {
		return nil
	}
	if err := manifests.InstallUnit(r.layout, r.Program); err != nil {
		return err
	}
	for _, c := range again {
		if _, runs := r.waiter.Processes.Newest(c); runs && c == plan.APIServer && durable.Exists(r.layout.Manifest(c)) {
			continue
		}
		if err := manifests.Stage(r.layout, c); err != nil {
			return err
		}
	}
	return nil
}

// errNothingToResume says that no interrupted run is recorded.
var errNothingToResume = errors.New("no interrupted run is recorded on this board")

// Interrupted returns the journal of an interrupted run, for a command that resumes or aborts it.
func Interrupted(l state.Layout) (*journal.Journal, error) {
	j, err := journal.Read(l.Journal())
	if err != nil {
		return nil, state.Refuse(state.BadJournal, err, giveUp(""))
	}
	if j == nil {
		return nil, state.Refuse(state.NotRecorded, errNothingToResume, "begin one with: kubeadm-arm init")
	}
	return j, nil
}
