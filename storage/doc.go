// Package storage puts the folders that wear an SD card out, etcd's first of
// all, onto another disk by bind mounts in /etc/fstab, and takes that back.
//
// [Look] reads the board, [Decide] turns a wish into a [Plan] or refuses it and
// changes nothing, [Apply] and [Undo] carry out. Both keep a journal, so that a
// run that was killed anywhere is finished or taken back by the next one.
// Copying is cp(1)'s, looking at disks lsblk(8)'s and blkid(8)'s, mounting
// mount(8)'s; the text of fstab(5), the order of the steps and the proof that a
// copy equals its original are here.
package storage
