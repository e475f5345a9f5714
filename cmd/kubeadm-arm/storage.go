package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/kubeadm-arm/kubeadm-arm/doctor"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/runner"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// storageCommand is `kubeadm-arm storage`.
func storageCommand() *command {
	output := outputFlag("text", "json")
	stop := ownFlag{name: "stop", text: "stop the kubelet, its pods, docker and containerd for it, and start them again"}
	use := ownFlag{name: "use", value: "DIR",
		text: "copy to continue with where two differ; the other one is kept; may be repeated"}
	takeOver := ownFlag{name: "take-over",
		text: "card and disk are this board's now, though the card was set up in another one"}
	request := []ownFlag{
		{name: "mount", value: "DIR", text: "where the disk is mounted (default " + storage.DefaultMount + ", or where it is already)"},
		{name: "folder", value: "DIR", text: "folder to move; may be repeated " +
			"(default /var/lib/etcd, and /var/lib/docker and /var/lib/containerd if they exist)"},
		stop, use, takeOver,
		{name: "rebuild", text: "make the journal, which is lost, from the marked lines of /etc/fstab"},
	}
	dryRun := ownFlag{name: "dry-run", text: "print the plan and change nothing"}
	withoutDisk := ownFlag{name: "without-disk",
		text: "give up what is on the disk: it is gone for good, or belongs to another board"}
	return &command{
		name:  "storage",
		calls: []call{{"plan|apply|status|undo", "put etcd's data on another disk than the SD card, safely"}},
		about: "kubeadm-arm storage puts etcd's folder, and docker's and containerd's, on another disk than the SD\n" +
			"card: bind mounts in /etc/fstab, data moved and proved equal, and no way for an empty database to begin\n" +
			"without the disk.",
		after: "DEVICE is UUID=…, LABEL=…, a device such as /dev/md0, or the mount point of a disk that you mount yourself.",
		flags: request[:3],
		verbs: []*command{
			{name: "storage plan", words: 1, run: invocation.storagePlan, flags: append(slices.Clone(request), output),
				calls: []call{{"", "the board's disks, and which are suitable"},
					{"DEVICE [flags]", "what apply would do: fstab, units, data; changes nothing"}}},
			{name: "storage apply", words: 1, run: invocation.storageApply, flags: append(slices.Clone(request), dryRun),
				calls: []call{{"DEVICE [flags]", "do it, or finish it after an interruption; repeated, it changes nothing"}}},
			{name: "storage status", run: invocation.storageStatus, flags: []ownFlag{output},
				calls: []call{{"[-o json]", "what is set up, and what is wrong with it"}}},
			{name: "storage undo", run: invocation.storageUndo, flags: []ownFlag{stop, use, takeOver, withoutDisk},
				calls: []call{{"[--stop]", "bring the data back, and everything else as it was"},
					{"--without-disk", "the same with the data from before apply: the disk is gone for good"}}},
			{name: "storage clean", words: 1 << 10, run: invocation.storageClean,
				calls: []call{{"[COPY]...", "remove the old data that apply kept; a copy that differs only if it is named"}}},
			{name: "storage guard", words: 1 << 10, run: invocation.storageGuard,
				calls: []call{{"[FOLDER]...", "fail unless the folders are on their disk (services ask this before they start)"}}},
		},
	}
}

// storageBoard is the machine that this program runs on.
func (v invocation) storageBoard() storage.Board {
	return storage.Board{FS: durable.FS{Hook: durable.KillPoint()}, Run: runner.Exec, Now: time.Now,
		Program: thisProgram(), Tell: func(line string) { printable.Fprintln(v.stderr, line) }}
}

// request is what plan's and apply's command line asks for.
func (v invocation) request(o options) (storage.Request, error) {
	w := storage.Request{Mount: o.text("mount"), Folders: o.list("folder"), Stop: o.on("stop"), Use: o.list("use"),
		TakeOver: o.on("take-over"), Rebuild: o.on("rebuild")}
	if len(o.all.Words) > 0 {
		w.Device = o.all.Words[0]
		return w, nil
	}
	if env := v.getenv("KUBEADM_ARM_STORAGE"); env != "" {
		from, err := parseStorage(env)
		if err != nil {
			return w, &problem{exitUsage, "change it, or: unset KUBEADM_ARM_STORAGE",
				fmt.Errorf("environment variable KUBEADM_ARM_STORAGE: %w", err)}
		}
		w.Device = from.Device
		if w.Mount == "" {
			w.Mount = from.Mount
		}
		if len(w.Folders) == 0 {
			w.Folders = from.Folders
		}
	}
	if w.Device == "" && o.command.name == "storage apply" && !w.Rebuild && storage.Fresh() {
		return w, &problem{exitUsage, "list the disks with: kubeadm-arm storage plan",
			errors.New("storage apply needs a disk")}
	}
	return w, nil
}

// parseStorage reads what init's --storage says: a device, then folders and the
// mount point, after commas.
func parseStorage(text string) (storage.Request, error) {
	words := strings.Split(text, ",")
	w := storage.Request{Device: words[0], Stop: true}
	if w.Device == "" {
		return w, errors.New("name a device, such as UUID=… or /dev/md0")
	}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case name == "folder" && value != "":
			w.Folders = append(w.Folders, value)
		case name == "mount" && value != "":
			w.Mount = value
		default:
			return w, fmt.Errorf("%q is neither folder=PATH nor mount=PATH", word)
		}
	}
	return w, nil
}

// initStorage is --storage of init: apply, or in a dry run its plan.
func (v invocation) initStorage(
	ctx context.Context, request *storage.Request, c *kubeadm.Config, dry bool,
) (*storage.Plan, error) {
	if request == nil {
		return nil, nil
	}
	w := *request
	if etcd := etcdFolder(c); len(w.Folders) == 0 && etcd != "/var/lib/etcd" {
		w.Folders = []string{etcd}
	}
	b := v.storageBoard()
	if dry {
		if err := needRoot("init --dry-run --storage"); err != nil {
			return nil, err
		}
		p, err := b.Decide(ctx, w)
		return &p, err
	}
	p, err := b.Apply(ctx, w)
	if err == nil && !p.Nothing {
		_ = dropBench()
		printable.Fprintf(v.stderr, "storage: the data lies on %s now, mounted at %s\n", p.Disk.Name(), p.Mount)
	}
	return &p, err
}

func (v invocation) storagePlan(o options) error {
	w, err := v.request(o)
	if err != nil {
		return err
	}
	if err := needRoot("storage plan"); err != nil {
		return err
	}
	output := o.text("output")
	stop := v.listen()
	defer stop.close()
	b := v.storageBoard()
	w.Stop = true // a plan disturbs nobody
	s, err := b.ReadStatus(stop.ctx)
	if err != nil {
		return err
	}
	if w.Device == "" && s.State == "none" {
		return v.listDisks(stop.ctx, b, output)
	}
	p, err := b.Decide(stop.ctx, w)
	if err != nil {
		return err
	}
	if output == "json" {
		return writeIndented(v.stdout, struct {
			storage.Plan
			Fstab string `json:"fstabDiff"`
		}{p, fstabDiff(p)})
	}
	return v.showPlan(p)
}

// listDisks shows what can be chosen.
func (v invocation) listDisks(ctx context.Context, b storage.Board, output string) error {
	disks, err := b.Disks(ctx)
	if err != nil {
		return err
	}
	if output == "json" {
		return writeIndented(v.stdout, disks)
	}
	w := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
	printable.Row(w, "DEVICE", "SIZE", "WHAT", "FILE SYSTEM", "LABEL", "UUID", "FIT")
	for _, d := range disks {
		if d.Bytes == 0 {
			continue
		}
		fit := "yes"
		if d.Unsuitable != "" {
			fit = "no: " + d.Unsuitable
		} else if len(d.MountedAt) > 0 {
			fit = "mounted: choose " + d.MountedAt[0]
		}
		printable.Fprintf(w, "%s\t%.1f GB\t%s\t%s\t%s\t%s\t%s\n", d.Path, float64(d.Bytes)/1e9, diskKind(d), orDash(d.FSType),
			orDash(d.Label), orDash(d.UUID), fit)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printable.Fprintf(v.stdout, "\nNext: kubeadm-arm storage plan UUID=…\n")
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// diskKind says what kind of disk it is.
func diskKind(d storage.Disk) string {
	switch {
	case d.Array:
		return "md array, " + d.Type
	case d.Card:
		return "SD card or eMMC, " + d.Type
	case d.Transport != "":
		return d.Transport + " " + d.Type
	}
	return d.Type
}

func fstabDiff(p storage.Plan) string { return patchText("/etc/fstab", p.Before, p.After) }

// patchText is a difference for patch(1), empty when there is none.
func patchText(name string, before, after []byte) string {
	text := string(diff.Diff(name, before, name, after))
	_, text, _ = strings.Cut(text, "\n") // the first line is for a terminal only
	return text
}

// showPlan prints a plan.
func (v invocation) showPlan(p storage.Plan) error {
	if p.Nothing {
		printable.Fprintf(v.stdout, "All of it is done already: see kubeadm-arm storage status.\n")
		return nil
	}
	if p.Unfinished != "" {
		printable.Fprintf(v.stdout, "An %s was interrupted; it would be finished.\n\n", p.Unfinished)
	}
	printable.Fprintf(v.stdout, "Disk: %s, %s, %.1f GB, %s, mounted at %s\n\n", p.Disk.Path, diskKind(p.Disk),
		float64(p.Disk.Bytes)/1e9, p.Disk.FSType, p.Mount)
	w := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
	printable.Row(w, "FOLDER", "TO", "NOW", "")
	for _, m := range p.Moves {
		now := map[string]string{
			"copy": fmt.Sprintf("%.1f MB in %d files, copied and compared", float64(m.Bytes)/1e6, m.Files), "adopt": "empty; the disk's data is taken up",
			"create": "not there, made empty", "done": "on the disk",
		}[m.What]
		printable.Fprintf(w, "%s\t%s\t%s\t\n", m.Folder, m.To, now)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if text := fstabDiff(p); text != "" {
		fmt.Fprintf(v.stdout, "\n%s", text)
	}
	printable.Fprintln(v.stdout)
	for _, r := range p.Reasons {
		printable.Fprintf(v.stdout, "  %s: %s\n", r.Option, r.Reason)
	}
	for _, path := range sortedKeys(p.Units) {
		if text := patchText(path, []byte(p.Old[path]), []byte(p.Units[path])); text != "" {
			fmt.Fprintf(v.stdout, "\n%s", text)
		}
	}
	if len(p.Running) > 0 {
		printable.Fprintf(v.stdout, "\nRunning, needs --stop: %s\n", strings.Join(p.Running, ", "))
	}
	printable.Fprintln(v.stdout)
	for _, text := range p.Warnings {
		printable.Fprintf(v.stdout, "warning: %s\n", text)
	}
	printable.Fprintf(v.stdout, "Old data stays beside its folder, as FOLDER.before-storage-…, until: kubeadm-arm "+
		"storage clean\n")
	printable.Fprintf(v.stdout, "Nothing was changed. Measure before and after: %s\n", benchCommand(p))
	return nil
}

// benchCommand measures card and disk side by side.
func benchCommand(p storage.Plan) string {
	return "kubeadm-arm bench --folder " + filepath.Dir(p.Moves[0].Folder) + " --folder " + p.Mount
}

func sortedKeys(m map[string]string) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

func (v invocation) storageApply(o options) error {
	w, err := v.request(o)
	if err != nil {
		return err
	}
	if err := needRoot("storage apply"); err != nil {
		return err
	}
	stop := v.listen()
	defer stop.close()
	b := v.storageBoard()
	if o.on("dry-run") {
		w.Stop = true
		p, err := b.Decide(stop.ctx, w)
		if err != nil {
			return err
		}
		return v.showPlan(p)
	}
	p, err := b.Apply(stop.ctx, w)
	if sig := stop.signal(); sig != 0 && err != nil {
		return &problem{128 + int(sig), "", fmt.Errorf("interrupted by %s: %w", signalName(sig), err)}
	}
	if err != nil {
		return err
	}
	if !p.Nothing {
		_ = dropBench()
	}
	v.applied(p)
	return nil
}

// applied says how it ended.
func (v invocation) applied(p storage.Plan) {
	if p.Nothing {
		printable.Fprintln(v.stdout, "nothing to do: all of it is set up already")
		return
	}
	var names []string
	for _, m := range p.Moves {
		names = append(names, m.Folder)
	}
	printable.Fprintf(v.stdout, "on %s now: %s\n", p.Disk.Name(), strings.Join(names, ", "))
	printable.Fprintf(v.stdout, "see: kubeadm-arm storage status; back again: kubeadm-arm storage undo\n")
}

func (v invocation) storageStatus(o options) error {
	if err := needRoot("storage status"); err != nil {
		return err
	}
	s, err := v.storageBoard().ReadStatus(context.Background())
	if err != nil {
		return err
	}
	if o.text("output") == "json" {
		return writeIndented(v.stdout, s)
	}
	return v.showStorage(s)
}

func (v invocation) showStorage(s storage.Status) error {
	w := tabwriter.NewWriter(v.stdout, 0, 0, 2, ' ', 0)
	if s.State == "none" {
		printable.Fprintln(w, "nothing is set up (see: kubeadm-arm storage plan)")
	} else {
		printable.Fprintf(w, "state\t%s\n", s.State)
		printable.Fprintf(w, "disk\t%s, %s\n", s.Disk, cond(s.Device != "", s.Device, "not there"))
		for _, a := range s.Arrays {
			printable.Fprintf(w, "array\t%s\n", a)
		}
		space := ""
		if s.Bytes > 0 {
			space = fmt.Sprintf(", %.1f of %.1f GB free", float64(s.FreeBytes)/1e9, float64(s.Bytes)/1e9)
		}
		printable.Fprintf(w, "mount\t%s, %s%s\n", s.Mount, cond(s.Mounted, "mounted", "not mounted"), space)
		for _, x := range s.Folders {
			state := cond(x.OnDisk, "on the disk", cond(x.Guarded, "NOT on the disk; guarded, nothing can begin there",
				"NOT on the disk"))
			printable.Fprintf(w, "folder\t%s, %s\n", x.Folder, state)
		}
	}
	for _, k := range s.Kept {
		printable.Fprintf(w, "old data\t%s (remove it with: kubeadm-arm storage clean)\n", k)
	}
	if s.Backup != "" {
		printable.Fprintf(w, "fstab before\t%s\n", s.Backup)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, x := range s.Findings {
		printable.Fprintf(v.stdout, "%s: %s\n  hint: %s\n", x.Level, x.Text, x.Hint)
	}
	return nil
}

// storageProblems are storage's findings for doctor. What cannot be read, by
// others than root, is none.
func (v invocation) storageProblems(ctx context.Context) []doctor.StorageProblem {
	found, err := storage.Findings(ctx, v.storageBoard())
	if err != nil && isRoot() {
		return []doctor.StorageProblem{{Bad: true, Seen: err.Error(), Hint: "what is set up cannot be determined"}}
	}
	var all []doctor.StorageProblem
	for _, f := range found {
		all = append(all, doctor.StorageProblem{Bad: f.Level == "problem", Seen: f.Text, Hint: f.Hint})
	}
	return all
}

func cond(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func (v invocation) storageUndo(o options) error {
	if err := needRoot("storage undo"); err != nil {
		return err
	}
	how := storage.UndoOptions{Stop: o.on("stop"), Use: o.list("use"), TakeOver: o.on("take-over"),
		WithoutDisk: o.on("without-disk")}
	stop := v.listen()
	defer stop.close()
	if err := v.storageBoard().Undo(stop.ctx, how); err != nil {
		if sig := stop.signal(); sig != 0 {
			return &problem{128 + int(sig), "finish it with: kubeadm-arm storage undo",
				fmt.Errorf("interrupted by %s: %w", signalName(sig), err)}
		}
		return err
	}
	_ = dropBench()
	printable.Fprintln(v.stdout, "the data is back in its old places, and fstab as it was")
	return nil
}

func (v invocation) storageClean(o options) error {
	if err := needRoot("storage clean"); err != nil {
		return err
	}
	stop := v.listen()
	defer stop.close()
	did, err := v.storageBoard().Clean(stop.ctx, o.all.Words)
	for _, c := range did.Removed {
		printable.Fprintf(v.stdout, "removed %s\n", c)
	}
	for _, c := range did.Absent {
		printable.Fprintf(v.stdout, "%s was not there; it is forgotten\n", c)
	}
	for _, c := range did.Left {
		printable.Fprintf(v.stdout, "left %s\n", c)
	}
	if err == nil && len(did.Removed)+len(did.Absent) == 0 {
		printable.Fprintln(v.stdout, "nothing to remove")
	}
	return err
}

func (v invocation) storageGuard(o options) error {
	return v.storageBoard().Guard(context.Background(), o.all.Words)
}
