// Package patch rewrites static pod manifests: a manifest in, a manifest out,
// changed only where it must be. Bytes that need no change stay as they are,
// with their order, comments, quoting and line endings.
//
// It owns the editing, not the deciding: which numbers a board needs comes in
// as [Settings]. It knows no kubeadm version: a manifest shows by itself which
// probes it has.
//
// It is for the four manifests that kubeadm writes. Do not use it to make
// manifests, or for pods of other kinds: those it refuses.
package patch
