// Package storage puts the folders that wear an SD card out, etcd's first of
// all, onto another disk by bind mounts in /etc/fstab, and takes that back.
//
// [Board.Decide] turns a [Request] into a [Plan] or refuses it and changes
// nothing, [Board.Apply] and [Board.Undo] carry out. Both keep a journal, so that a
// run that was killed anywhere is finished or taken back by the next one.
// Copying is cp(1)'s, looking at disks lsblk(8)'s and blkid(8)'s, mounting
// mount(8)'s; the order of the steps and the proof that a copy equals its original
// are here. The parts that know nothing of that order are packages of their own:
// fstab (the text of /etc/fstab), tree (reading, comparing and removing folders),
// users (who works in a folder), sysfs (arrays and makers' numbers), runner
// (programs, with limits).
package storage
