package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/await"
	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/certs"
	"github.com/kubeadm-arm/kubeadm-arm/hwdetect"
	"github.com/kubeadm-arm/kubeadm-arm/internal/fault"
	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/safefile"
	"github.com/kubeadm-arm/kubeadm-arm/kubeadm"
	"github.com/kubeadm-arm/kubeadm-arm/storage"
)

// The exit codes. A command of the real kubeadm keeps its own; 1 to 9 are never ours but
// for doctor's. They are part of the interface: 26 is no longer used, and never again.
const (
	exitUsage       = 10
	exitNotRoot     = 11
	exitNoKubeadm   = 12
	exitBadConfig   = 13
	exitClusterHere = 14
	exitForeign     = 15
	exitDisk        = 16
	exitIllegal     = 17
	exitStuck       = 18
	exitTooOld      = 19
	exitMissing     = 20
	exitLocked      = 21
	exitBadInput    = 22
	exitChanged     = 23
	exitNoRun       = 24
	exitNotReady    = 25
	exitStorage     = 27
	exitStorageGone = 28
	exitStorageBusy = 29
	exitInternal    = 30
	exitUntrusted   = 31
	exitPanic       = 32
	exitCerts       = 33
	exitNoCluster   = 34
	exitQuorum      = 35
)

// exit is an exit code.
type exit struct {
	code    int
	meaning string
}

// exitCodes are all codes and what they mean: docs/exit-codes.md and the manual pages are
// made of it.
func exitCodes() []exit {
	return []exit{
		{exitUsage, "a flag or environment variable of kubeadm-arm is wrong"},
		{exitNotRoot, "not root"},
		{exitNoKubeadm, "no real kubeadm found, or what was found does not report its version"},
		{exitBadConfig, "the `--config` file cannot be read or is malformed"},
		{exitClusterHere, "a cluster is set up here already"},
		{exitForeign, "the manifests folder cannot be read, or holds a second pod of a component; " +
			"other static pods, such as kube-vip's, are left alone"},
		{exitDisk, "the disk is full or read-only, or what has to be changed is immutable"},
		{exitIllegal, "a program was built for another CPU and would die"},
		{exitStuck, "gave up waiting: there was no more progress"},
		{exitTooOld, "this kubeadm is older than v1.13"},
		{exitMissing, "a program is missing, such as the kubelet"},
		{exitLocked, "another kubeadm-arm is running"},
		{exitBadInput, "an input file (journal, report, benchmark, manifest, patch) is bad"},
		{exitChanged, "something has changed since the run was interrupted"},
		{exitNoRun, "no interrupted run is recorded"},
		{exitNotReady, "`init`, `join`, `upgrade`: doctor found something that would make it fail; nothing was changed"},
		{exitStorage, "storage: the device, a folder or fstab does not allow it, or copies differ and you have to choose; no copy was removed"},
		{exitStorageGone, "storage: a folder is not on its disk, or nothing is set up"},
		{exitStorageBusy, "storage: what is to be moved is in use"},
		{exitInternal, "anything else"},
		{exitUntrusted, "users other than root can replace this program, which systemd would have to start; nothing was changed"},
		{exitPanic, "a bug in kubeadm-arm itself"},
		{exitCerts, "certs: a certificate that has expired, soon will, or is asked for cannot be renewed on this node"},
		{exitNoCluster, "`upgrade`: there is no control plane, or no node, on this board, or its API server does not answer"},
		{exitQuorum, "`reset`: the board's member of etcd cannot be removed, because too few of the others are on; nothing was changed"},
	}
}

// exitCode maps an error to the exit code.
func exitCode(err error) int {
	var p *problem
	var cmd *kubeadm.CommandError
	var notFound *kubeadm.NotFoundError
	var config *kubeadm.ConfigError
	var argument *kubeadm.ArgumentError
	var tooOld *kubeadm.TooOldError
	var stuck *await.StuckError
	var node *await.NodeError
	var member *await.MemberError
	var illegal *hwdetect.IllegalInstructionError
	var refused *state.RefusedError
	var unstored *storage.RefusedError
	var panicked *fault.Error
	var unread *safefile.RefusedError
	var locked *certs.LockedError
	switch {
	case errors.As(err, &panicked):
		return exitPanic
	case errors.As(err, &p):
		return p.code
	case errors.As(err, &notFound):
		return exitNoKubeadm
	case errors.As(err, &config):
		return exitBadConfig
	case errors.As(err, &argument):
		return exitUsage
	case errors.As(err, &tooOld):
		return exitTooOld
	case errors.As(err, &illegal):
		return exitIllegal
	case errors.As(err, &stuck), errors.As(err, &node), errors.As(err, &member):
		return exitStuck
	case errors.As(err, &refused):
		return refusedCode(refused.Reason)
	case errors.As(err, &unstored):
		return storageCode(unstored.Reason)
	case errors.As(err, &locked):
		return exitCerts
	case errors.As(err, &unread):
		return exitBadInput
	case errors.As(err, &cmd):
		return cmd.ExitCode
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO),
		errors.Is(err, syscall.EDQUOT):
		return exitDisk
	case errors.Is(err, fs.ErrPermission) && isRoot(): // chattr +i
		return exitDisk
	case errors.Is(err, fs.ErrPermission):
		return exitNotRoot
	}
	return exitInternal
}

func refusedCode(r state.Reason) int {
	switch r {
	case state.ClusterHere:
		return exitClusterHere
	case state.ForeignManifests:
		return exitForeign
	case state.NoSpace:
		return exitDisk
	case state.Locked:
		return exitLocked
	case state.BadJournal, state.BadManifest:
		return exitBadInput
	case state.Changed:
		return exitChanged
	case state.NotRecorded:
		return exitNoRun
	case state.UntrustedProgram:
		return exitUntrusted
	case state.NoCluster:
		return exitNoCluster
	case state.Quorum:
		return exitQuorum
	}
	return exitInternal
}

func storageCode(r storage.Reason) int {
	switch r {
	case storage.Unsuitable, storage.Different, storage.OtherBoard:
		return exitStorage
	case storage.NotMounted, storage.NotSetUp:
		return exitStorageGone
	case storage.Busy:
		return exitStorageBusy
	case storage.TooSmall, storage.ReadOnly:
		return exitDisk
	case storage.Locked:
		return exitLocked
	case storage.BadJournal:
		return exitBadInput
	case storage.Interrupted:
		return exitChanged
	}
	return exitInternal
}

// fail prints an error the way all of them are printed, one clear line and a
// hint, and returns the exit code.
func (v invocation) fail(err error) int {
	if err == nil {
		return 0
	}
	var said *silentError
	if errors.As(err, &said) {
		return said.code
	}
	// Several errors in one are a line each.
	printable.Fprintf(v.stderr, "kubeadm-arm: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		printable.Fprintf(v.stderr, "hint: %s\n", hinted.Hint())
	}
	return exitCode(err)
}

// silentError is an error that was shown already, or that needs no words.
type silentError struct{ code int }

func (e *silentError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// problem is an error with an exit code and advice.
type problem struct {
	code int
	hint string
	err  error
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// Hint says what can be done.
func (p *problem) Hint() string { return p.hint }
