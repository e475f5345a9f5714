package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/kubeadm-arm/kubeadm-arm/bootstrap/state"
	"github.com/kubeadm-arm/kubeadm-arm/internal/durable"
	"github.com/kubeadm-arm/kubeadm-arm/internal/systemd"
)

// board is the layout of the board that this program runs on.
func board() state.Layout {
	return state.Layout{Root: "/", FS: durable.FS{Hook: durable.KillPoint()}}
}

// thisProgram is the path that systemd can start this program by.
func thisProgram() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}

// trustedProgram is that path where root's units may name it.
func trustedProgram() (string, error) { return systemd.TrustedProgram(thisProgram()) }

// isRoot is what kubeadm's own preflight check asks.
func isRoot() bool { return os.Geteuid() == 0 }

func needRoot(command string) error {
	if isRoot() {
		return nil
	}
	return &problem{exitNotRoot, "run it again with sudo", fmt.Errorf("%s must be run as root", command)}
}

// self is this program's file, nil if it cannot be found.
func self() os.FileInfo {
	// /proc/self/exe is the program even when it was started through a link or
	// its file has been replaced since.
	info, err := os.Stat("/proc/self/exe")
	if err != nil {
		return nil
	}
	return info
}

// release is set by the linker: -X main.release=v0.1.0.
var release string

func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}
