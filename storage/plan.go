package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"
	"github.com/kubeadm-arm/kubeadm-arm/storage/users"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

// A Request is what the owner asks for.
type Request struct {
	// Device is UUID=…, LABEL=…, the path of a block device or a mount point.
	Device string
	// Mount is where the disk is mounted; empty is DefaultMount, or where it is
	// mounted already if Device is a mount point.
	Mount string
	// Folders move; empty is etcd's, and docker's and containerd's if they exist.
	Folders []string
	// Stop says that running services may be stopped.
	Stop bool
	// Use are the copies to go on with where two differ.
	Use []string
	// TakeOver says that the set-up of another board is this one's now.
	TakeOver bool
	// Rebuild makes the journal, which is lost, from the marked lines of fstab.
	Rebuild bool
}

// A Plan is what apply would do.
type Plan struct {
	Disk  Disk   `json:"disk"`
	Mount string `json:"mount"`
	// Moves are the folders, also those that are on the disk already.
	Moves []Move `json:"moves"`
	Edits
	// Reasons explain the options in fstab, Warnings what the owner should know.
	Reasons  []Explanation `json:"reasons"`
	Warnings []string      `json:"warnings,omitempty"`
	// Running are services that have to be stopped.
	Running []string `json:"running,omitempty"`
	// Nothing: all of it is done already.
	Nothing bool `json:"nothing"`
	// Unfinished is apply or undo if a run was interrupted.
	Unfinished string `json:"unfinished,omitempty"`

	journal *journal
	// program is the path in the drop-ins, empty for none.
	program string
}

// Edits are the files that apply would write.
type Edits struct {
	// Before and After are fstab's text.
	Before, After []byte `json:"-"`
	// Units are the drop-ins by path; Old is what stands there, empty for none.
	Units map[string]string `json:"units,omitempty"`
	Old   map[string]string `json:"-"`
}

// A Move is one folder's way.
type Move struct {
	Folder string `json:"folder"`
	To     string `json:"to"`
	// Bytes is what it takes on the disk now, Files its number of names.
	Bytes int64 `json:"bytes"`
	Files int64 `json:"files"`
	// What is copy, adopt, create or done.
	What string `json:"what"`
}

// An Explanation is a word in fstab and why it stands there.
type Explanation struct {
	Option string `json:"option"`
	Reason string `json:"reason"`
}

func unsuitable(help, format string, args ...any) error { return refuse(help, format, args...) }

func refuse(help, format string, args ...any) *RefusedError {
	return &RefusedError{Unsuitable, fmt.Errorf(format, args...), help}
}

// deviceTimeout is how long systemd waits for the disk at boot.
const deviceTimeout = "60s"

// Decide makes a plan or refuses the request. It changes nothing.
func (b Board) Decide(ctx context.Context, w Request) (Plan, error) {
	j, err := b.journalFor(w.Rebuild, w.TakeOver)
	if err != nil {
		return Plan{}, err
	}
	return b.decide(ctx, w, j)
}

func (b Board) decide(ctx context.Context, w Request, j *journal) (Plan, error) {
	p := Plan{Unfinished: j.Doing}
	var err error
	if p.Before, err = readFstab(); err != nil {
		return p, err
	}
	owner, block, err := fstab.Split(p.Before)
	if err != nil {
		return p, damagedLines(err)
	}
	m, err := readMounts()
	if err != nil {
		return p, err
	}
	lines := fstab.Parse(owner)
	if err := b.decideDisk(ctx, &p, w, j, lines, m); err != nil {
		return p, err
	}
	if err := p.decideFolders(ctx, w, j, lines, m); err != nil {
		return p, err
	}
	if err := p.decideFstab(j, owner, block); err != nil {
		return p, err
	}
	if err := p.decideUnits(b.Program); err != nil {
		return p, err
	}
	if p.Nothing = p.nothingToDo(j, m); p.Nothing {
		return p, nil
	}
	if err := p.journal.writable(m); err != nil {
		return p, err
	}
	p.Running = b.running(ctx, p.journal.paths())
	return p, b.refuseRunning(ctx, p, w, m)
}

// writable refuses what would fail in the middle: whatever a run writes to, or the
// folder that it lies in, is on a read-only file system or is immutable.
func (j *journal) writable(m mounts) error {
	places := []string{"/etc", fstabPath, stateFolder, journalPath}
	for _, f := range j.Folders {
		places = append(places, path.Dir(f.Path))
	}
	for _, at := range places {
		for !durable.Exists(at) {
			at = path.Dir(at)
		}
		err := unix.Access(at, unix.W_OK)
		if err == nil {
			continue
		}
		help := "sudo chattr -i " + shell.Quote(at)
		if errors.Is(err, unix.EROFS) {
			help = "make it writable: mount -o remount,rw " + shell.Quote(m.holding(at).Mountpoint) +
				" (or switch off the read-only overlay)"
		}
		return &RefusedError{ReadOnly, fmt.Errorf("%s cannot be written: %w", at, err), help}
	}
	return nil
}

// decideDisk chooses the disk and its place.
func (b Board) decideDisk(ctx context.Context, p *Plan, w Request, j *journal, lines []fstab.Line, m mounts) error {
	disks, err := b.Disks(ctx)
	if err != nil {
		return err
	}
	if j.UUID == "" {
		w = w.ownersMount(lines, disks, m)
	}
	if err := p.chooseDisk(w, j, disks, m); err != nil {
		return err
	}
	return p.checkMount(j, lines, m)
}

// decideFolders makes the journal that the plan leads to.
func (p *Plan) decideFolders(ctx context.Context, w Request, j *journal, lines []fstab.Line, m mounts) error {
	folders, err := requestedFolders(w, j, m)
	if err != nil {
		return err
	}
	n := j.clone()
	n.UUID, n.FSType, n.Mount = p.Disk.UUID, p.Disk.FSType, p.Mount
	if ids := p.Disk.hardware(); len(ids) > 0 {
		n.Hardware = ids
	}
	if j.UUID == "" {
		l, ok := fstab.LineFor(lines, p.Mount)
		n.OwnersLine, n.WasMounted = ok, m.at(p.Mount) != nil
		if ok && !l.HasOption("nofail") {
			p.Warnings = append(p.Warnings, fmt.Sprintf("your own line %d of %s mounts %s without nofail: "+
				"without the disk the board stops at boot and asks for root's password", l.Number, fstabPath, p.Mount))
		}
	}
	for _, f := range folders {
		if err := p.addFolder(ctx, n, f, w.Use, lines, m); err != nil {
			return err
		}
	}
	p.journal = n
	if err := checkUse(n, w.Use); err != nil {
		return err
	}
	return p.checkSize(m)
}

// decideFstab makes the new text of fstab.
func (p *Plan) decideFstab(j *journal, owner []byte, block []string) error {
	want := p.journal.block()
	if block != nil && !slices.Equal(block, j.block()) && !slices.Equal(block, want) {
		return unsuitable("move your own lines out of the marked ones, or take all back with: kubeadm-arm storage undo",
			"%s: the lines of kubeadm-arm storage were changed by hand", fstabPath)
	}
	p.After = fstab.Join(owner, want)
	if block != nil && slices.Equal(block, want) {
		p.After = p.Before // wherever in the file it stands
	}
	p.Reasons = p.journal.reasons()
	return nil
}

// decideUnits makes the drop-ins where systemd runs.
func (p *Plan) decideUnits(program string) (err error) {
	p.Units, p.Old = map[string]string{}, map[string]string{}
	switch {
	case !systemd.Booted("/"):
		p.Warnings = append(p.Warnings, "systemd does not run this board: whoever starts the kubelet has to mount first; "+
			"what keeps etcd from the SD card is the mount point, which is made immutable")
	case program == "":
		p.Warnings = append(p.Warnings,
			"where this program lies is not known, so that nothing orders the services after the mounts; "+
				"install it as /usr/local/bin/kubeadm-arm")
	default:
		var untrusted *systemd.UntrustedError
		if p.program, err = systemd.TrustedProgram(program); errors.As(err, &untrusted) {
			return &RefusedError{Unsuitable, err, untrusted.Hint()}
		}
		p.Units, err = unitFiles(p.program, p.Mount, p.journal.paths())
	}
	for at := range p.Units {
		old, _ := safefile.Read(at, unitLimit)
		p.Old[at] = string(old)
	}
	return err
}

// nothingToDo reports whether all is set up and mounted already.
func (p *Plan) nothingToDo(j *journal, m mounts) bool {
	if j.Doing != "" || len(j.Stopped) > 0 || string(p.After) != string(p.Before) ||
		len(j.Folders) != len(p.journal.Folders) {
		return false
	}
	for at, text := range p.Units {
		if p.Old[at] != text {
			return false
		}
	}
	return !slices.ContainsFunc(p.journal.Folders, func(f *folder) bool { return !m.bound(p.Mount, f.Path) })
}

// refuseRunning refuses what would take its folders from something that runs.
func (b Board) refuseRunning(ctx context.Context, p Plan, w Request, m mounts) error {
	if len(p.Running) > 0 && !w.Stop {
		return &RefusedError{Busy, fmt.Errorf("%s works in what is to be moved", strings.Join(p.Running, ", ")),
			"add --stop to have it stopped, and started again afterwards"}
	}
	if w.Stop {
		return nil // what is still in use once they are stopped is refused then
	}
	for _, move := range p.Moves {
		if move.What == "done" || move.What == "create" {
			continue
		}
		in, err := users.Of(ctx, "/proc", move.Folder, m.holding(move.Folder))
		if err != nil {
			return err
		}
		if len(in) > 0 {
			return &RefusedError{Busy, fmt.Errorf("%s is in use by %s", move.Folder, in[0]), "stop it, then repeat"}
		}
	}
	return nil
}

// fstabLimit is far above any fstab that somebody wrote.
const fstabLimit = 1 << 20

// readFstab reads /etc/fstab; none is an empty one.
func readFstab() ([]byte, error) {
	info, err := os.Lstat(fstabPath)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read fstab: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, unsuitable("this system makes its fstab in another way; set the mounts up there",
			"%s is not a file but a %s", fstabPath, info.Mode().Type())
	}
	text, err := safefile.Read(fstabPath, fstabLimit)
	if err != nil {
		return nil, fmt.Errorf("read fstab: %w", err)
	}
	return text, nil
}

func damagedLines(err error) error {
	return unsuitable("put them right by hand: ls -l "+fstabPath+"* shows copies of the file as it was before", "%s: %w",
		fstabPath, err)
}

// strayLines refuses a board whose fstab has lines of kubeadm-arm's, whole or not, though
// no journal knows of anything set up.
func strayLines() error {
	text, err := readFstab()
	if err != nil {
		return err
	}
	_, block, err := fstab.Split(text)
	switch {
	case err != nil:
		return damagedLines(err)
	case block != nil:
		return unsuitable("build it anew from the lines: kubeadm-arm storage apply --rebuild; then, if nothing of theirs "+
			"is wanted any more: "+
			"kubeadm-arm storage undo", "%s has lines of kubeadm-arm storage, and %s, which records how they came there, is "+
			"missing",
			fstabPath, journalPath)
	}
	return nil
}
