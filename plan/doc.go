// Package plan decides. From facts about the board, its speed, its kubeadm and
// what the owner asked for, [MakeInit] or [MakeJoin] computes a [Plan]: a closed list of steps
// and, for every number in them, the reason. The package opens no file, starts
// no process and reads no clock, so the preview of a run cannot differ from the
// run.
package plan
