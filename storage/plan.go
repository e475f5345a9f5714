package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// A Wish is what the owner asks for.
type Wish struct {
	// Device is UUID=…, LABEL=…, the path of a block device or a mount point.
	Device string
	// Mount is where the disk is mounted; empty is DefaultMount, or where it is
	// mounted already if Device is a mount point.
	Mount string
	// Folders move; empty is etcd's, and docker's and containerd's if they exist.
	Folders []string
	// Stop says that running services may be stopped.
	Stop bool
}

// A Plan is what apply would do.
type Plan struct {
	Disk  Disk   `json:"disk"`
	Mount string `json:"mount"`
	// Moves are the folders, also those that are on the disk already.
	Moves []Move `json:"moves"`
	// Fstab is the file before and after.
	Before, After []byte `json:"-"`
	// Units are the drop-ins by path; Old is what stands there, empty for none.
	Units map[string]string `json:"units,omitempty"`
	Old   map[string]string `json:"-"`
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
	program string
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

func unfit(help, format string, args ...any) error {
	return &RefusedError{Unfit, fmt.Errorf(format, args...), help}
}

// deviceTimeout is how long systemd waits for the disk at boot.
const deviceTimeout = "60s"

// Decide makes a plan or refuses the wish. It changes nothing.
func (b Board) Decide(ctx context.Context, w Wish) (Plan, error) {
	p := Plan{}
	j, err := readJournal()
	if err != nil {
		return p, err
	}
	p.Unfinished = j.Doing
	if p.Before, err = readFstab(); err != nil {
		return p, err
	}
	owner, block, err := splitFstab(p.Before)
	if err != nil {
		return p, damagedLines(err)
	}
	m, err := readMounts()
	if err != nil {
		return p, err
	}
	disks, err := b.Disks(ctx)
	if err != nil {
		return p, err
	}
	lines := parseFstab(owner)
	if j.UUID == "" {
		w = w.ownersMount(lines, disks, m)
	}
	if err := p.chooseDisk(w, j, disks, m); err != nil {
		return p, err
	}
	if err := p.checkMount(j, lines, m); err != nil {
		return p, err
	}
	folders, err := wishedFolders(w, j, m)
	if err != nil {
		return p, err
	}
	n := *j
	n.Folders = slices.Clone(j.Folders)
	for i, f := range n.Folders {
		c := *f
		n.Folders[i] = &c
	}
	n.UUID, n.FSType, n.Mount = p.Disk.UUID, p.Disk.FSType, p.Mount
	if j.UUID == "" {
		l, ok := lineFor(lines, p.Mount)
		n.OwnersLine, n.WasMounted = ok, m.at(p.Mount) != nil
		if ok && !l.hasOption("nofail") {
			p.Warnings = append(p.Warnings, fmt.Sprintf("your own line %d of %s mounts %s without nofail: without the disk the board stops at boot and asks for root's password", l.Number, fstabPath, p.Mount))
		}
	}
	fresh := false
	for _, f := range folders {
		if err := p.addFolder(&n, f, lines, m); err != nil {
			return p, err
		}
		fresh = fresh || j.folder(f) == nil
	}
	p.journal = &n
	if err := p.checkSize(m); err != nil {
		return p, err
	}
	want := n.block()
	if block != nil && !slices.Equal(block, j.block()) && !slices.Equal(block, want) {
		return p, unfit("move your own lines out of the marked ones, or take all back with: kubeadm-arm storage undo", "%s: the lines of kubeadm-arm storage were changed by hand", fstabPath)
	}
	p.After = joinFstab(owner, want)
	if block != nil && slices.Equal(block, want) {
		p.After = p.Before // wherever in the file it stands
	}
	p.Reasons = n.reasons()
	p.program = b.Program
	p.Units = map[string]string{}
	if systemd() {
		if program := b.Program; program != "" && !strings.ContainsAny(program, " \t\n\"'\\%$") {
			p.Units = unitFiles(program, n.Mount, n.paths())
		} else {
			p.Warnings = append(p.Warnings, "systemd cannot start this program by its path, so that nothing orders the services after the mounts; install it as /usr/local/bin/kubeadm-arm")
		}
	} else {
		p.Warnings = append(p.Warnings, "systemd does not run this board: whoever starts the kubelet has to mount first; what keeps etcd from the SD card is the mount point, which is made immutable")
	}
	p.Old = map[string]string{}
	same := true
	for at, text := range p.Units {
		old, _ := os.ReadFile(at)
		p.Old[at] = string(old)
		same = same && string(old) == text
	}
	p.Nothing = !fresh && j.Doing == "" && len(j.Stopped) == 0 && same && string(p.After) == string(p.Before)
	for _, f := range n.Folders {
		p.Nothing = p.Nothing && m.bound(n.Mount, f.Path)
	}
	if !p.Nothing {
		if err := unix.Access("/etc", unix.W_OK); err != nil {
			return p, &RefusedError{ReadOnly, fmt.Errorf("/etc cannot be written: %w", err), "make it writable: mount -o remount,rw / (or switch off the read-only overlay)"}
		}
		p.Running = b.running(ctx, n.paths())
		if err := b.refuseRunning(p, w, m); err != nil {
			return p, err
		}
	}
	return p, nil
}

// refuseRunning refuses what would pull the floor from under something.
func (b Board) refuseRunning(p Plan, w Wish, m mounts) error {
	if len(p.Running) > 0 && !w.Stop {
		return &RefusedError{Busy, fmt.Errorf("%s works in what is to be moved", strings.Join(p.Running, ", ")), "add --stop to have it stopped, and started again afterwards"}
	}
	if w.Stop {
		return nil // what is still in use once they are stopped is refused then
	}
	for _, move := range p.Moves {
		if in := users("/proc", move.Folder, m); len(in) > 0 && move.What != "done" {
			return &RefusedError{Busy, fmt.Errorf("%s is in use by %s", move.Folder, in[0]), "stop it, then repeat"}
		}
	}
	return nil
}

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
		return nil, unfit("this system makes its fstab in another way; set the mounts up there", "%s is not a file but a %s", fstabPath, info.Mode().Type())
	}
	text, err := os.ReadFile(fstabPath)
	if err != nil {
		return nil, fmt.Errorf("read fstab: %w", err)
	}
	return text, nil
}

func damagedLines(err error) error {
	return unfit("put them right by hand: ls -l "+fstabPath+"* shows copies of the file as it was before", "%s: %w", fstabPath, err)
}

// strayLines refuses a board whose fstab has lines of ours, whole or not, though
// no journal knows of anything set up.
func strayLines() error {
	text, err := readFstab()
	if err != nil {
		return err
	}
	_, block, err := splitFstab(text)
	switch {
	case err != nil:
		return damagedLines(err)
	case block != nil:
		return unfit("take them out by hand, if nothing of theirs is wanted any more", "%s has lines of kubeadm-arm storage, and %s, which tells how they came there, is missing", fstabPath, journalPath)
	}
	return nil
}

// chooseDisk finds the disk that the wish names.
func (p *Plan) chooseDisk(w Wish, j *journal, disks []Disk, m mounts) error {
	const list = "list the disks with: kubeadm-arm storage plan"
	kind, value, tagged := strings.Cut(w.Device, "=")
	var match func(Disk) bool
	asMount := ""
	switch {
	case w.Device == "" && j.UUID != "":
		match = func(d Disk) bool { return d.UUID == j.UUID }
		w.Device = "UUID=" + j.UUID
	case tagged && kind == "UUID" && value != "":
		match = func(d Disk) bool { return strings.EqualFold(d.UUID, value) }
	case tagged && kind == "LABEL" && value != "":
		match = func(d Disk) bool { return d.Label == value }
	case strings.HasPrefix(w.Device, "/"):
		if n, ok := blockNumber(w.Device); ok {
			match = func(d Disk) bool { return d.number == n }
			break
		}
		asMount = path.Clean(w.Device)
		i := m.at(asMount)
		if i == nil {
			if !durable.Exists(w.Device) {
				return unfit(list, "%s: there is no such device or folder", w.Device)
			}
			return unfit(list, "%s is neither a block device nor a mount point", w.Device)
		}
		n := mountDevice(i)
		match = func(d Disk) bool { return d.number == n }
	default:
		return unfit(list, "%q is none of UUID=…, LABEL=…, a device such as /dev/md0, or a mount point", w.Device)
	}
	var found []Disk
	for _, d := range disks {
		if match(d) && d.FSType != "linux_raid_member" {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 0 && asMount != "":
		return unfit(list, "%s is not a disk of this board that is mounted", w.Device)
	case len(found) == 0 && j.UUID != "" && w.Device == "UUID="+j.UUID:
		return &RefusedError{NotMounted, fmt.Errorf("%s, on which the data lies, is not there", w.Device), "look whether the disk or RAID is connected and assembled: lsblk; cat /proc/mdstat"}
	case len(found) == 0:
		return unfit(list, "%s: no disk has it", w.Device)
	case len(found) > 1:
		return unfit("give one of them another UUID or label (tune2fs -U random DEVICE), or name it by its path", "%s: %d disks have it: %s and %s", w.Device, len(found), found[0].Path, found[1].Path)
	}
	p.Disk = found[0]
	if j.UUID != "" && j.UUID != p.Disk.UUID {
		return unfit("take that back first: kubeadm-arm storage undo", "the data lies on UUID=%s already, not on %s", j.UUID, p.Disk.Name())
	}
	if p.Disk.Unfit != "" {
		return unfit(list, "%s %s", p.Disk.Path, p.Disk.Unfit)
	}
	switch {
	case w.Mount != "":
		p.Mount = path.Clean(w.Mount)
	case asMount != "":
		p.Mount = asMount
	case j.Mount != "":
		p.Mount = j.Mount
	default:
		p.Mount = DefaultMount
	}
	if j.Mount != "" && j.Mount != p.Mount {
		return unfit("take that back first: kubeadm-arm storage undo", "the disk's place is %s already, not %s", j.Mount, p.Mount)
	}
	return nil
}

// checkMount looks at the place where the disk is or will be mounted.
func (p *Plan) checkMount(j *journal, lines []fstabLine, m mounts) error {
	if err := checkPath("the mount point", p.Mount); err != nil {
		return err
	}
	here := m.at(p.Mount)
	if here != nil && mountDevice(here) != p.Disk.number {
		return unfit("choose another place with --mount", "%s is in use: %s is mounted there", p.Mount, here.Source)
	}
	if here != nil && strings.HasPrefix(here.Options, "ro") {
		return unfit("mount -o remount,rw "+shell.Quote(p.Mount), "%s is mounted read-only", p.Mount)
	}
	for _, at := range p.Disk.MountedAt {
		ours := j.UUID == p.Disk.UUID && j.folder(at) != nil
		if !ours && !slices.Contains(p.Disk.MountedAt, p.Mount) {
			return unfit("use it where it is: kubeadm-arm storage plan "+shell.Quote(at)+" (or unmount it first)", "%s is mounted at %s already", p.Disk.Path, at)
		}
	}
	l, ok := lineFor(lines, p.Mount)
	switch {
	case ok && here == nil && l.mounts(p.Disk) && m.automount(p.Mount):
		return unfit("have it mounted, then repeat: ls "+shell.Quote(p.Mount), "line %d of %s mounts %s at %s at its first use, and nobody has used it yet", l.Number, fstabPath, p.Disk.Name(), p.Mount)
	case ok && here == nil && l.mounts(p.Disk):
		return unfit("mount it, then repeat: mount "+shell.Quote(p.Mount), "line %d of %s mounts %s at %s, and it is not mounted", l.Number, fstabPath, p.Disk.Name(), p.Mount)
	case ok && here == nil:
		return unfit("mount it: mount "+shell.Quote(p.Mount)+" (and name the mount point as the device), or remove the line, or choose another place with --mount", "line %d of %s mounts something at %s already: %s", l.Number, fstabPath, p.Mount, strings.TrimSpace(l.Text))
	case !ok && j.UUID == "":
		if other, listed := lineOf(lines, p.Disk); listed {
			return unfit(fmt.Sprintf("use that place (mount %s, if it is not mounted there), or remove the line, and repeat", shell.Quote(path.Clean(other.File))), "line %d of %s mounts %s at %s, not at %s", other.Number, fstabPath, p.Disk.Name(), path.Clean(other.File), p.Mount)
		}
	case ok && j.UUID != "" && !j.OwnersLine:
		return unfit("remove one of the two", "line %d of %s is a second one for %s: %s", l.Number, fstabPath, p.Mount, strings.TrimSpace(l.Text))
	}
	if here == nil && durable.Exists(p.Mount) && !emptyFolder(p.Mount) && !isGuard(p.Mount) {
		return unfit("choose another place with --mount", "%s is not empty: what is in it would be hidden", p.Mount)
	}
	if here == nil && len(p.Disk.MountedAt) == 0 {
		// A swap, a member of an array or LVM holds its device (open(2), O_EXCL).
		fd, err := unix.Open(p.Disk.Path, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EBUSY) {
			return unfit("see who holds it: lsblk "+shell.Quote(p.Disk.Path), "%s is in use", p.Disk.Path)
		}
		if err == nil {
			unix.Close(fd)
		}
	}
	return nil
}

// checkPath refuses paths that cannot be a mount point of ours.
func checkPath(what, name string) error {
	switch {
	case !strings.HasPrefix(name, "/") || path.Clean(name) != name:
		return unfit("write it from / on, without . and ..", "%s %q is not a whole path", what, name)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }):
		return unfit("choose another name", "%s %q has characters that fstab and people cannot read", what, name)
	}
	for at := name; at != "/"; at = path.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			continue // not there yet
		}
		if info.Mode()&os.ModeSymlink != 0 {
			to, _ := filepath.EvalSymlinks(at)
			return unfit("name the real path: "+to+strings.TrimPrefix(name, at), "%s %s leads over a symbolic link, %s to %s: mount units cannot follow it", what, name, at, to)
		}
		if !info.IsDir() {
			return unfit("choose another name", "%s %s: %s is not a folder", what, name, at)
		}
	}
	return nil
}

// wishedFolders are the folders to be moved, those moved already among them.
func wishedFolders(w Wish, j *journal, m mounts) ([]string, error) {
	all := j.paths()
	wished := w.Folders
	if len(wished) == 0 && len(all) == 0 {
		wished = []string{"/var/lib/etcd"}
		for _, f := range []string{"/var/lib/docker", "/var/lib/containerd"} {
			// What is a mount point has left the card already.
			if info, err := os.Lstat(f); err == nil && info.IsDir() && m.at(f) == nil {
				wished = append(wished, f)
			}
		}
	}
	for _, f := range wished {
		clean := path.Clean(f)
		if slices.Contains(all, clean) {
			if j.folder(clean) == nil {
				return nil, unfit("name each folder once", "%s is named twice", clean)
			}
			continue
		}
		all = append(all, clean)
	}
	for _, a := range all {
		for _, c := range all {
			if a != c && inside(a, c) {
				return nil, unfit("move only the outer one", "%s lies inside %s", a, c)
			}
		}
	}
	return all, nil
}

// addFolder checks one folder and finds out what has to be done with it.
func (p *Plan) addFolder(n *journal, name string, lines []fstabLine, m mounts) error {
	if err := checkPath("the folder", name); err != nil {
		return err
	}
	for _, keep := range []string{"/etc", "/usr", "/boot", "/proc", "/sys", "/dev", "/run", "/bin", "/lib", "/sbin", "/root"} {
		if inside(name, keep) {
			return unfit("choose a folder of data", "%s belongs to the system and cannot be moved", name)
		}
	}
	if strings.Count(name, "/") < 2 || inside(stateFolder, name) || inside(name, p.Mount) || inside(p.Mount, name) {
		return unfit("choose a folder below it", "%s cannot be moved", name)
	}
	if l, ok := lineFor(lines, name); ok {
		return unfit("remove the line if ours is to take its place", "line %d of %s mounts something at %s already: %s", l.Number, fstabPath, name, strings.TrimSpace(l.Text))
	}
	f := n.folder(name)
	if f == nil {
		f = &folder{Path: name}
		n.Folders = append(n.Folders, f)
	}
	move := Move{Folder: name, To: n.on(f), What: "copy"}
	if here := m.at(name); here != nil {
		if !m.bound(p.Mount, name) || n.UUID == "" || !f.Placed {
			return unfit("unmount it, and remove what mounts it", "%s has something mounted on it already: %s", name, here.Source)
		}
		move.What = "done"
		p.Moves = append(p.Moves, move)
		return nil
	}
	if below := m.below(name); len(below) > 0 && !f.Placed {
		return &RefusedError{Busy, fmt.Errorf("%s cannot be moved: %s is mounted in it", name, below[0]), "unmount it, or stop what uses it"}
	}
	if err := move.look(f, m.at(p.Mount) != nil); err != nil {
		return err
	}
	if f.Switched || isGuard(name) {
		move.What = "done"
	}
	p.Moves = append(p.Moves, move)
	return nil
}

// look sees what is in the folder and at its place on the disk.
func (m *Move) look(f *folder, mounted bool) (err error) {
	empty := true
	if durable.Exists(m.Folder) {
		empty = emptyFolder(m.Folder) || isGuard(m.Folder)
		if m.Bytes, m.Files, err = usage(m.Folder); err != nil {
			return fmt.Errorf("look into %s: %w", m.Folder, err)
		}
	} else if m.What = "create"; f.Sum == "" {
		f.Fresh = true
	}
	f.Etcd = f.Etcd || strings.Contains(filepath.Base(m.Folder), "etcd") || durable.Exists(filepath.Join(m.Folder, etcdMember))
	if f.Placed || f.copied(m.To) || !mounted || !durable.Exists(m.To) || emptyFolder(m.To) {
		return nil
	}
	if !empty {
		return unfit("look which of the two is the right one, and move the other one away", "both %s and %s hold data", m.Folder, m.To)
	}
	m.What = "adopt"
	return nil
}

// checkSize refuses a disk that is too small for sure.
func (p *Plan) checkSize(m mounts) error {
	var need int64
	for _, move := range p.Moves {
		if move.What == "copy" {
			need += move.Bytes
		}
	}
	if need > p.Disk.Bytes {
		return &RefusedError{TooSmall, fmt.Errorf("%s has %s, and the folders hold %s", p.Disk.Path, size(p.Disk.Bytes), size(need)), "choose a larger disk"}
	}
	if m.at(p.Mount) == nil || need == 0 {
		return nil
	}
	var s unix.Statfs_t
	if err := unix.Statfs(p.Mount, &s); err != nil {
		return fmt.Errorf("ask for the space at %s: %w", p.Mount, err)
	}
	if free := int64(s.Bavail) * int64(s.Bsize); need+need/10 > free { //nolint:unconvert // narrower on some architectures
		return &RefusedError{TooSmall, fmt.Errorf("at %s only %s are free, and the folders hold %s", p.Mount, size(free), size(need)), "choose a larger disk, or make room on it"}
	}
	return nil
}

// block are our lines in fstab.
func (j *journal) block() []string {
	var all []string
	if j.UUID == "" {
		return nil
	}
	if !j.OwnersLine {
		pass := 0
		if strings.HasPrefix(j.FSType, "ext") {
			pass = 2
		}
		all = append(all, entry("UUID="+j.UUID, j.Mount, j.FSType, "defaults,noatime,nofail,x-systemd.device-timeout="+deviceTimeout, pass))
	}
	for _, f := range j.Folders {
		options := "bind,nofail"
		if j.namesMount() {
			options += ",x-systemd.requires-mounts-for=" + j.Mount
		}
		all = append(all, entry(j.on(f), f.Path, "none", options, 0))
	}
	return all
}

// namesMount tells whether the mount point can stand in an option: a comma would
// end it, and systemd would take a blank for the end of the path.
func (j *journal) namesMount() bool { return !strings.ContainsAny(j.Mount, ", \t\\\"'%") }

func (j *journal) reasons() []Explanation {
	all := []Explanation{
		{"UUID=", "names the file system whatever the kernel calls its device next time"},
		{"noatime", "reading does not write"},
		{"nofail", "the board boots without the disk, so that it can be looked at; it also takes the mount out of what the boot waits for, which is why the kubelet has a drop-in that does wait"},
		{"x-systemd.device-timeout=" + deviceTimeout, "five disks on USB take their time to spin up and be assembled; systemd gives up after 90 s by itself, and each attempt of the kubelet waits again"},
		{"bind", "the folder keeps its name, so that neither kubeadm nor docker need to know"},
	}
	if j.OwnersLine {
		all = all[4:]
	}
	if j.namesMount() {
		all = append(all, Explanation{"x-systemd.requires-mounts-for=" + j.Mount, "the bind mount waits for the disk, and is not made on an empty folder if the disk is missing"})
	}
	if !j.OwnersLine && strings.HasPrefix(j.FSType, "ext") {
		all = append(all, Explanation{"0 2", "not dumped; checked by fsck after the root file system"})
	}
	return all
}
