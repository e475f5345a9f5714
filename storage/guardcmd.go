package storage

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		if len(only) > 0 && !slices.Contains(only, f.Path) || m.bound(j.Mount, f.Path) {
			continue
		}
		return b.notBound(ctx, j, f, m)
	}
	if err := b.rightDisk(ctx, j, m); err != nil {
		return fmt.Errorf("nothing is started: %w", err)
	}
	return nil
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
