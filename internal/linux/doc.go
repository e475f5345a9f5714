// Package linux reads what the kernel reports about a board: processes, CPU time,
// memory, mounts, disks, and a Raspberry Pi firmware's throttling. Every parser
// takes the file's text, so that it can be tested and fuzzed on any machine, and
// names the kernel's document of the format.
//
// It is not for files that have an owner of their own, such as containerd's or
// kubeadm's, nor for cgroups, which package bench reads.
package linux
