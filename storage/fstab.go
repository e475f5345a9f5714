package storage

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// An fstabLine is one entry of fstab(5), its fields unescaped.
type fstabLine struct {
	// Number counts from 1.
	Number                    int
	Spec, File, Type, Options string
	// Text is the line as it stands there, without its end.
	Text string
}

// parseFstab reads the entries of an fstab; comments, blank lines and lines with
// fewer than two fields, which mount(8) skips too, are left out.
func parseFstab(text []byte) []fstabLine {
	var all []fstabLine
	for i, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 || strings.HasPrefix(f[0], "#") {
			continue
		}
		l := fstabLine{Number: i + 1, Spec: unescape(f[0]), File: unescape(f[1]), Text: line}
		if len(f) > 2 {
			l.Type = unescape(f[2])
		}
		if len(f) > 3 {
			l.Options = unescape(f[3])
		}
		all = append(all, l)
	}
	return all
}

// entry writes a line as fstab(5) wants it; pass is the order of fsck at boot.
func entry(spec, file, kind, options string, pass int) string {
	return fmt.Sprintf("%s %s %s %s 0 %d", escape(spec), escape(file), kind, escape(options), pass)
}

// escape writes blanks, tabs, backslashes and number signs as octal numbers
// (fstab(5), getmntent(3)).
func escape(s string) string {
	return strings.NewReplacer(" ", `\040`, "\t", `\011`, `\`, `\134`, "#", `\043`).Replace(s)
}

// unescape turns octal numbers back, as util-linux does: any three octal digits
// after a backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] <= '3' && octal(s[i+1]) && octal(s[i+2]) && octal(s[i+3]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(c byte) bool { return c >= '0' && c <= '7' }

// Our lines stand between these two. The second form of the first says that the
// owner's last line had no end of its own, so that undo can leave it so.
const (
	blockBegin    = "# BEGIN kubeadm-arm storage (take it away with: kubeadm-arm storage undo)"
	blockBeginCut = "# BEGIN kubeadm-arm storage, after a line without an end (take it away with: kubeadm-arm storage undo)"
	blockEnd      = "# END kubeadm-arm storage"
	blockMark     = "kubeadm-arm storage"
)

// errBlock says that somebody has been at our lines.
var errBlock = errors.New("the lines of kubeadm-arm storage are not whole")

// splitFstab takes our block out. owner is the text as it would be without us,
// byte for byte; block is nil when there is none.
func splitFstab(text []byte) (owner []byte, block []string, err error) {
	var begin, end = -1, -1
	var cut bool
	var offset int
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		bare := strings.TrimRight(string(line), "\r\n")
		switch {
		case bare == blockBegin || bare == blockBeginCut:
			if begin >= 0 {
				return nil, nil, fmt.Errorf("%w: they begin twice", errBlock)
			}
			begin, cut = offset, bare == blockBeginCut
		case bare == blockEnd:
			if begin < 0 || end >= 0 {
				return nil, nil, fmt.Errorf("%w: an end without a begin", errBlock)
			}
			end = offset + len(line)
		case begin >= 0 && end < 0 && bare != "":
			block = append(block, bare)
		}
		offset += len(line)
	}
	if begin < 0 {
		return text, nil, nil
	}
	if end < 0 {
		return nil, nil, fmt.Errorf("%w: the line %q is missing", errBlock, blockEnd)
	}
	before := text[:begin]
	// Without its line end the owner's last line would swallow what has been
	// written below our block since.
	if cut && end == len(text) {
		before = bytes.TrimSuffix(before, []byte("\n"))
	}
	if block == nil {
		block = []string{}
	}
	return append(append([]byte{}, before...), text[end:]...), block, nil
}

// joinFstab puts our block below the owner's text, which must have none.
func joinFstab(owner []byte, block []string) []byte {
	text := append([]byte{}, owner...)
	begin := blockBegin
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text, begin = append(text, '\n'), blockBeginCut
	}
	for _, line := range append(append([]string{begin}, block...), blockEnd) {
		text = append(append(text, line...), '\n')
	}
	return text
}

// lineFor finds the entry that mounts at a place.
func lineFor(lines []fstabLine, place string) (fstabLine, bool) {
	for _, l := range lines {
		if strings.HasPrefix(l.File, "/") && path.Clean(l.File) == place {
			return l, true
		}
	}
	return fstabLine{}, false
}

// mounts tells whether an entry mounts a disk, by whatever name fstab(5) has for it.
func (l fstabLine) mounts(d Disk) bool {
	if !strings.HasPrefix(l.File, "/") || l.hasOption("bind") || l.hasOption("rbind") {
		return false
	}
	tag, value, tagged := strings.Cut(l.Spec, "=")
	value = strings.Trim(value, `"'`)
	switch {
	case strings.HasPrefix(l.Spec, "/dev/disk/by-"):
		// udev's names, whether or not it runs.
		kind, name, _ := strings.Cut(strings.TrimPrefix(l.Spec, "/dev/disk/by-"), "/")
		return fstabLine{Spec: strings.ToUpper(kind) + "=" + unhex(name), File: l.File}.mounts(d)
	case strings.HasPrefix(l.Spec, "/"):
		n, ok := blockNumber(l.Spec)
		return l.Spec == d.Path || ok && n == d.number
	case !tagged || value == "":
		return false
	case tag == "UUID":
		return strings.EqualFold(value, d.UUID)
	case tag == "LABEL":
		return value == d.Label
	case tag == "PARTUUID":
		return strings.EqualFold(value, d.partUUID)
	}
	return false
}

// lineOf finds the entry that mounts a disk; of several one whose place it is mounted
// at.
func lineOf(lines []fstabLine, d Disk) (found fstabLine, ok bool) {
	used := func(l fstabLine) bool { return slices.Contains(d.MountedAt, path.Clean(l.File)) }
	for _, l := range lines {
		if l.mounts(d) && (!ok || used(l) && !used(found)) {
			found, ok = l, true
		}
	}
	return found, ok
}

// ownersMount lets a disk stay where the owner's fstab mounts it: the wish is the same
// with the disk named by its UUID, and with that place. A place stands for the disk
// that is mounted there, a folder of which is mounted there, or that fstab mounts
// there.
func (w Wish) ownersMount(lines []fstabLine, disks []Disk, m mounts) Wish {
	named, found := w.disk(lines, disks, m)
	if !found || named.UUID == "" {
		return w
	}
	if strings.HasPrefix(w.Device, "/") {
		if _, device := blockNumber(w.Device); !device && w.Mount == "" {
			w.Mount = path.Clean(w.Device)
			if i := m.at(w.Mount); i != nil {
				w.Mount = m.whole(i).Mountpoint
			}
		}
	}
	if l, ok := lineOf(lines, named); ok && w.Mount == "" {
		w.Mount = path.Clean(l.File)
	}
	// Two disks with one name are for the choice to refuse.
	twin := func(d Disk) bool { return d.Path != named.Path && strings.EqualFold(d.UUID, named.UUID) }
	other := strings.HasPrefix(w.Device, "/") || strings.HasPrefix(w.Device, "PARTUUID=")
	if other && !slices.ContainsFunc(disks, twin) {
		w.Device = "UUID=" + named.UUID
	}
	return w
}

// disk is the disk that a wish names.
func (w Wish) disk(lines []fstabLine, disks []Disk, m mounts) (Disk, bool) {
	tag, value, _ := strings.Cut(w.Device, "=")
	place := path.Clean(w.Device)
	number, device := blockNumber(w.Device)
	if i := m.at(place); !device && i != nil {
		number, device = mountDevice(i), true
	}
	l, listed := lineFor(lines, place)
	for _, d := range disks {
		switch {
		case d.FSType == "linux_raid_member":
		case strings.HasPrefix(w.Device, "/") && device && d.number == number,
			strings.HasPrefix(w.Device, "/") && !device && listed && l.mounts(d),
			tag == "UUID" && value != "" && strings.EqualFold(d.UUID, value),
			tag == "PARTUUID" && value != "" && strings.EqualFold(d.partUUID, value),
			tag == "LABEL" && value != "" && d.Label == value:
			return d, true
		}
	}
	return Disk{}, false
}

// hasOption tells whether a comma-separated list holds an option.
func (l fstabLine) hasOption(name string) bool {
	for _, o := range strings.Split(l.Options, ",") {
		if o == name {
			return true
		}
	}
	return false
}
