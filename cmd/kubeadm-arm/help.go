package main

import (
	"fmt"
	"runtime/debug"

	"github.com/kubeadm-arm/kubeadm-arm/internal/printable"
)

// initHelp shows our flags first and then kubeadm's own help.
func (v invocation) initHelp(o options) error {
	fmt.Fprint(v.stdout, helpOf(o.command)+"\n")
	path, err := v.realKubeadm(o.text("arm-kubeadm"))
	if err != nil {
		printable.Fprintf(v.stdout, "(no kubeadm found to ask for its flags: %v)\n", err)
		return nil
	}
	// Not init --help: a question must not begin with the word that changes the board.
	return v.child(path, []string{"help", "init"})
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
