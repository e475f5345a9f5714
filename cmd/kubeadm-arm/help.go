package main

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime/debug"
)

const helpText = `kubeadm-arm is a drop-in for kubeadm on slow and old boards.

  kubeadm-arm init [flags of kubeadm init]   bring a control plane up, staged and scaled to the board
  kubeadm-arm resume                         go on with an init that was interrupted
  kubeadm-arm status [-o json]               how far it came, and where each manifest is
  kubeadm-arm abort                          give it up and put everything of ours back
  kubeadm-arm reset [flags of kubeadm reset] kubeadm reset, and then everything of ours goes too
  kubeadm-arm doctor [flags of kubeadm init] what on this board would stop init, and the line that mends it
  kubeadm-arm detect                         what the board is, and what its programs were built for
  kubeadm-arm bench                          how fast the board is
  kubeadm-arm patch [--diff] [FOLDER]        scale static pod manifests to the board
  kubeadm-arm storage plan|apply|status|undo put etcd's data on another disk than the SD card, safely
  kubeadm-arm report show FILE               a saved board report as Markdown, HTML or JSON
  kubeadm-arm report compare A B             board reports side by side
  kubeadm-arm images build --cpu CPU         on a PC: build kubeadm, kubelet and images for a 32-bit board

Every other command is handed to the real kubeadm as it is.
`

const initHelpText = `kubeadm-arm init takes every flag of kubeadm init, listed below, and these of its own:

      --arm-bench FILE     use this benchmark or report instead of measuring (KUBEADM_ARM_BENCH)
      --arm-kubeadm PATH   the real kubeadm; else the first one in PATH (KUBEADM_ARM_KUBEADM)
      --arm-report DIR     folder for the board report, default ` + defaultReports + ` (KUBEADM_ARM_REPORT)
      --output FORMAT      text or json; json writes one object per line to standard output (KUBEADM_ARM_OUTPUT)
      --profile NAME       responsive, balanced (default) or frugal: how light the control plane is when idle (KUBEADM_ARM_PROFILE)
      --storage DEVICE     before anything else: etcd's data onto this disk, as kubeadm-arm storage apply does (KUBEADM_ARM_STORAGE);
                           DEVICE,folder=PATH,…,mount=PATH names folders and the place of the disk

With --dry-run it prints its plan and changes nothing.

`

// initHelp shows our flags first and then kubeadm's own help.
func (v invocation) initHelp(own initFlags) error {
	fmt.Fprint(v.stdout, initHelpText)
	path, err := v.realKubeadm(own.kubeadm)
	if err != nil {
		fmt.Fprintf(v.stdout, "(no kubeadm found to ask for its flags: %v)\n", err)
		return nil
	}
	cmd := exec.Command(path, "init", "--help")
	cmd.Stdout, cmd.Stderr, cmd.Env = v.stdout, v.stderr, v.env
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &saidError{exit.ExitCode()}
	}
	return err
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
