package main

// badStorage are wrong disks, folders, fstabs and storage journals.
func badStorage() []badInput {
	const (
		begin   = "# BEGIN kubeadm-arm storage (take it away with: kubeadm-arm storage undo)\n"
		end     = "# END kubeadm-arm storage\n"
		card    = "UUID=1111-2222 /boot vfat defaults 0 2\n"
		journal = "/var/lib/kubeadm-arm/storage.json"
	)
	fstab := func(text string) trial { return with("/etc/fstab", file(text)) }
	return []badInput{
		{"storage-no-verb", 0, "storage", trial{}},
		{"storage-unknown-verb", exitUsage, "storage resize", trial{}},
		{"storage-no-device", exitUsage, "storage apply", trial{}},
		{"storage-apply-goes-on", exitStorageGone, "storage apply", fstab(card).and(journal, file(`{"version": 2, "uuid": "11", `+
			`"fsType": "ext4", "mount": "/mnt/root", "doing": "apply"}`))},
		{"storage-two-devices", exitUsage, "storage apply /dev/sda1 /dev/sdb1", trial{}},
		{"storage-unknown-flag", exitUsage, "storage apply --format /dev/sda1", trial{}},
		{"storage-device-not-there", exitStorage, "storage apply /dev/no-such-disk", fstab(card)},
		{"storage-device-is-no-disk", exitStorage, "storage apply /dev/null", fstab(card)},
		{"storage-device-is-a-file", exitStorage, "storage apply /mnt/disk.img", fstab(card).and("/mnt/disk.img", file("x"))},
		{"storage-uuid-not-there", exitStorage, "storage apply UUID=00000000-0000-0000-0000-000000000000", fstab(card)},
		{"storage-label-not-there", exitStorage, "storage apply LABEL=no-such-label", fstab(card)},
		{"storage-folder-relative", exitStorage, "storage apply --folder var/lib/etcd /dev/no-such-disk", fstab(card)},
		{"storage-folder-of-the-system", exitStorage, "storage apply --folder /etc /dev/no-such-disk", fstab(card)},
		{"storage-mount-relative", exitStorage, "storage apply --mount mnt/root /dev/no-such-disk", fstab(card)},
		{"storage-undo-of-nothing", exitStorageGone, "storage undo", fstab(card)},
		{"storage-clean-of-nothing", 0, "storage clean", fstab(card)},
		{"fstab-block-without-end", exitStorage, "storage plan /dev/no-such-disk", fstab(card + begin)},
		{"fstab-block-twice", exitStorage, "storage status", fstab(card + begin + end + begin + end)},
		{"fstab-end-without-begin", exitStorage, "storage undo", fstab(card + end)},
		{"fstab-is-a-folder", exitStorage, "storage apply /dev/no-such-disk", with("/etc/fstab", folder(0o755))},
		{"storage-journal-cut-off", exitBadInput, "storage status", fstab(card).and(journal, file(`{"version": 1, "uuid": "11`))},
		{"storage-journal-of-the-future", exitBadInput, "storage apply /dev/no-such-disk", fstab(card).and(journal, file(`{"version": 99}`))},
		{"storage-journal-is-a-folder", exitBadInput, "storage status", fstab(card).and(journal, folder(0o700))},
		{"storage-of-init-not-there", exitStorage, "init --ignore-preflight-errors=all --storage /dev/no-such-disk", fstab(card)},
		{"storage-not-root", exitNotRoot, "storage apply /dev/no-such-disk", trial{Nobody: true}},
	}
}
