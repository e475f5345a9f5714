package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/journal"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/plan"
)

// runStatus is `kubeadm-arm status`.
func (v invocation) runStatus(o options) error {
	if err := needRoot("status"); err != nil {
		return err
	}
	s, err := bootstrap.ReadStatus(board())
	if err != nil {
		return err
	}
	held := kubeletHeld()
	members := etcdMembers()
	if o.text("output") == "json" {
		return writeJSON(v.stdout, struct {
			bootstrap.Status
			EtcdMembers []bootstrap.EtcdMember `json:"etcdMembers,omitempty"`
			// KubeletHeld says why the kubelet does not start yet.
			KubeletHeld string `json:"kubeletHeld,omitempty"`
		}{s, members, held})
	}
	if held != "" {
		printable.Fprintln(v.stdout, held)
	}
	return v.showStatus(s, members)
}

// membersPatience is how long status waits for etcd's members.
const membersPatience = 10 * time.Second

func etcdMembers() []bootstrap.EtcdMember {
	ctx, cancel := context.WithTimeout(context.Background(), membersPatience)
	defer cancel()
	return bootstrap.EtcdMembers(ctx, board())
}

func (v invocation) showStatus(s bootstrap.Status, members []bootstrap.EtcdMember) error {
	words := map[string]string{
		"none":        "no run of kubeadm-arm is under way or interrupted",
		"running":     "a run is under way",
		"interrupted": "a run was interrupted",
		"starting":    "the board is starting its control plane, part by part",
		"unreadable":  "there is a journal that cannot be read: " + s.Problem,
	}
	printable.Fprintln(v.stdout, words[s.State])
	w := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
	if s.Writer != nil {
		printable.Fprintf(w, "  process\t%s\n", s.Writer)
	}
	if s.Steps > 0 {
		printable.Fprintf(w, "  command\t%s\n  kubeadm\t%s\n  started\t%s (board clock)\n  steps\t%d of %d done\n",
			s.Command, s.Kubeadm, s.Started, s.Done, s.Steps)
	}
	if s.Step != "" {
		state := "next"
		if s.Begun {
			state = "started"
		}
		printable.Fprintf(w, "  step\t%s (%s)\n", s.Step, state)
	}
	for _, c := range plan.Components() {
		printable.Fprintf(w, "  %s\t%s\n", c, s.Manifests[c])
	}
	if len(members) > 1 {
		for _, m := range members {
			state := "votes"
			if !m.Votes {
				state = "does not vote yet"
			}
			printable.Fprintf(w, "  member of etcd\t%s, %s\n", cmp.Or(m.Name, m.Peer), state)
		}
	}
	if s.Next != "" {
		printable.Fprintf(w, "  next\t%s\n", s.Next)
	}
	return w.Flush()
}

// runResume is `kubeadm-arm resume`: the interrupted command with its own arguments.
func (v invocation) runResume(o options) error {
	own, err := v.ownFlags(o)
	if err != nil {
		return err
	}
	own.anyway = o.on("anyway")
	if err := needRoot("resume"); err != nil {
		return err
	}
	j, err := bootstrap.Interrupted(board())
	if err != nil {
		return err
	}
	return v.resumeRun(j, own)
}

// resumeRun goes on with an interrupted run.
func (v invocation) resumeRun(j *journal.Journal, own ownFlags) error {
	args, err := j.Resumable(board())
	if err != nil {
		return err
	}
	own.journal = j
	if own.kubeadmPath == "" && exists(j.Kubeadm) {
		own.kubeadmPath = j.Kubeadm
	}
	return v.runStages(j.Plan.Command, own, args)
}

// runAbort is `kubeadm-arm abort`.
func (v invocation) runAbort(options) error {
	if err := needRoot("abort"); err != nil {
		return err
	}
	interrupted, unread := bootstrap.Interrupted(board())
	if unread == nil && interrupted.Plan.Command.Upgrades() {
		if back, err := bootstrap.TurnBack(board()); err != nil || back != nil {
			return errors.Join(err, v.goBack(back))
		}
	}
	released, err := bootstrap.Abort(board())
	v.showReleased(released)
	if err != nil {
		return err
	}
	stays := "what kubeadm has made stays until kubeadm-arm reset"
	authority := filepath.Join(filepath.Dir(board().CACert()), "ca.key")
	if unread == nil && interrupted.Plan.Command == kubeadm.Join && exists(authority) {
		stays += ", the cluster's keys in /etc/kubernetes/pki among it"
	}
	printable.Fprintln(v.stdout, "gave up the interrupted run; "+stays)
	return nil
}

// goBack carries out the way back from an upgrade, which a journal records.
func (v invocation) goBack(j *journal.Journal) error {
	if j == nil {
		return nil
	}
	printable.Fprintln(v.stderr, "kubeadm-arm: back to the version before the upgrade; what was written to the cluster "+
		"since is not in it, but is kept in etcd's data folder")
	return v.resumeRun(j, ownFlags{output: "text", reportDir: defaultReports, anyway: true})
}

// runReset runs kubeadm reset and, once that has succeeded, removes kubeadm-arm's own
// files, too. A reset that only shows something, that is of one phase or of another root
// folder, or that cannot be parsed, is left to kubeadm.
func (v invocation) runReset(args []string) error {
	rest, asked, err := v.ownKubeadm(args)
	if err != nil {
		return err
	}
	a, err := kubeadm.ParseArgs(rest, append(kubeadm.InitFlags(), kubeadm.OtherFlags()...))
	if err != nil || !isRoot() || len(a.Words) > 1 || hasRootfs(a) || a.Bool("help") || a.Bool("dry-run") {
		return v.passThrough(args)
	}
	path, err := v.runnableKubeadm(asked)
	if err != nil {
		return err
	}
	leaving, rest, err := v.findMembership(a, rest)
	if err != nil {
		return err
	}
	removed, left, err := bootstrap.Reset(board(), func() error {
		if err := v.leave(leaving); err != nil {
			return err
		}
		return v.child(path, rest)
	})
	// Nothing is printed before all is done: whoever reads it may be gone (SIGPIPE).
	if err == nil {
		var units []string
		units, err = certsBoard().RemoveUnits()
		removed = append(removed, units...)
	}
	if err == nil {
		copies, _ := filepath.Glob(board().Backups() + "/upgrade-*") // the pattern is well-formed
		for _, dir := range copies {
			left = append(left, dir+" (a copy of the cluster's keys, made by an upgrade)")
		}
	}
	for _, l := range left {
		fmt.Fprintf(v.stderr, "kubeadm-arm: left as it is: %s\n", l)
	}
	for _, r := range removed {
		printable.Fprintf(v.stderr, "kubeadm-arm: removed %s\n", r)
	}
	return err
}

// findMembership looks for a member of etcd that has to leave the others before the board is
// wiped, and asks for that, as kubeadm asks for the rest: then it is not asked again.
func (v invocation) findMembership(a kubeadm.Args, args []string) (*bootstrap.Membership, []string, error) {
	if slices.Contains(a.List("skip-phases"), "remove-etcd-member") {
		return nil, args, nil
	}
	stop := v.listen()
	defer stop.close()
	m, err := bootstrap.FindMembership(stop.ctx, board())
	if err != nil || m == nil {
		return nil, args, err
	}
	printable.Fprintf(v.stderr, "kubeadm-arm: this board's member %s leaves etcd first, which has %d others\n", m.Name,
		m.Others)
	if a.Bool("force") {
		return m, args, nil
	}
	if err := v.confirm("remove it, and then all that kubeadm has made on this board?", "--force"); err != nil {
		return nil, args, err
	}
	return m, before(args, "--force"), nil
}

// leave has it go.
func (v invocation) leave(m *bootstrap.Membership) error {
	if m == nil {
		return nil
	}
	stop := v.listen()
	defer stop.close()
	if err := m.Leave(stop.ctx); err != nil {
		return err
	}
	printable.Fprintf(v.stderr, "kubeadm-arm: the others say that the member %s is gone\n", m.Name)
	return nil
}

// confirm asks the owner, and refuses to go on without a yes.
func (v invocation) confirm(question, flag string) error {
	printable.Fprintf(v.stderr, "%s [y/N]: ", question)
	answer, err := bufio.NewReader(v.stdin).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return nil
	}
	if err != nil {
		printable.Fprintln(v.stderr)
	}
	return &problem{exitUsage, "answer y, or give " + flag, errors.New("it was not confirmed; nothing was changed")}
}
