package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/kubeadm-arm/kubeadm-arm/internal/tree"

	"github.com/kubeadm-arm/kubeadm-arm/internal/shell"
)

// Guard reports whether the folders are where their data is: all that are set up,
// or those named. Services ask it before they start, so that whatever it cannot
// find out is an error.
func (b Board) Guard(ctx context.Context, only []string) error {
	j, err := readJournal()
	if err != nil {
		return fmt.Errorf("nothing is started: %w", err)
	}
	for _, o := range only {
		if j.folder(o) == nil {
			return &RefusedError{NotMounted,
				fmt.Errorf("nothing is started: %s is asked for, and was not set up by kubeadm-arm storage", o),
				"see: kubeadm-arm storage status; drop-ins that nothing belongs to: ls " + dropInPath("*")}
		}
	}
	if j.UUID == "" {
		if err := strayLines(); err != nil {
			return fmt.Errorf("nothing is started: %w", err)
		}
		return nil
	}
	m, err := readMounts()
	if err != nil {
		return fmt.Errorf("nothing is started: %w", err)
	}
	for _, f := range j.Folders {
		if len(only) > 0 && !slices.Contains(only, f.Path) {
			continue
		}
		if !m.bound(j.Mount, f.Path) {
			return b.notBound(ctx, j, f, m)
		}
		if err := j.madeAnew(f); err != nil {
			return fmt.Errorf("nothing is started: %w", err)
		}
	}
	if err := b.rightDisk(ctx, j, m); err != nil {
		return fmt.Errorf("nothing is started: %w", err)
	}
	return nil
}

// madeAnew refuses an empty folder on the disk that is not the one that was put there: fsck
// may have removed that one, with all that was in it, and systemd makes the missing
// source of a bind mount. etcd would begin a second database in it. One that holds
// something was restored, one that is the same was emptied, as by kubeadm reset.
func (j *journal) madeAnew(f *folder) error {
	to := j.target(f)
	if f.State != onDisk || f.Disk == (guardID{}) || !tree.IsEmpty(to) {
		return nil
	}
	now, err := identify(to)
	if err != nil || now == f.Disk {
		return err
	}
	help := "look for it in " + shell.Quote(j.Mount+"/lost+found") + " and put it back; or go on with the data of " +
		"before: kubeadm-arm storage undo; or begin anew: kubeadm-arm storage apply --use " + shell.InQuotes(to)
	return &RefusedError{Different, fmt.Errorf("%s is empty and was made anew: the folder that was put on the disk "+
		"is gone, as when fsck has removed it", to), help}
}

// notBound says why a folder is not where its data is.
func (b Board) notBound(ctx context.Context, j *journal, f *folder, m mounts) error {
	if j.Doing != "" {
		return &RefusedError{Interrupted,
			fmt.Errorf("nothing is started: an %s of kubeadm-arm storage was interrupted, and %s is not mounted",
				j.Doing, f.Path), "finish it with: kubeadm-arm storage " + j.Doing +
				", or take it back with: kubeadm-arm storage undo"}
	}
	why := "it is there, but " + j.Mount + " is not mounted"
	if m.at(j.Mount) != nil {
		why = "the bind mount is missing: mount " + f.Path
	}
	var refused *RefusedError
	if _, err := b.find(ctx, j); errors.As(err, &refused) && refused.Reason == NotMounted {
		why = "the disk or RAID is not connected or not assembled"
	} else if err != nil {
		why = err.Error()
	}
	return &RefusedError{NotMounted, fmt.Errorf("nothing is started: %s is not on its disk (UUID=%s): %s", f.Path,
		j.UUID, why),
		"see: kubeadm-arm storage status"}
}

// rightDisk reports whether what is mounted is the file system of the set-up. Only
// that device is asked: another one that does not answer, or that has the same
// UUID, is not in the way. The others are looked at if its hardware is not that of
// the set-up.
func (b Board) rightDisk(ctx context.Context, j *journal, m mounts) error {
	here := m.at(j.Mount)
	if here == nil {
		return &RefusedError{NotMounted, fmt.Errorf("%s is not mounted", j.Mount), "see: kubeadm-arm storage status"}
	}
	uuid, err := b.uuidOf(ctx, here.Source)
	if err != nil {
		return &RefusedError{NotMounted, fmt.Errorf("what is mounted at %s cannot be determined: %w", j.Mount, err),
			"see: kubeadm-arm storage status"}
	}
	if uuid != j.UUID {
		return &RefusedError{NotMounted, fmt.Errorf("another disk than UUID=%s is mounted at %s", j.UUID, j.Mount),
			"see: kubeadm-arm storage status"}
	}
	if !j.anotherDevice(deviceIDs(here.Source)) {
		return nil
	}
	disks, err := b.Disks(ctx)
	if err != nil {
		return err
	}
	return refuseClone(j, here.Source, withUUID(disks, j.UUID))
}

// uuidOf reads the UUID of the file system on a device; one that is no device has
// none.
func (b Board) uuidOf(ctx context.Context, device string) (string, error) {
	if _, ok := blockNumber(device); !ok {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.deviceWait())
	defer cancel()
	text, err := b.Run(ctx, "blkid", "-p", "-o", "udev", device)
	if err != nil {
		return "", err
	}
	return parseBlkid(text)["UUID"], nil
}
