// Package certs looks at a node's certificates, decides which of them have to be
// renewed, and renews them.
//
// A look ([Look]) reads files below a root folder and changes nothing. The
// decision ([Decide]) is a pure function of what was seen and of the clock. The
// change ([Board.Renew]) makes every new file first, proves it, and only then puts all of
// them into place; a journal has an interrupted renewal completed later, so that
// a board never starts with half of it.
//
// Before the kubelet's first start, [Board.MoveKubeletClient] and
// [Board.MakeKubeletServing] make what it would otherwise make itself.
//
// Certificate authorities are never made here.
package certs
