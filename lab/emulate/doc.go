// Package emulate boots ARM boards in QEMU, with the kernels that Debian has for
// them and a root file system in memory, runs commands there and brings back what
// they printed, how they ended and what CPU time they took.
//
// It owns the table of boards, the kernels' packages, the root file system and
// the console's language.
package emulate
