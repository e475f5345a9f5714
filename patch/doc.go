// Package patch rewrites static pod manifests: a manifest in, a manifest out,
// changed only where it must be. Bytes that need no change stay as they are,
// with their order, comments, quoting and line endings.
//
// It owns the editing, not the deciding: which numbers a board needs comes in
// as [Settings]. It knows no kubeadm version. A manifest tells by itself which
// probes it has.
package patch
