package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kubeadm-arm/kubeadm-arm/storage/fstab"

	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
)

// boardIdentity is what tells this board from another one of its kind, which the
// same card may be put into: the serial number of the device tree or of the SoC,
// the firmware's, or else the network cards' addresses. It is empty where there is
// nothing of that kind. Nothing that lies on the card counts, such as
// /etc/machine-id: a cloned card has the same.
func boardIdentity() string {
	for _, path := range []string{
		"/proc/device-tree/serial-number",    // Documentation/devicetree, root node
		"/sys/devices/soc0/serial_number",    // Documentation/ABI/testing/sysfs-devices-soc
		"/sys/class/dmi/id/product_uuid",     // SMBIOS
		"/sys/class/dmi/id/board_serial",     //
		"/sys/firmware/devicetree/base/uuid", //
	} {
		text, err := safefile.Read(path, 4096)
		id := strings.Trim(string(text), "\x00 \n")
		if err == nil && strings.Trim(id, "0-") != "" {
			return id
		}
	}
	files, _ := filepath.Glob("/sys/class/net/*/device/../address")
	if len(files) == 0 {
		files, _ = filepath.Glob("/sys/class/net/*/address")
	}
	var all []string
	for _, f := range files {
		text, err := safefile.Read(f, 4096)
		// A locally administered address may be another one at the next start.
		if mac := strings.TrimSpace(string(text)); err == nil && len(mac) == 17 && strings.Contains("048c", mac[1:2]) &&
			mac != "00:00:00:00:00:00" {
			all = append(all, mac)
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

func (b Board) identity() string {
	if b.Identity != nil {
		return b.Identity()
	}
	return boardIdentity()
}

const otherBoardHelp = "if card and disk are this board's now: kubeadm-arm storage apply --take-over; " +
	"if the card is a copy and the disk stays with the other board: kubeadm-arm storage undo --without-disk"

// journalFor reads the journal for a command that changes the board. That of
// another board, on a cloned card or from a backup, is refused unless it is taken
// over. rebuild makes one from fstab's marked lines where there is none.
func (b Board) journalFor(rebuild, takeOver bool) (*journal, error) {
	j, err := readJournal()
	if err != nil {
		return nil, err
	}
	if rebuild {
		if j.UUID != "" {
			return nil, unsuitable("leave out --rebuild", "%s is there and can be read", journalPath)
		}
		kept := j.Kept
		if j, err = rebuildJournal(); err != nil {
			return nil, err
		}
		j.Kept = kept
	}
	now := b.identity()
	if j.UUID != "" && j.Board != "" && now != "" && j.Board != now {
		if !takeOver {
			return nil, &RefusedError{OtherBoard, fmt.Errorf("the card was set up in another board (%s, this one is %s)",
				j.Board, now),
				otherBoardHelp}
		}
	}
	if now != "" {
		j.Board = now
	}
	return j, nil
}

// rebuildJournal makes a journal from the marked lines of fstab. What is where is
// looked at when it is carried out.
func rebuildJournal() (*journal, error) {
	text, err := readFstab()
	if err != nil {
		return nil, err
	}
	owner, block, err := fstab.Split(text)
	if err != nil {
		return nil, damagedLines(err)
	}
	j := &journal{Version: journalVersion}
	for _, l := range fstab.Parse([]byte(joinLines(block))) {
		if uuid, ok := strings.CutPrefix(l.Spec, "UUID="); ok && l.Type != "none" {
			j.UUID, j.Mount, j.FSType = uuid, l.File, l.Type
			continue
		}
		mount, ok := strings.CutSuffix(l.Spec, l.File)
		if !ok || l.Type != "none" || j.Mount != "" && j.Mount != mount {
			return nil, unsuitable("put it right by hand", "%s: cannot make a journal of: %s", fstabPath, l.Text)
		}
		j.Mount = mount
		j.Folders = append(j.Folders, &folder{Path: l.File, State: switching, Etcd: strings.Contains(l.File, "etcd"),
			Guard: guardID{Unrecorded: true}})
	}
	if len(j.Folders) == 0 {
		return nil, &RefusedError{NotSetUp,
			errors.New("nothing is set up by kubeadm-arm storage: " + fstabPath + " has no lines of it"),
			"see: kubeadm-arm storage plan"}
	}
	if j.UUID == "" {
		l, ok := fstab.LineFor(fstab.Parse(owner), j.Mount)
		uuid, tagged := strings.CutPrefix(l.Spec, "UUID=")
		if !ok || !tagged {
			return nil, unsuitable("mount it by its UUID=", "%s: the disk of %s is not named by its UUID", fstabPath, j.Mount)
		}
		j.UUID, j.FSType, j.OwnersLine = uuid, l.Type, true
	}
	j.Doing = "apply"
	return j, nil
}
